package scrub_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/corpus/foreign"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/protect"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/scrub"
)

// A second scrubber changes nothing, in every form of a secret and of its replacement.
func TestTwiceIsOnce(t *testing.T) {
	for _, action := range []protect.Action{protect.Redact, protect.Hash, protect.Tokenize, protect.Encrypt} {
		s := scrub.New(settings(t, protect.Rule{Action: action}))
		first, second := s.NewBatch(), s.NewBatch()
		for _, c := range foreign.Carriers(3) {
			for range c.Forms() * 5 {
				once, _ := first.Text("body", c.Next().Text)
				twice, changed := second.Text("body", once)
				assert.False(t, changed, "%s: %q", action, once)
				assert.Equal(t, once, twice)
			}
		}
	}
}

// A clean text without a key is remembered as clean; one with a finding never is.
func TestTextsWithoutKey(t *testing.T) {
	b := scrub.New(settings(t, protect.Rule{})).NewBatch()
	for range 3 {
		for text, want := range map[string]string{"INFO": "INFO", "": "", "jane@example.com": "[REDACTED:email]", "GET /a/{id}": "GET /a/{id}", "password=hunter2x9": "password=[REDACTED:password]"} {
			out, changed := b.Text("name", text)
			assert.Equal(t, want, out)
			assert.Equal(t, want != text, changed)
		}
	}
	tapped := 0
	b.Tap = func(string, string, bool) { tapped++ }
	b.Text("name", "INFO")
	assert.Equal(t, 1, tapped, "whoever watches sees texts that are known to be clean too")
}
