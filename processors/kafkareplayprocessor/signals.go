package kafkareplayprocessor

import (
	"context"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"

	"github.com/penstockhq/penstock/internal/journal"
)

var (
	_ processor.Metrics = (*metricsAppender)(nil)
	_ processor.Logs    = (*logsAppender)(nil)
	_ processor.Traces  = (*tracesAppender)(nil)
)

type metricsAppender struct {
	*appender
	next consumer.Metrics
}

func (a *metricsAppender) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	if items := md.DataPointCount(); items > 0 {
		request, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
		if err != nil {
			return err
		}
		tenant := tenantOf(ctx)
		sources := make([]journal.Source, 0, md.ResourceMetrics().Len())
		for _, r := range md.ResourceMetrics().All() {
			sources = append(sources, journal.SourceOf(journal.Metrics, tenant, r.Resource().Attributes()))
		}
		if err := a.write(ctx, request, sources, items); err != nil {
			return err
		}
	}
	if a.cfg.Delivery == deliveryAppend {
		return nil
	}
	return a.next.ConsumeMetrics(ctx, md)
}

type logsAppender struct {
	*appender
	next consumer.Logs
}

func (a *logsAppender) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	if items := ld.LogRecordCount(); items > 0 {
		request, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
		if err != nil {
			return err
		}
		tenant := tenantOf(ctx)
		sources := make([]journal.Source, 0, ld.ResourceLogs().Len())
		for _, r := range ld.ResourceLogs().All() {
			sources = append(sources, journal.SourceOf(journal.Logs, tenant, r.Resource().Attributes()))
		}
		if err := a.write(ctx, request, sources, items); err != nil {
			return err
		}
	}
	if a.cfg.Delivery == deliveryAppend {
		return nil
	}
	return a.next.ConsumeLogs(ctx, ld)
}

type tracesAppender struct {
	*appender
	next consumer.Traces
}

func (a *tracesAppender) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	if items := td.SpanCount(); items > 0 {
		request, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
		if err != nil {
			return err
		}
		tenant := tenantOf(ctx)
		sources := make([]journal.Source, 0, td.ResourceSpans().Len())
		for _, r := range td.ResourceSpans().All() {
			sources = append(sources, journal.SourceOf(journal.Traces, tenant, r.Resource().Attributes()))
		}
		if err := a.write(ctx, request, sources, items); err != nil {
			return err
		}
	}
	if a.cfg.Delivery == deliveryAppend {
		return nil
	}
	return a.next.ConsumeTraces(ctx, td)
}
