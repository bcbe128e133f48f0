package cardinalityguardprocessor

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/delivery/local"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/admission"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/metadata"
)

const (
	levels = int(admission.Names) + 1
	// maxWarningsLogged bounds the log lines a minute; all warnings are counted.
	maxWarningsLogged = 20
)

// tally counts the results of one batch.
type tally struct {
	passed, folded, dropped, observed int64

	limited [levels]int64 // by the budget
	refused [levels]int64 // dropped, by the budget

	malformed, noValue, overflow, downstream int64
	notFinite, countOverflow, tooLate        int64
	repeated                                 int64

	lostBaseline             int64
	sumNotFinite, noSum      int64
	late, coarsened, evicted int64
	quantiles, ambiguous     int64
}

// eachDrop calls each for every reason for which points were dropped.
func (n *tally) eachDrop(each func(reason string, points int64)) {
	for l := range levels {
		if n.refused[l] > 0 {
			each(admission.Level(l).String(), n.refused[l])
		}
	}
	for _, d := range []struct {
		reason string
		points int64
	}{
		{"malformed", n.malformed}, {"no_value", n.noValue}, {"not_finite", n.notFinite}, {"count_overflow", n.countOverflow}, {"late", n.tooLate},
		{"delta_repeated", n.repeated}, {"overflow", n.overflow}, {"refused", n.downstream},
	} {
		if d.points > 0 {
			each(d.reason, d.points)
		}
	}
}

// telemetry writes tallies to the internal metrics.
type telemetry struct {
	b   *metadata.TelemetryBuilder
	log *zap.Logger

	outcome, level, reason, loss, sums map[string][]metric.AddOption

	minute atomic.Int64 // of the warnings logged
	logged atomic.Int64
}

func newTelemetry(b *metadata.TelemetryBuilder, log *zap.Logger) *telemetry {
	t := &telemetry{b: b, log: log}
	t.outcome = options("outcome", "passed", "folded", "dropped", "observed")
	t.loss = options("reason", "baseline")
	t.sums = options("reason", "no_sum", "not_finite")
	var names []string
	for l := range levels {
		names = append(names, admission.Level(l).String())
	}
	t.level = options("level", names...)
	t.reason = options("reason", append(names, "count_overflow", "delta_repeated", "late", "malformed", "no_value", "not_finite", "overflow", "refused")...)
	return t
}

// options builds the options of a counter once, so that counting does not allocate.
func options(key string, values ...string) map[string][]metric.AddOption {
	m := map[string][]metric.AddOption{}
	for _, v := range values {
		m[v] = []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String(key, v)))}
	}
	return m
}

// observe registers the gauges.
func (t *telemetry) observe(each func(func(*partition))) error {
	gauge := func(of func(*partition) int64) metric.Int64Callback {
		return func(_ context.Context, o metric.Int64Observer) error {
			var sum int64
			each(func(p *partition) { sum += of(p) })
			o.Observe(sum)
			return nil
		}
	}
	if err := t.b.RegisterProcessorCardinalityGuardActiveSeriesCallback(gauge((*partition).activeSeries)); err != nil {
		return err
	}
	if err := t.b.RegisterProcessorCardinalityGuardContributorsCallback(gauge((*partition).contributors)); err != nil {
		return err
	}
	return t.b.RegisterProcessorCardinalityGuardOverflowStreamsCallback(gauge((*partition).overflowStreams))
}

func (t *telemetry) shutdown() { t.b.Shutdown() }

func (t *telemetry) add(ctx context.Context, n *tally) {
	add := func(c metric.Int64Counter, v int64, opts []metric.AddOption) {
		if v > 0 {
			c.Add(ctx, v, opts...)
		}
	}
	points, dropped := t.b.ProcessorCardinalityGuardPoints, t.b.ProcessorCardinalityGuardDroppedPoints
	add(points, n.passed, t.outcome["passed"])
	if n.folded|n.dropped|n.observed|n.ambiguous|n.downstream == 0 {
		return
	}
	add(points, n.folded, t.outcome["folded"])
	add(points, n.dropped, t.outcome["dropped"])
	add(points, n.observed, t.outcome["observed"])
	for l := range levels {
		name := admission.Level(l).String()
		add(t.b.ProcessorCardinalityGuardLimitedPoints, n.limited[l], t.level[name])
	}
	n.eachDrop(func(reason string, points int64) { add(dropped, points, t.reason[reason]) })
	add(t.b.ProcessorCardinalityGuardLostIncreases, n.lostBaseline, t.loss["baseline"])
	add(t.b.ProcessorCardinalityGuardMissingSums, n.noSum, t.sums["no_sum"])
	add(t.b.ProcessorCardinalityGuardMissingSums, n.sumNotFinite, t.sums["not_finite"])
	add(t.b.ProcessorCardinalityGuardLatePoints, n.late, nil)
	add(t.b.ProcessorCardinalityGuardCoarsenedPoints, n.coarsened, nil)
	add(t.b.ProcessorCardinalityGuardEvictedContributors, n.evicted, nil)
	add(t.b.ProcessorCardinalityGuardDroppedQuantiles, n.quantiles, nil)
	add(t.b.ProcessorCardinalityGuardAmbiguousSeries, n.ambiguous, nil)
}

// mayLog bounds the log lines about budgets; all warnings are counted.
func (t *telemetry) mayLog() bool {
	if minute := time.Now().Unix() / 60; t.minute.Swap(minute) != minute {
		t.logged.Store(0)
	}
	return t.logged.Add(1) <= maxWarningsLogged
}

// warn logs that a budget is nearly used up, and by what.
func (t *telemetry) warn(w admission.Warning) {
	t.b.ProcessorCardinalityGuardWarnings.Add(context.Background(), 1, t.level[w.Level.String()]...)
	if !t.mayLog() {
		return
	}
	fields := []zap.Field{zap.Stringer("budget", w.Level), zap.Int64("used", w.Used), zap.Int64("limit", w.Limit)}
	for key, value := range map[string]string{"tenant": w.Tenant, "service": w.Service, "metric": w.Metric, "attribute": w.Attribute} {
		if value != "" {
			fields = append(fields, zap.String(key, value))
		}
	}
	if w.Most != nil {
		fields = append(fields, zap.Dict("most_series", zap.String("service", w.Most.Service), zap.String("metric", w.Most.Metric),
			zap.Int64("series", w.Most.Series.Used())))
		if counts := w.Most.Growth.Distinct(); len(counts) > 0 {
			fields = append(fields, zap.Dict("most_values", zap.String("attribute", counts[0].Name), zap.Uint64("values", counts[0].Values)))
		}
	}
	t.log.Warn("80 % or more of a budget is used", fields...)
}

// judged logs the attributes that cause a metric's growth.
func (t *telemetry) judged(n *admission.Node, attributes []string, onLimit string) {
	if t.mayLog() {
		t.log.Warn("A metric exceeds a budget: on_limit decides about new series with these attributes", zap.String("on_limit", onLimit),
			zap.String("tenant", n.Tenant), zap.String("service", n.Service), zap.String("metric", n.Metric),
			zap.Int64("series", n.Series.Used()), zap.Strings("attributes", attributes))
	}
}

// failed counts and logs a failed step of the local session.
func (t *telemetry) failed(step local.Failure, err error) {
	t.b.ProcessorCardinalityGuardFailures.Add(context.Background(), 1,
		metric.WithAttributeSet(attribute.NewSet(attribute.String("step", string(step)))))
	switch step {
	case local.FailedRestore:
		t.log.Error("The saved state can't be used: starting with an empty one. All series are admitted again, and folded totals restart at zero", zap.Error(err))
	default:
		t.log.Warn("A step of the local session failed and is retried", zap.String("step", string(step)), zap.Error(err))
	}
}
