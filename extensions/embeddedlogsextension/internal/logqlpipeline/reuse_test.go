package logqlpipeline_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
)

// A pipeline keeps nothing of an entry's texts: a source uses their memory again.
func TestNothingOfAnEntryIsKept(t *testing.T) {
	for _, query := range []string{
		`{a="b"} | logfmt`, `{a="b"} | json`, `{a="b"} | unpack`, "{a=\"b\"} | logfmt | line_format `{{ regexReplaceAll .x .y \"z\" }}`",
	} {
		e, err := logql.Parse(query, logql.DefaultLimits)
		require.NoError(t, err)
		reused, err := logqlpipeline.Compile(query, e.(*logql.LogQuery).Stages)
		require.NoError(t, err)
		var memory []byte
		for _, line := range []string{
			`x.1=aa y=baab`, `x.2=bb y=baab`, `x.1=aa y=baab`, `x=aa y=baab`, `x=bb y=baab`,
			`{"x.1":"v","_entry":"z"}`, `{"x.2":"v","_entry":"z"}`, `{"x.1":"v","_entry":"z"}`,
		} {
			memory = append(memory[:0], line...)
			got, _ := reused.Run(&logqlpipeline.Entry{Line: unsafe.String(&memory[0], len(memory))})
			fresh, err := logqlpipeline.Compile(query, e.(*logql.LogQuery).Stages)
			require.NoError(t, err)
			want, _ := fresh.Run(&logqlpipeline.Entry{Line: line})
			assert.Equal(t, want.Labels(), got.Labels(), "%s of %s", query, line)
			assert.Equal(t, want.Line, got.Line)
		}
	}
}
