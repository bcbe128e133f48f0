// Package pipeline passes records of the journal to the pipeline downstream of a receiver, for followers and jobs.
package pipeline

import (
	"context"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/origin"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/lentlogs"
)

// Entry is the pipeline's first consumer, for encoded requests.
type Entry interface {
	// Decode decodes a request. dedupable reports whether equal bytes mean the same request: some time in it is finer than a second. The payload may
	// share the request's memory, which must not change.
	Decode(request []byte) (payload any, dedupable bool, err error)
	// Read is Decode for a payload that is only passed to [Hours] and Consume, which may decode it then.
	Read(request []byte) (payload any, dedupable bool, err error)
	// Consume sends payloads on as one batch; no payloads are an empty batch. The payloads must not be used afterwards.
	Consume(ctx context.Context, payloads []any) error
	Signal() journal.Signal
}

// Metrics returns the entry of a pipeline for metrics.
func Metrics(next consumer.Metrics) Entry { return metricsHead{next} }

// Logs returns the entry of a pipeline for logs.
func Logs(next consumer.Logs) Entry { return logsHead{next} }

// Traces returns the entry of a pipeline for traces.
func Traces(next consumer.Traces) Entry { return tracesHead{next} }

// fineTime reports whether t is finer than a second: two different requests then hardly have equal bytes.
func fineTime(t pcommon.Timestamp) bool { return t%1_000_000_000 != 0 }

type metricsHead struct{ next consumer.Metrics }

func (metricsHead) Signal() journal.Signal { return journal.Metrics }

func (metricsHead) Decode(request []byte) (any, bool, error) {
	md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(request)
	if err != nil {
		return nil, false, err
	}
	return md, fineMetrics(md), nil
}

func (h metricsHead) Read(request []byte) (any, bool, error) { return h.Decode(request) }

func fineMetrics(md pmetric.Metrics) bool {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				if fineMetric(m) {
					return true
				}
			}
		}
	}
	return false
}

func fineMetric(m pmetric.Metric) bool {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return fineAny(m.Gauge().DataPoints().Len(), func(i int) pcommon.Timestamp { return m.Gauge().DataPoints().At(i).Timestamp() })
	case pmetric.MetricTypeSum:
		return fineAny(m.Sum().DataPoints().Len(), func(i int) pcommon.Timestamp { return m.Sum().DataPoints().At(i).Timestamp() })
	case pmetric.MetricTypeHistogram:
		return fineAny(m.Histogram().DataPoints().Len(), func(i int) pcommon.Timestamp { return m.Histogram().DataPoints().At(i).Timestamp() })
	case pmetric.MetricTypeExponentialHistogram:
		return fineAny(m.ExponentialHistogram().DataPoints().Len(), func(i int) pcommon.Timestamp { return m.ExponentialHistogram().DataPoints().At(i).Timestamp() })
	case pmetric.MetricTypeSummary:
		return fineAny(m.Summary().DataPoints().Len(), func(i int) pcommon.Timestamp { return m.Summary().DataPoints().At(i).Timestamp() })
	}
	return false
}

func fineAny(n int, at func(int) pcommon.Timestamp) bool {
	for i := range n {
		if fineTime(at(i)) {
			return true
		}
	}
	return false
}

func (h metricsHead) Consume(ctx context.Context, payloads []any) error {
	all := pmetric.NewMetrics()
	parts := make([]origin.Part, 0, len(payloads))
	for i, p := range payloads {
		rms := p.(pmetric.Metrics).ResourceMetrics()
		parts = append(parts, origin.Part{Resources: rms.Len(), Deduplicated: origin.Deduplicated(ctx, i)})
		rms.MoveAndAppendTo(all.ResourceMetrics())
	}
	return h.next.ConsumeMetrics(origin.With(ctx, all, parts), all)
}

type logsHead struct{ next consumer.Logs }

func (logsHead) Signal() journal.Signal { return journal.Logs }

func (logsHead) Decode(request []byte) (any, bool, error) {
	ld, ok := lentlogs.Decode(request)
	if !ok {
		var err error
		if ld, err = (&plog.ProtoUnmarshaler{}).UnmarshalLogs(request); err != nil {
			return nil, false, err
		}
	}
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, l := range sl.LogRecords().All() {
				if l.ObservedTimestamp() != 0 || fineTime(l.Timestamp()) {
					return ld, true, nil
				}
			}
		}
	}
	return ld, false, nil
}

func (h logsHead) Read(request []byte) (any, bool, error) {
	if l, dedupable, ok := readLogs(request); ok {
		return l, dedupable, nil
	}
	return h.Decode(request)
}

func (h logsHead) Consume(ctx context.Context, payloads []any) error {
	all := plog.NewLogs()
	for _, p := range payloads {
		ld, ok := p.(plog.Logs)
		if !ok {
			var err error
			if ld, err = p.(*laterLogs).decode(); err != nil {
				return err
			}
		}
		ld.ResourceLogs().MoveAndAppendTo(all.ResourceLogs())
	}
	return h.next.ConsumeLogs(ctx, all)
}

type tracesHead struct{ next consumer.Traces }

func (tracesHead) Signal() journal.Signal { return journal.Traces }

// Decode: a span has an id, so equal bytes are the same span.
func (tracesHead) Decode(request []byte) (any, bool, error) {
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(request)
	return td, true, err
}

func (h tracesHead) Read(request []byte) (any, bool, error) { return h.Decode(request) }

func (h tracesHead) Consume(ctx context.Context, payloads []any) error {
	all := ptrace.NewTraces()
	for _, p := range payloads {
		p.(ptrace.Traces).ResourceSpans().MoveAndAppendTo(all.ResourceSpans())
	}
	return h.next.ConsumeTraces(ctx, all)
}
