package logqlpipeline_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
)

// A value with a newline loses its escapes all the same; one with escapes that nobody knows keeps them.
func TestQuotedValuesOfLogfmt(t *testing.T) {
	for line, want := range map[string]string{
		"x=\"a\nb\"":                     "a\nb",
		"x=\"a\\\\again\nb\"":            "a\\again\nb",
		"x=\"say \\\"hi\\\"\n\\tthere\"": "say \"hi\"\n\tthere",
		`x="C:\dir\x\\y"`:                `C:\dir\x\\y`,
		`x="\d+"`:                        `\d+`,
		`x="\u00fc\n"`:                   "ü\n",
	} {
		pairs, err := logqlpipeline.Logfmt(line)
		require.NoError(t, err)
		assert.Equal(t, want, pairs["x"], line)
	}
}
