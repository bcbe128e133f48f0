package scrub_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/protect"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/scrub"
)

// A value that was clean under one key, or in a list, is not assumed to be clean under another, nor is another value.
func TestWhatWasCleanElsewhere(t *testing.T) {
	b := scrub.New(settings(t, protect.Rule{})).NewBatch()
	for range 3 {
		m := pcommon.NewMap()
		m.PutStr("note", "hunter2x9")
		m.PutEmptySlice("db.password").AppendEmpty().SetStr("hunter2x9")
		m.PutEmptySlice("token").AppendEmpty().SetStr("hunter2x9")
		b.Map("attributes", m)
		m = pcommon.NewMap()
		m.PutStr("note", "hunter2x9")
		m.PutStr("token", "hunter2x9")
		m.PutStr("app.ref", "402119876")
		m.PutStr("ssn", "402119876")
		m.PutStr("mail", "jane@example.com")
		b.Map("attributes", m)
		assert.Equal(t, map[string]any{"note": "hunter2x9", "token": "[REDACTED:sensitive_key]", "app.ref": "402119876", "ssn": "[REDACTED:us_ssn]", "mail": "[REDACTED:email]"}, m.AsRaw())
	}
}
