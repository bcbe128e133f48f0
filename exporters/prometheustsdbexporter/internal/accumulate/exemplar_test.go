package accumulate_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/accumulate"
	"github.com/penstockhq/penstock/internal/delivery"
)

// traced is a late point of stream a with an exemplar of each value; point n is n nanoseconds after its minute.
func traced(n int64, values ...int64) pmetric.Metrics {
	md := delta(p{"a", 1, 1})
	dp := points(md).At(0)
	dp.SetTimestamp(dp.Timestamp() + pcommon.Timestamp(n))
	for _, v := range values {
		x := dp.Exemplars().AppendEmpty()
		x.SetIntValue(v)
		x.SetTimestamp(pcommon.Timestamp(v))
	}
	return md
}

func values(xs pmetric.ExemplarSlice) (all []int64) {
	for _, x := range xs.All() {
		all = append(all, x.IntValue())
	}
	return all
}

// Waiting increases keep their exemplars: these are sent with the increase, in the sample that includes it or in one of its own. Undoing a
// batch undoes its exemplars, and a restart loses none.
func TestExemplarsWaitWithTheirIncrease(t *testing.T) {
	s := accumulate.New(set)
	apply(s, delta(p{"a", 5, 1}))
	assert.Zero(t, s.Apply(traced(1, 1, 2), batch()))
	assert.Zero(t, s.Apply(traced(2, 3), batch()))
	s.Undo()
	assert.Zero(t, s.Apply(traced(2, 3), batch()))
	var state bytes.Buffer
	require.NoError(t, s.Snapshot(&state))
	restored := accumulate.New(set)
	require.NoError(t, restored.Restore(bytes.NewReader(state.Bytes())))

	next := delta(p{"a", 6, 1})
	own := points(next).At(0).Exemplars().AppendEmpty()
	own.SetIntValue(9)
	got, _ := apply(s, next)
	assert.Equal(t, []string{"a@4-6=4"}, got)
	assert.ElementsMatch(t, []int64{1, 2, 3, 9}, values(points(next).At(0).Exemplars()))

	restored.Advance(epoch, true, delivery.Unbounded())
	restored.Advance(epoch.Add(time.Hour), true, delivery.Unbounded())
	r, ok := restored.Outbox()
	require.True(t, ok)
	assert.Equal(t, []string{"a@4-5+1ms=3"}, totals(r.Metrics))
	assert.ElementsMatch(t, []int64{1, 2, 3}, values(points(r.Metrics).At(0).Exemplars()))
}

// The newest eight of a series wait; the others are counted.
func TestExemplarsThatWaitAreBounded(t *testing.T) {
	s := accumulate.New(set)
	apply(s, delta(p{"a", 5, 1}))
	assert.Equal(t, accumulate.Outcome{Exemplars: 2}, s.Apply(traced(1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10), batch()))
	assert.Equal(t, accumulate.Outcome{Exemplars: 3}, s.Apply(traced(2, 11, 12, 13), batch()))
	next := delta(p{"a", 6, 1})
	apply(s, next)
	assert.ElementsMatch(t, []int64{6, 7, 8, 9, 10, 11, 12, 13}, values(points(next).At(0).Exemplars()))
}
