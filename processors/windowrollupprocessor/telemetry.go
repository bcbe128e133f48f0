package windowrollupprocessor

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/delivery/local"
	"github.com/penstockhq/penstock/internal/window"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/metadata"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/rollup"
)

const (
	// maxLateMetrics bounds the metrics whose late points are counted by name; those of further ones are counted together.
	maxLateMetrics = 1000
	otherMetrics   = "(others)"
	// topLate is how many metrics the log names.
	topLate = 5
	// logEvery is the least time between two logs of late points.
	logEvery = time.Minute
)

// telemetry writes outcomes to the internal metrics, and names the metrics that have late points in log and page. Names are users' data,
// so no internal metric has them.
type telemetry struct {
	b   *metadata.TelemetryBuilder
	log *zap.Logger

	outcome map[string][]metric.AddOption
	reason  [rollup.Reasons][]metric.AddOption

	noSum, sumNotFinite []metric.AddOption

	mu         sync.Mutex
	late       map[string]int // guarded by mu; since the start
	recent     map[string]int // guarded by mu; since the last log
	lastLogged time.Time      // guarded by mu; time of the last log
}

func newTelemetry(b *metadata.TelemetryBuilder, log *zap.Logger) *telemetry {
	t := &telemetry{b: b, log: log, outcome: map[string][]metric.AddOption{}, late: map[string]int{}, recent: map[string]int{},
		noSum: with("reason", "no_sum"), sumNotFinite: with("reason", "not_finite")}
	for _, name := range []string{"rolled", "unmatched", "routed", "lost"} {
		t.outcome[name] = with("outcome", name)
	}
	for r := range rollup.Reasons {
		t.reason[r] = with("reason", r.String())
	}
	return t
}

func with(key, value string) []metric.AddOption {
	return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String(key, value)))}
}

// observe registers the gauges.
func (t *telemetry) observe(each func(func(*partition))) error {
	sum := func(of func(*rollup.Status) int64) metric.Int64Callback {
		return func(_ context.Context, o metric.Int64Observer) error {
			var n int64
			each(func(p *partition) { n += of(p.status.Load()) })
			o.Observe(n)
			return nil
		}
	}
	if err := t.b.RegisterProcessorWindowRollupStreamsCallback(sum(func(s *rollup.Status) int64 { return s.Streams })); err != nil {
		return err
	}
	if err := t.b.RegisterProcessorWindowRollupInputStreamsCallback(sum(func(s *rollup.Status) int64 { return s.InputStreams })); err != nil {
		return err
	}
	if err := t.b.RegisterProcessorWindowRollupSourcesCallback(sum(func(s *rollup.Status) int64 { return int64(s.Sources) })); err != nil {
		return err
	}
	return t.b.RegisterProcessorWindowRollupWatermarkLagCallback(func(_ context.Context, o metric.Float64Observer) error {
		var lag time.Duration
		each(func(p *partition) { lag = max(lag, lagOf(p.status.Load())) })
		o.Observe(lag.Seconds())
		return nil
	})
}

// lagOf returns the time between the end of what has closed and the newest point.
func lagOf(s *rollup.Status) time.Duration {
	if s.Mark == window.Never {
		return 0
	}
	return time.Duration(s.Newest - s.Mark)
}

func (t *telemetry) shutdown() { t.b.Shutdown() }

func (t *telemetry) add(ctx context.Context, out *rollup.Outcome) {
	add := func(c metric.Int64Counter, n int, opts []metric.AddOption) {
		if n > 0 {
			c.Add(ctx, int64(n), opts...)
		}
	}
	add(t.b.ProcessorWindowRollupPoints, out.Rolled, t.outcome["rolled"])
	add(t.b.ProcessorWindowRollupPoints, out.Unmatched, t.outcome["unmatched"])
	add(t.b.ProcessorWindowRollupPoints, out.Routed, t.outcome["routed"])
	add(t.b.ProcessorWindowRollupPoints, out.Lost, t.outcome["lost"])
	for r, n := range out.Why {
		add(t.b.ProcessorWindowRollupLostPoints, n, t.reason[r])
	}
	add(t.b.ProcessorWindowRollupResets, out.Resets, nil)
	add(t.b.ProcessorWindowRollupFoldedPoints, out.Folded, nil)
	add(t.b.ProcessorWindowRollupCorrectedPoints, out.Corrected, nil)
	add(t.b.ProcessorWindowRollupCoarsenedPoints, out.Coarsened, nil)
	add(t.b.ProcessorWindowRollupMissingSums, out.NoSum, t.noSum)
	add(t.b.ProcessorWindowRollupMissingSums, out.SumNotFinite, t.sumNotFinite)
	if out.LateBy != nil {
		t.logLate(out.LateBy)
	}
}

// logLate logs the metrics that have late points.
func (t *telemetry) logLate(by map[string]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, n := range by {
		if _, ok := t.late[name]; !ok && len(t.late) >= maxLateMetrics {
			name = otherMetrics
		}
		t.late[name] += n
		t.recent[name] += n
	}
	if now := time.Now(); now.Sub(t.lastLogged) >= logEvery {
		t.log.Warn("Points arrived after their window had closed", zap.Any("most_by_metric", mostLate(t.recent, topLate)))
		t.lastLogged = now
		clear(t.recent)
	}
}

// lateMetric is how many late points a metric had.
type lateMetric struct {
	Metric string `json:"metric"`
	Points int    `json:"points"`
}

// lateMetrics lists the metrics that had late points, those with the most first.
func (t *telemetry) lateMetrics() []lateMetric {
	t.mu.Lock()
	defer t.mu.Unlock()
	return mostLate(t.late, maxLateMetrics+1)
}

func mostLate(points map[string]int, most int) []lateMetric {
	list := make([]lateMetric, 0, len(points))
	for _, name := range slices.Sorted(maps.Keys(points)) {
		list = append(list, lateMetric{name, points[name]})
	}
	slices.SortStableFunc(list, func(a, b lateMetric) int { return cmp.Compare(b.Points, a.Points) })
	return list[:min(len(list), most)]
}

// merged counts the losses of merging.
func (t *telemetry) merged(coarsened, blurred int) {
	if coarsened > 0 {
		t.b.ProcessorWindowRollupCoarsenedPoints.Add(context.Background(), int64(coarsened))
	}
	if blurred > 0 {
		t.b.ProcessorWindowRollupBlurredWindows.Add(context.Background(), int64(blurred))
	}
}

// emitted counts points of windows that the next component accepted.
func (t *telemetry) emitted(ctx context.Context, n int) {
	t.b.ProcessorWindowRollupEmittedPoints.Add(ctx, int64(n))
}

// refused counts points that the next component refused permanently.
func (t *telemetry) refused(ctx context.Context, what string, n int, err error) {
	t.b.ProcessorWindowRollupRefusedPoints.Add(ctx, int64(n), with("reason", what)...)
	t.log.Error("The next component refused points permanently; they are dropped", zap.String("reason", what), zap.Int("points", n), zap.Error(err))
}

// flushed notes how long a flush took, which should be shorter than the shortest window.
func (t *telemetry) flushed(ctx context.Context, took, shortest time.Duration) {
	t.b.ProcessorWindowRollupFlushDuration.Record(ctx, took.Seconds())
	if took > shortest {
		t.b.ProcessorWindowRollupFlushOverruns.Add(ctx, 1)
	}
}

// failed counts and logs a failed step of the local session.
func (t *telemetry) failed(step local.Failure, err error) {
	t.b.ProcessorWindowRollupFailures.Add(context.Background(), 1, with("step", string(step))...)
	switch step {
	case local.FailedRestore:
		t.log.Error("The saved state can't be used: starting with an empty one. Windows that were open restart empty", zap.Error(err))
	default:
		t.log.Warn("A step of the local session failed and is retried", zap.String("step", string(step)), zap.Error(err))
	}
}
