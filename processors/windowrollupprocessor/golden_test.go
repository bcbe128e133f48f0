package windowrollupprocessor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/delivery"
)

// goldenDir holds a state in each version of the format that a release reads. The file of a new version is written by this test with
// PENSTOCK_WRITE_GOLDEN=1; the others stay as they are.
const (
	goldenDir     = "testdata/state"
	goldenVersion = 2 // of internal/rollup's snapshots
)

// A state of each version can be restored, and the rollup continues like one that was never stopped.
func TestGoldenStates(t *testing.T) {
	sink := &consumertest.MetricsSink{}
	r := newRig(t, perMinute(func(c *Config) {
		c.Rules[0].Match.Metric = "*"
		c.Rules[0].Aggregates = []string{"sum", "count", "last", "p99"}
	}), sink)
	require.NoError(t, r.proc.ConsumeMetrics(r.ctx, goldenBatch(epoch, 1)))
	require.NoError(t, r.proc.ConsumeMetrics(r.ctx, goldenBatch(epoch.Add(2*time.Minute), 2)))
	require.True(t, r.session.Advance(epoch, false), "a closed window is in the outbox, an open one in the state")
	var state bytes.Buffer
	require.NoError(t, r.session.Snapshot(&state))
	current := filepath.Join(goldenDir, fmt.Sprintf("v%d.state", goldenVersion))
	if os.Getenv("PENSTOCK_WRITE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(current, state.Bytes(), 0o600))
	}
	after := func(t *testing.T) []string {
		require.NoError(t, r.proc.ConsumeMetrics(r.ctx, goldenBatch(epoch.Add(2*time.Minute+time.Second), 3)))
		r.advance(delivery.Unbounded(), true)
		return lines(sink.AllMetrics())
	}
	sink.Reset()
	require.NoError(t, r.session.Flush(r.ctx))
	want := after(t)
	require.Greater(t, len(want), 8)

	require.FileExists(t, current, "a new version of the format has a file")
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.state"))
	require.NoError(t, err)
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			state, err := os.ReadFile(path)
			require.NoError(t, err)
			sink.Reset()
			r.t = t
			r.start(state)
			assert.Equal(t, want, after(t))
		})
	}
}

// goldenBatch has two streams of each type.
func goldenBatch(at time.Time, n int64) pmetric.Metrics {
	md := requests(at, "a", "b")
	metrics := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics()
	start, now := pcommon.NewTimestampFromTime(epoch.Add(time.Second)), pcommon.NewTimestampFromTime(at)
	metric := func(name string) pmetric.Metric {
		m := metrics.AppendEmpty()
		m.SetName(name)
		return m
	}
	total := metric("total").SetEmptySum()
	total.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	total.SetIsMonotonic(true)
	level := metric("level").SetEmptyGauge()
	latency := metric("latency").SetEmptyHistogram()
	latency.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	for _, user := range []string{"a", "b"} {
		s := total.DataPoints().AppendEmpty()
		s.SetStartTimestamp(start)
		s.SetTimestamp(now)
		s.SetIntValue(10 * n)
		s.Attributes().PutStr("user", user)
		g := level.DataPoints().AppendEmpty()
		g.SetTimestamp(now)
		g.SetDoubleValue(float64(n))
		g.Attributes().PutStr("user", user)
		h := latency.DataPoints().AppendEmpty()
		h.SetTimestamp(now)
		h.SetCount(3)
		h.SetSum(6)
		h.ExplicitBounds().FromRaw([]float64{1, 2})
		h.BucketCounts().FromRaw([]uint64{1, 1, 1})
		h.Attributes().PutStr("user", user)
	}
	return md
}
