package ottlcondition_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/ottlcondition"
)

func TestABadConditionSaysWhy(t *testing.T) {
	for _, text := range []string{"attributes[", `nothing.like == "this"`, `Unknown(log.body)`} {
		_, err := ottlcondition.Compile(journal.Logs, text, componenttest.NewNopTelemetrySettings())
		assert.ErrorContains(t, err, "condition:")
	}
}

// A condition that can't be evaluated is not met.
func TestAConditionOnLogs(t *testing.T) {
	c, err := ottlcondition.Compile(journal.Logs, `Int(log.body) > 1 and IsString(log.body)`, componenttest.NewNopTelemetrySettings())
	require.NoError(t, err)
	assert.Nil(t, c.Point)
	assert.Nil(t, c.Span)
	rl := plog.NewLogs().ResourceLogs().AppendEmpty()
	sl := rl.ScopeLogs().AppendEmpty()
	l := sl.LogRecords().AppendEmpty()
	for body, want := range map[string]bool{"2": true, "1": false, "not a number": false} {
		l.Body().SetStr(body)
		assert.Equal(t, want, c.Log(t.Context(), rl, sl, l), body)
	}
}
