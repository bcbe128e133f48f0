package quotaprocessor

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/processors/quotaprocessor/internal/metadata"
)

// NewFactory returns the factory of the quota processor.
func NewFactory() processor.Factory {
	return processor.NewFactory(metadata.Type, createDefaultConfig,
		processor.WithLogs(createLogs, metadata.LogsStability),
		processor.WithMetrics(createMetrics, metadata.MetricsStability),
		processor.WithTraces(createTraces, metadata.TracesStability))
}

func createLogs(_ context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	q, err := newQuota(cfg.(*Config), set, "logs")
	return &logs{q, next}, err
}

func createMetrics(_ context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics) (processor.Metrics, error) {
	q, err := newQuota(cfg.(*Config), set, "metrics")
	return &metrics{q, next}, err
}

func createTraces(_ context.Context, set processor.Settings, cfg component.Config, next consumer.Traces) (processor.Traces, error) {
	q, err := newQuota(cfg.(*Config), set, "traces")
	return &traces{q, next}, err
}

type logs struct {
	*quota
	next consumer.Logs
}

// ConsumeLogs passes on requests within the quotas.
func (l *logs) ConsumeLogs(ctx context.Context, data plog.Logs) error {
	parts := partsOf(ctx, data.ResourceLogs().All(), plog.ResourceLogs.Resource, func(r plog.ResourceLogs) (n int) {
		for _, s := range r.ScopeLogs().All() {
			n += s.LogRecords().Len()
		}
		return n
	}, true)
	var sizer plog.ProtoMarshaler
	return l.charge(ctx, parts, func() int { return sizer.LogsSize(data) }, func() error { return l.next.ConsumeLogs(ctx, data) })
}

type metrics struct {
	*quota
	next consumer.Metrics
}

// ConsumeMetrics passes on requests within the quotas.
func (m *metrics) ConsumeMetrics(ctx context.Context, data pmetric.Metrics) error {
	parts := partsOf(ctx, data.ResourceMetrics().All(), pmetric.ResourceMetrics.Resource, func(r pmetric.ResourceMetrics) (n int) {
		for _, s := range r.ScopeMetrics().All() {
			for _, one := range s.Metrics().All() {
				n += datapoint.Count(one)
			}
		}
		return n
	}, false)
	var sizer pmetric.ProtoMarshaler
	return m.charge(ctx, parts, func() int { return sizer.MetricsSize(data) }, func() error { return m.next.ConsumeMetrics(ctx, data) })
}

type traces struct {
	*quota
	next consumer.Traces
}

// ConsumeTraces passes on requests within the quotas.
func (t *traces) ConsumeTraces(ctx context.Context, data ptrace.Traces) error {
	parts := partsOf(ctx, data.ResourceSpans().All(), ptrace.ResourceSpans.Resource, func(r ptrace.ResourceSpans) (n int) {
		for _, s := range r.ScopeSpans().All() {
			n += s.Spans().Len()
		}
		return n
	}, false)
	var sizer ptrace.ProtoMarshaler
	return t.charge(ctx, parts, func() int { return sizer.TracesSize(data) }, func() error { return t.next.ConsumeTraces(ctx, data) })
}
