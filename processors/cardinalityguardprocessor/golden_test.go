package cardinalityguardprocessor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/metadata"
)

// goldenDir holds a state in each version of the format that a release reads. The file of a new version is written by this test with
// PENSTOCK_WRITE_GOLDEN=1; the others stay as they are.
const goldenDir = "testdata/state"

var goldenStart = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

// played is a guard in a session, and its output.
type played struct {
	guard   processor.Metrics
	session *delivery.Session
	sink    *consumertest.MetricsSink
}

func playGolden(t *testing.T, state []byte) *played {
	t.Helper()
	cfg := testConfig(func(c *Config) { c.Limits.SeriesPerMetric, c.Journal = 5, journalRequired })
	p := &played{sink: &consumertest.MetricsSink{}}
	var err error
	p.guard, err = NewFactory().CreateMetrics(t.Context(), processortest.NewNopSettings(metadata.Type), cfg, p.sink)
	require.NoError(t, err)
	p.session, err = delivery.NewSession(delivery.Settings{Label: "p.metrics-0", Began: goldenStart, State: state})
	require.NoError(t, err)
	p.consume(t, pmetric.NewMetrics())
	return p
}

func (p *played) consume(t *testing.T, md pmetric.Metrics) {
	t.Helper()
	require.NoError(t, p.guard.ConsumeMetrics(delivery.With(t.Context(), p.session), md))
}

// before produces admitted and folded series of every type, an open pane, and a closed one in the outbox.
func (p *played) before(t *testing.T) []byte {
	t.Helper()
	p.consume(t, goldenBatch(goldenStart, 1))
	p.consume(t, goldenBatch(goldenStart.Add(32*time.Second), 2))
	require.True(t, p.session.Advance(goldenStart.Add(time.Minute), false))
	var state bytes.Buffer
	require.NoError(t, p.session.Snapshot(&state))
	return state.Bytes()
}

// after continues from there, and returns everything that is sent from the snapshot on.
func (p *played) after(t *testing.T) []string {
	t.Helper()
	p.sink.Reset()
	require.NoError(t, p.session.Flush(delivery.With(t.Context(), p.session)))
	p.session.Adopt()
	p.consume(t, goldenBatch(goldenStart.Add(40*time.Second), 3))
	for p.session.Advance(delivery.Unbounded(), true) {
		require.NoError(t, p.session.Flush(delivery.With(t.Context(), p.session)))
	}
	return goldenLines(p.sink.AllMetrics())
}

// A state of each version can be restored, and the guard continues like one that was never stopped.
func TestGoldenStates(t *testing.T) {
	whole := playGolden(t, nil)
	state := whole.before(t)
	current := filepath.Join(goldenDir, fmt.Sprintf("v%d.state", stateVersion))
	if os.Getenv("PENSTOCK_WRITE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(current, state, 0o600))
	}
	want := whole.after(t)
	require.NotEmpty(t, want)
	require.FileExists(t, current, "a new version of the format has a file")
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.state"))
	require.NoError(t, err)
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			state, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, want, playGolden(t, state).after(t))
		})
	}
}

// goldenBatch has ten series of each type, half of them past the budget.
func goldenBatch(at time.Time, n int64) pmetric.Metrics {
	md := requests(at, users(0, 10)...)
	metrics := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics()
	start, now := pcommon.NewTimestampFromTime(goldenStart.Add(time.Second)), pcommon.NewTimestampFromTime(at)
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
	size := metric("size").SetEmptyExponentialHistogram()
	size.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	for _, user := range users(0, 10) {
		t := total.DataPoints().AppendEmpty()
		t.SetStartTimestamp(start)
		t.SetTimestamp(now)
		t.SetIntValue(10 * n)
		g := level.DataPoints().AppendEmpty()
		g.SetTimestamp(now)
		g.SetDoubleValue(float64(n))
		h := latency.DataPoints().AppendEmpty()
		h.SetTimestamp(now)
		h.SetCount(3)
		h.SetSum(6)
		h.ExplicitBounds().FromRaw([]float64{1, 2})
		h.BucketCounts().FromRaw([]uint64{1, 1, 1})
		e := size.DataPoints().AppendEmpty()
		e.SetTimestamp(now)
		e.SetCount(2)
		e.SetSum(3)
		e.Positive().BucketCounts().FromRaw([]uint64{1, 1})
		for _, attributes := range []pcommon.Map{t.Attributes(), g.Attributes(), h.Attributes(), e.Attributes()} {
			attributes.PutStr("user_id", user)
		}
	}
	return md
}

// goldenLines is each point as text: metric, attributes, time and value, sorted.
func goldenLines(batches []pmetric.Metrics) (lines []string) {
	for _, md := range batches {
		for _, rm := range md.ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					lines = append(lines, goldenPoints(m)...)
				}
			}
		}
	}
	slices.Sort(lines)
	return lines
}

func goldenPoints(m pmetric.Metric) (lines []string) {
	line := func(attributes pcommon.Map, at pcommon.Timestamp, values ...any) {
		lines = append(lines, fmt.Sprint(m.Name(), attributes.AsRaw(), at.AsTime().Format(time.TimeOnly), values))
	}
	switch m.Type() {
	case pmetric.MetricTypeSum:
		for _, dp := range m.Sum().DataPoints().All() {
			line(dp.Attributes(), dp.Timestamp(), dp.IntValue(), dp.DoubleValue())
		}
	case pmetric.MetricTypeGauge:
		for _, dp := range m.Gauge().DataPoints().All() {
			line(dp.Attributes(), dp.Timestamp(), dp.IntValue(), dp.DoubleValue())
		}
	case pmetric.MetricTypeHistogram:
		for _, dp := range m.Histogram().DataPoints().All() {
			line(dp.Attributes(), dp.Timestamp(), dp.Count(), dp.Sum(), dp.BucketCounts().AsRaw())
		}
	case pmetric.MetricTypeExponentialHistogram:
		for _, dp := range m.ExponentialHistogram().DataPoints().All() {
			line(dp.Attributes(), dp.Timestamp(), dp.Count(), dp.Sum(), dp.Scale(), dp.Positive().BucketCounts().AsRaw())
		}
	}
	return lines
}
