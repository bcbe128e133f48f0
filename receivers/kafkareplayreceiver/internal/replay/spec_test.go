package replay_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
)

var thursday = time.Date(2026, 11, 26, 10, 20, 30, 0, time.UTC)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	out, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return out
}

func TestRanges(t *testing.T) {
	hours := []time.Duration{time.Minute, time.Hour}
	for name, c := range map[string]struct {
		spec             replay.Spec
		windows          []time.Duration
		from, to         string
		readFrom, readTo string
		event, widened   bool
	}{
		"received": {
			spec: replay.Spec{From: "2026-11-24T00:00:00Z", To: "2026-11-25T00:00:00Z"},
			from: "2026-11-24T00:00:00Z", to: "2026-11-25T00:00:00Z", readFrom: "2026-11-24T00:00:00Z", readTo: "2026-11-25T00:00:00Z",
		},
		"to now, from an age": {
			spec: replay.Spec{From: "-10h20m30s", To: "now"},
			from: "2026-11-26T00:00:00Z", to: "2026-11-26T10:20:30Z", readFrom: "2026-11-26T00:00:00Z", readTo: "2026-11-26T10:20:30Z",
		},
		"event times come late, and from clocks that are ahead": {
			spec: replay.Spec{From: "2026-11-24T00:00:00Z", To: "2026-11-25T00:00:00Z", By: "event", Late: "2h"}, event: true,
			from: "2026-11-24T00:00:00Z", to: "2026-11-25T00:00:00Z", readFrom: "2026-11-23T23:50:00Z", readTo: "2026-11-25T02:00:00Z",
		},
		"nothing is read past now": {
			spec: replay.Spec{From: "2026-11-26T09:00:00Z", To: "2026-11-26T10:00:00Z", By: "event"}, event: true,
			from: "2026-11-26T09:00:00Z", to: "2026-11-26T10:00:00Z", readFrom: "2026-11-26T08:50:00Z", readTo: "2026-11-26T10:20:30Z",
		},
		"windows widen": {
			spec: replay.Spec{From: "2026-11-24T09:59:00Z", To: "2026-11-24T12:00:01Z"}, windows: hours, event: true, widened: true,
			from: "2026-11-24T09:00:00Z", to: "2026-11-24T13:00:00Z", readFrom: "2026-11-24T08:50:00Z", readTo: "2026-11-24T14:00:00Z",
		},
		"a window that is not over is left out": {
			spec: replay.Spec{From: "2026-11-26T08:00:00Z"}, windows: hours, event: true, widened: true,
			from: "2026-11-26T08:00:00Z", to: "2026-11-26T10:00:00Z", readFrom: "2026-11-26T07:50:00Z", readTo: "2026-11-26T10:20:30Z",
		},
		"received, with windows: all of those that what was received can be in": {
			spec: replay.Spec{From: "2026-11-24T10:30:00Z", To: "2026-11-24T11:10:00Z", By: "received"}, windows: hours, event: true, widened: true,
			from: "2026-11-24T09:00:00Z", to: "2026-11-24T12:00:00Z", readFrom: "2026-11-24T08:50:00Z", readTo: "2026-11-24T13:00:00Z",
		},
		"windows that don't divide each other": {
			spec: replay.Spec{From: "2026-11-24T00:01:00Z", To: "2026-11-24T00:29:00Z"}, windows: []time.Duration{10 * time.Minute, 15 * time.Minute}, event: true, widened: true,
			from: "2026-11-24T00:00:00Z", to: "2026-11-24T00:30:00Z", readFrom: "2026-11-23T23:50:00Z", readTo: "2026-11-24T01:30:00Z",
		},
	} {
		require.NoError(t, c.spec.Validate(), name)
		r, err := c.spec.Resolve(thursday, c.windows)
		require.NoError(t, err, name)
		assert.Equal(t, replay.Range{
			From: at(t, c.from), To: at(t, c.to), ReadFrom: at(t, c.readFrom), ReadTo: at(t, c.readTo), Event: c.event, Widened: c.widened,
		}, r, name)
	}
}

func TestRangesThatAreNone(t *testing.T) {
	for want, s := range map[string]replay.Spec{
		"to: 2026-11-24T00:00:00Z is not after from":  {From: "2026-11-25T00:00:00Z", To: "2026-11-24T00:00:00Z"},
		"from: 2026-11-27T00:00:00Z is in the future": {From: "2026-11-27T00:00:00Z", To: "2026-11-28T00:00:00Z"},
	} {
		_, err := s.Resolve(thursday, nil)
		assert.ErrorContains(t, err, want)
	}
	soon := replay.Spec{From: "-10m"}
	_, err := soon.Resolve(thursday, []time.Duration{time.Hour})
	assert.EqualError(t, err, "to: ranges are widened to whole 1h windows, because this receiver's pipeline has rollups: 10:10 to 10:20 is in the window that begins at 10:00 and ends at 11:00")
}

func TestSpecsThatContradictThemselves(t *testing.T) {
	for want, s := range map[string]replay.Spec{
		"offsets: cannot be combined":          {From: "-1h", Offsets: []replay.Span{{Next: 1}}},
		"offsets: partition 0 is listed twice": {Offsets: []replay.Span{{Next: 1}, {Next: 2}}},
		"next must be greater":                 {Offsets: []replay.Span{{First: 1, Next: 1}}},
		"by: must be received":                 {From: "-1h", By: "arrival"},
		"late: must be a duration":             {From: "-1h", By: "event", Late: "soon"},
		"records_per_second":                   {From: "-1h", RecordsPerSecond: -1},
		"headers: a value is not a":            {From: "-1h", Headers: map[string]string{"h": "["}},
		"replace: needs by: event":             {From: "-1h", By: "received", Replace: &replay.Replace{}},
		"replace: needs from and to":           {Offsets: []replay.Span{{Next: 1}}, Replace: &replay.Replace{}},
		"replace: cannot be combined":          {From: "-1h", Source: "deadletter", Replace: &replay.Replace{}},
		"replace: logs can't":                  {From: "-1h", Signal: "logs", Replace: &replay.Replace{}},
	} {
		assert.ErrorContains(t, s.Validate(), want)
	}
}

// The errors are sent to clients: they contain nothing that a client sent.
func TestErrorsRepeatNoText(t *testing.T) {
	const text = "S3cret["
	for key, s := range map[string]replay.Spec{
		"id": {ID: text}, "signal": {Signal: text}, "source": {Source: text}, "from": {From: text}, "to": {From: "-1h", To: text},
		"from: must be an age": {From: "-" + text}, "by": {By: text}, "late": {Late: text}, "keys": {Keys: []string{text}},
		"headers": {Headers: map[string]string{text: text}},
	} {
		err := s.Validate()
		assert.ErrorContains(t, err, key)
		assert.NotContains(t, err.Error(), "S3cret", key)
		if _, err = s.Resolve(thursday, nil); err != nil {
			assert.NotContains(t, err.Error(), "S3cret", key)
		}
	}
}

func ExampleSpec_Resolve() {
	s := replay.Spec{From: "2026-11-24T09:59:00Z", To: "2026-11-24T12:00:01Z"}
	r, _ := s.Resolve(thursday, []time.Duration{time.Hour})
	fmt.Println(r.From.Format(time.TimeOnly), r.To.Format(time.TimeOnly))
	// Output: 09:00:00 13:00:00
}
