package pipeline_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/ledger"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/pipeline"
)

// A request that is read and decoded later counts, repeats and arrives like one that is decoded.
func TestRequestsThatAreDecodedLater(t *testing.T) {
	const hour = pcommon.Timestamp(3600e9)
	for name, c := range map[string]struct {
		times [][2]pcommon.Timestamp // time, observed
		tail  string                 // behind the encoded request
		fails bool
	}{
		"none":                  {},
		"whole seconds":         {times: [][2]pcommon.Timestamp{{hour, 0}, {hour + 5e9, 0}, {2 * hour, 0}}},
		"many hours":            {times: manyHours()},
		"a fine time":           {times: [][2]pcommon.Timestamp{{hour, 0}, {hour + 1, 0}}},
		"an observed time":      {times: [][2]pcommon.Timestamp{{0, 3 * hour}, {0, 0}}},
		"an entity":             {times: [][2]pcommon.Timestamp{{hour, 0}}, tail: "\x0a\x04\x0a\x02\x1a\x00"},
		"an unknown field":      {times: [][2]pcommon.Timestamp{{hour, 0}}, tail: "\xf8\x01\x01"},
		"what is not a request": {tail: "\x0a\x05\x12", fails: true},
	} {
		ld := plog.NewLogs()
		records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
		for _, at := range c.times {
			lr := records.AppendEmpty()
			lr.SetTimestamp(at[0])
			lr.SetObservedTimestamp(at[1])
		}
		request, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
		require.NoError(t, err)
		request = append(request, c.tail...)

		var got []plog.Logs
		next, err := consumer.NewLogs(func(_ context.Context, ld plog.Logs) error {
			got = append(got, ld)
			return nil
		})
		require.NoError(t, err)
		entry := pipeline.Logs(next)
		var hours []any
		for _, read := range []func([]byte) (any, bool, error){entry.Decode, entry.Read} {
			payload, dedupable, err := read(request)
			if c.fails {
				require.Error(t, err, name)
				continue
			}
			require.NoError(t, err, name)
			items := pipeline.Hours(payload)
			sum, seen := int64(0), map[ledger.Hour]bool{}
			for _, one := range items {
				sum += one.Items
				seen[one.Hour] = true
			}
			assert.EqualValues(t, len(c.times), sum, name)
			assert.Len(t, seen, len(items), name)
			hours = append(hours, items, dedupable)
			require.NoError(t, entry.Consume(t.Context(), []any{payload}), name)
		}
		if !c.fails {
			assert.Equal(t, hours[:2], hours[2:], name)
			assert.Equal(t, got[0], got[1], name)
		}
	}
}

// manyHours are each of a hundred hours three times, not in a row.
func manyHours() (all [][2]pcommon.Timestamp) {
	for i := range pcommon.Timestamp(300) {
		all = append(all, [2]pcommon.Timestamp{i % 100 * 3600e9, 0})
	}
	return all
}

func TestWhatWasCheckedAndChangedIsRefused(t *testing.T) {
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("text")
	request, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	require.NoError(t, err)
	entry := pipeline.Logs(consumertest.NewNop())
	payload, _, err := entry.Read(request)
	require.NoError(t, err)
	clear(request)
	require.ErrorContains(t, entry.Consume(t.Context(), []any{payload}), "can't be decoded")
}
