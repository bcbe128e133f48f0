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
		r, err := a.receive(ctx, items)
		if err != nil {
			return err
		}
		for _, rm := range md.ResourceMetrics().All() {
			r.add(rm.Resource().Attributes(), func() int {
				one := pmetric.NewMetrics()
				rm.CopyTo(one.ResourceMetrics().AppendEmpty())
				return one.DataPointCount()
			})
		}
		if r.encoded, err = (&pmetric.ProtoMarshaler{}).MarshalMetrics(md); err != nil {
			return err
		}
		if err := a.write(ctx, r); err != nil {
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
		r, err := a.receive(ctx, items)
		if err != nil {
			return err
		}
		for _, rl := range ld.ResourceLogs().All() {
			r.add(rl.Resource().Attributes(), func() int {
				one := plog.NewLogs()
				rl.CopyTo(one.ResourceLogs().AppendEmpty())
				return one.LogRecordCount()
			})
		}
		if r.encoded, err = (&plog.ProtoMarshaler{}).MarshalLogs(ld); err != nil {
			return err
		}
		if err := a.write(ctx, r); err != nil {
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
		r, err := a.receive(ctx, items)
		if err != nil {
			return err
		}
		for _, rs := range td.ResourceSpans().All() {
			r.add(rs.Resource().Attributes(), func() int {
				one := ptrace.NewTraces()
				rs.CopyTo(one.ResourceSpans().AppendEmpty())
				return one.SpanCount()
			})
		}
		if r.encoded, err = (&ptrace.ProtoMarshaler{}).MarshalTraces(td); err != nil {
			return err
		}
		if err := a.write(ctx, r); err != nil {
			return err
		}
	}
	if a.cfg.Delivery == deliveryAppend {
		return nil
	}
	return a.next.ConsumeTraces(ctx, td)
}

// itemsIn returns the data points, log records or spans of an encoded request.
func itemsIn(signal journal.Signal, encoded []byte) int {
	switch signal {
	case journal.Metrics:
		if md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(encoded); err == nil {
			return md.DataPointCount()
		}
	case journal.Logs:
		if ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(encoded); err == nil {
			return ld.LogRecordCount()
		}
	case journal.Traces:
		if td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(encoded); err == nil {
			return td.SpanCount()
		}
	}
	return 0
}
