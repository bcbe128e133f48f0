// Package folded queries PromQL for exponential histograms that a cardinality guard has folded and a rollup has summed up: both, exporter and
// storage in one process, driven as a journal's worker drives them.
package folded

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor"
)

const (
	contributors = 14 // of each metric
	admitted     = 4
	steps        = 40
	step         = 15 * time.Second
	maxBuckets   = 160
)

// database is the storage of embedded_tsdb, and PromQL.
type database struct {
	db     *tsdb.DB
	engine *promql.Engine
}

func (*database) Start(context.Context, component.Host) error { return nil }
func (*database) Shutdown(context.Context) error              { return nil }
func (d *database) Appender(ctx context.Context) (storage.AppenderV2, error) {
	return d.db.AppenderV2(ctx), nil
}

// GetExtensions makes it its own host.
func (d *database) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("embedded_tsdb"): d}
}

func newDatabase(t *testing.T) *database {
	t.Helper()
	db, err := tsdb.Open(t.TempDir(), promslog.NewNopLogger(), nil, tsdb.DefaultOptions(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return &database{db: db, engine: promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})}
}

// ask returns the values of an instant query by labels.
func (d *database) ask(t *testing.T, query string, at time.Time) map[string]float64 {
	t.Helper()
	q, err := d.engine.NewInstantQuery(t.Context(), d.db, nil, query, at)
	require.NoError(t, err, query)
	defer q.Close()
	vector, err := q.Exec(t.Context()).Vector()
	require.NoError(t, err, query)
	got := map[string]float64{}
	for _, s := range vector {
		require.Nil(t, s.H, query)
		got[s.Metric.String()] = s.F
	}
	return got
}

// sender is one stream of exponential histograms, and its measurements.
type sender struct {
	rnd          *rand.Rand
	metric, user string
	route        string
	cumulative   bool
	resets       bool
	begins       int // step of its first point
	scale        int32
	threshold    float64
	since        time.Time // start of its reports
	samples      []float64 // since then
	all          []float64 // since ever
	coarsest     *int32    // of all points that were sent
}

// measure takes up to five values: mostly over many powers of two, some zero, some below it. The first ones can all be zero.
func (s *sender) measure(early bool) {
	for range s.rnd.IntN(6) {
		v := math.Exp(s.rnd.NormFloat64() * 2)
		switch n := s.rnd.IntN(10); {
		case n == 0 || early && s.user < "user-08":
			v = 0
		case n == 1:
			v = -v
		}
		s.samples, s.all = append(s.samples, v), append(s.all, v)
	}
}

// index is the bucket of a value at a scale: (base^index, base^(index+1)].
func index(v float64, scale int32) int {
	return int(math.Ceil(math.Log2(math.Abs(v))*math.Exp2(float64(scale)))) - 1
}

// fit returns the finest scale up to scale at which values need no more than maxBuckets.
func fit(values []float64, scale int32, threshold float64) int32 {
	for ; ; scale-- {
		least, most := math.MaxInt, math.MinInt
		for _, v := range values {
			if math.Abs(v) > threshold {
				least, most = min(least, index(v, scale)), max(most, index(v, scale))
			}
		}
		if most < least || most-least < maxBuckets {
			return scale
		}
	}
}

// write creates a point from the reported values.
func (s *sender) write(p pmetric.ExponentialHistogramDataPoint, at time.Time) {
	p.Attributes().PutStr("user", s.user)
	p.Attributes().PutStr("route", s.route)
	p.SetStartTimestamp(pcommon.NewTimestampFromTime(s.since))
	p.SetTimestamp(pcommon.NewTimestampFromTime(at))
	if s.rnd.IntN(8) == 0 { // as SDKs do, which never refine
		s.scale = max(s.scale-int32(s.rnd.IntN(3)), -4)
	}
	scale := fit(s.samples, s.scale, s.threshold)
	if s.cumulative {
		s.scale = scale
	}
	p.SetScale(scale)
	p.SetZeroThreshold(s.threshold)
	p.SetCount(uint64(len(s.samples)))
	var sum float64
	sides := map[bool][]int{}
	for _, v := range s.samples {
		sum += v
		if math.Abs(v) <= s.threshold {
			p.SetZeroCount(p.ZeroCount() + 1)
			continue
		}
		*s.coarsest = min(*s.coarsest, scale)
		sides[v < 0] = append(sides[v < 0], index(v, scale))
	}
	p.SetSum(sum)
	for negative, indexes := range sides {
		side := p.Positive()
		if negative {
			side = p.Negative()
		}
		first := slices.Min(indexes)
		counts := make([]uint64, slices.Max(indexes)-first+1)
		for _, i := range indexes {
			counts[i-first]++
		}
		side.SetOffset(int32(first))
		side.BucketCounts().FromRaw(counts)
	}
}

// world is the pipeline and its senders.
type world struct {
	t        *testing.T
	db       *database
	guard    consumer.Metrics
	session  *delivery.Session
	senders  []*sender
	coarsest map[string]*int32
	now      time.Time
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := &world{t: t, db: newDatabase(t), now: time.Now().Add(-steps * step).Truncate(step), coarsest: map[string]*int32{}}
	cfg := prometheustsdbexporter.NewFactory().CreateDefaultConfig()
	configure(t, cfg, map[string]any{"tsdb": "embedded_tsdb", "sending_queue": map[string]any{"enabled": false}})
	e, err := prometheustsdbexporter.NewFactory().CreateMetrics(t.Context(), exportertest.NewNopSettings(prometheustsdbexporter.NewFactory().Type()), cfg)
	require.NoError(t, err)
	r := w.processor(windowrollupprocessor.NewFactory(), e, map[string]any{"temporality": "cumulative", "rules": []any{map[string]any{
		"by": []any{"service.name", "route"}, "windows": []any{map[string]any{"size": "1m"}}, "aggregates": []any{"histogram"},
		"match": map[string]any{"attributes": map[string]any{"route": "*"}},
	}}})
	w.guard = w.processor(cardinalityguardprocessor.NewFactory(), r, map[string]any{"limits": map[string]any{"series_per_metric": admitted},
		"attributes": []any{map[string]any{"metric": "*", "protect": []any{"route"}}}})
	require.NoError(t, e.Start(t.Context(), w.db))
	t.Cleanup(func() { require.NoError(t, e.Shutdown(context.Background())) })
	w.session, err = delivery.NewSession(delivery.Settings{Label: "penstock.metrics-0", Began: w.now.Add(-time.Hour)})
	require.NoError(t, err)
	rnd := rand.New(rand.NewPCG(seed, 4))
	for _, metric := range []string{"size", "wide", "length"} {
		w.coarsest[metric] = new(int32)
		*w.coarsest[metric] = 20
		for i := range contributors {
			s := &sender{rnd: rnd, metric: metric, user: fmt.Sprintf("user-%02d", i), route: fmt.Sprint("/", i%2), cumulative: metric != "length",
				resets: i >= admitted, scale: int32(rnd.IntN(25) - 4), begins: rnd.IntN(12) * (i / admitted), since: w.now, coarsest: w.coarsest[metric]}
			if metric == "wide" {
				s.threshold = []float64{0, 0, 1e-200, 1e-9, 0.3, 1}[rnd.IntN(6)]
			}
			w.senders = append(w.senders, s)
		}
	}
	return w
}

// processor starts one in front of next.
func (w *world) processor(factory processor.Factory, next consumer.Metrics, values map[string]any) consumer.Metrics {
	w.t.Helper()
	cfg := factory.CreateDefaultConfig()
	configure(w.t, cfg, values)
	p, err := factory.CreateMetrics(w.t.Context(), processortest.NewNopSettings(factory.Type()), cfg, next)
	require.NoError(w.t, err)
	require.NoError(w.t, p.Start(w.t.Context(), w.db))
	w.t.Cleanup(func() { require.NoError(w.t, p.Shutdown(context.Background())) })
	return p
}

func configure(t *testing.T, cfg component.Config, values map[string]any) {
	t.Helper()
	require.NoError(t, confmap.NewFromStringMap(values).Unmarshal(cfg))
	require.NoError(t, confmap.Validate(cfg))
}

// run makes all senders measure and send, and closes what is due, as a worker does after each range.
func (w *world) run() {
	ctx := delivery.With(w.t.Context(), w.session)
	for n := range steps {
		w.now = w.now.Add(step)
		for _, s := range w.senders {
			if n < s.begins {
				continue
			}
			if s.cumulative && s.resets && s.rnd.IntN(15) == 0 {
				s.since, s.samples, s.scale = w.now.Add(-step/2), nil, int32(s.rnd.IntN(25)-4)
			}
			s.measure(n < s.begins+8)
			md := pmetric.NewMetrics()
			rm := md.ResourceMetrics().AppendEmpty()
			rm.Resource().Attributes().PutStr("service.name", "shop")
			m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
			m.SetName(s.metric)
			m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
			if s.cumulative {
				m.ExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			}
			s.write(m.ExponentialHistogram().DataPoints().AppendEmpty(), w.now)
			if !s.cumulative {
				s.since, s.samples = w.now, nil
			}
			require.NoError(w.t, w.guard.ConsumeMetrics(ctx, md))
		}
		w.close(ctx, w.now, false)
	}
	w.close(ctx, w.now.Add(time.Hour), true)
	w.close(ctx, w.now.Add(2*time.Hour), true) // the rollup has seen the guard's last panes an hour ago
}

func (w *world) close(ctx context.Context, now time.Time, atEnd bool) {
	for w.session.Advance(now, atEnd) {
		require.NoError(w.t, w.session.Flush(ctx))
	}
}

// measured returns all values of a metric and route ("": both), in order, and the widest zero bucket that a sender has.
func (w *world) measured(metric, route string) (values []float64, threshold float64) {
	for _, s := range w.senders {
		if s.metric == metric && (route == "" || s.route == route) {
			values, threshold = append(values, s.all...), max(threshold, s.threshold)
		}
	}
	slices.Sort(values)
	return values, threshold
}

// Series that are admitted and series that are folded into an overflow stream, of senders with other scales, which become
// coarser, with zero buckets of other widths, that begin with zeros alone and begin again: counts and sums are those of what was
// measured, totals never seem to begin again, and percentiles lie in the bucket that the measurement lies in. So it is in the running
// totals of a rollup behind them.
func TestFoldedExponentialHistogramsByPromQL(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed)
			w.run()
			for _, metric := range []string{"size", "wide", "length"} {
				w.check(metric, metric, `otel_metric_overflow="true"`)
				w.check(metric, metric+"_histogram", `rollup_window="1m"`)
			}
		})
	}
}

// check asks for the series of a metric, which name has; those with the matcher never seem to begin again.
func (w *world) check(metric, name, total string) {
	t, end := w.t, w.now.Add(2*time.Minute)
	t.Helper()
	totals := w.db.ask(t, fmt.Sprintf(`resets(%s{%s}[1h])`, name, total), end)
	require.NotEmpty(t, totals, "%s{%s}", name, total)
	for series, n := range totals {
		require.Zero(t, n, "%s%s begins again", name, series)
	}
	for _, route := range []string{"/0", "/1"} {
		values, _ := w.measured(metric, route)
		got := w.db.ask(t, fmt.Sprintf(`sum(histogram_count(last_over_time(%s{route=%q}[1h])))`, name, route), end)
		require.Equal(t, map[string]float64{"{}": float64(len(values))}, got, "%s %s", name, route)
		var sum float64
		for _, v := range values {
			sum += v
		}
		got = w.db.ask(t, fmt.Sprintf(`sum(histogram_sum(last_over_time(%s{route=%q}[1h])))`, name, route), end)
		require.InDelta(t, sum, got["{}"], 1e-6, "%s %s", name, route)
	}
	values, threshold := w.measured(metric, "")
	scale := fit(values, *w.coarsest[metric], 0)
	for _, q := range []float64{0.01, 0.1, 0.5, 0.9, 0.99, 1} {
		got := w.db.ask(t, fmt.Sprintf(`histogram_quantile(%v, sum(last_over_time(%s[1h])))`, q, name), end)
		rank := q * float64(len(values))
		low := values[max(int(math.Floor(rank))-1, 0)]
		high := values[min(int(math.Ceil(rank)), len(values)-1)]
		require.GreaterOrEqual(t, got["{}"], around(low, scale, threshold, false), "%s p%v", name, 100*q)
		require.LessOrEqual(t, got["{}"], around(high, scale, threshold, true), "%s p%v", name, 100*q)
	}
}

// around returns the lower or upper end of the bucket of v, or of the zero bucket.
func around(v float64, scale int32, threshold float64, upper bool) float64 {
	bound := func(i int) float64 { return math.Exp2(float64(i) / math.Exp2(float64(scale))) }
	zero := 1e-9
	if threshold > 0 {
		zero = bound(index(threshold, scale) + 1) // a bucket that begins below it is in the zero bucket as a whole
	}
	if math.Abs(v) <= zero {
		if upper {
			return zero
		}
		return -zero
	}
	const slack = 1e-9
	lower, higher := bound(index(v, scale))*(1-slack), bound(index(v, scale)+1)*(1+slack)
	switch {
	case v > 0 && upper:
		return higher
	case v > 0:
		return lower
	case upper:
		return -lower
	default:
		return -higher
	}
}
