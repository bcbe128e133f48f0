package piiscrubberprocessor

import (
	"context"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/scrub"
)

func (s *scrubber) logs(ctx context.Context, ld plog.Logs) (plog.Logs, error) {
	err := s.pass(ctx, signalLogs, func(b *scrub.Batch) {
		for _, rl := range ld.ResourceLogs().All() {
			s.resource(ctx, b, rl.Resource())
			s.schema(b, rl, s.cfg.Places.Resource)
			for _, sl := range rl.ScopeLogs().All() {
				s.scope(b, sl.Scope())
				s.schema(b, sl, s.cfg.Places.Scope)
				for _, r := range sl.LogRecords().All() {
					s.record(b, r)
				}
			}
		}
	})
	return ld, err
}

func (s *scrubber) record(b *scrub.Batch, r plog.LogRecord) {
	p := &s.cfg.Places
	if p.Body {
		if opaque(r) {
			b.Missed[scrub.Binary]++
		} else {
			b.Value("body", r.Body())
		}
		replace(b, "severity_text", r.SeverityText(), r.SetSeverityText)
	}
	if p.Attributes {
		b.Map("attributes", r.Attributes())
	}
	if p.SpanNames {
		replace(b, "event_name", r.EventName(), r.SetEventName)
	}
}

// opaque reports whether the body is a payload that the ingest receiver keeps byte for byte: its reader needs it unchanged. Text is
// scrubbed, whatever its declared type.
func opaque(r plog.LogRecord) bool {
	if r.Body().Type() != pcommon.ValueTypeBytes {
		return false
	}
	kind, ok := r.Attributes().Get("ingest.content_type")
	return ok && !strings.HasPrefix(strings.ToLower(kind.AsString()), "text/") && !utf8.Valid(r.Body().Bytes().AsRaw())
}

func (s *scrubber) traces(ctx context.Context, td ptrace.Traces) (ptrace.Traces, error) {
	err := s.pass(ctx, signalTraces, func(b *scrub.Batch) {
		for _, rs := range td.ResourceSpans().All() {
			s.resource(ctx, b, rs.Resource())
			s.schema(b, rs, s.cfg.Places.Resource)
			for _, ss := range rs.ScopeSpans().All() {
				s.scope(b, ss.Scope())
				s.schema(b, ss, s.cfg.Places.Scope)
				for _, sp := range ss.Spans().All() {
					s.span(b, sp)
				}
			}
		}
	})
	return td, err
}

func (s *scrubber) span(b *scrub.Batch, sp ptrace.Span) {
	p := &s.cfg.Places
	if p.SpanNames {
		replace(b, "name", sp.Name(), sp.SetName)
	}
	if p.StatusMessages {
		replace(b, "status.message", sp.Status().Message(), sp.Status().SetMessage)
		replace(b, "trace_state", sp.TraceState().AsRaw(), sp.TraceState().FromRaw)
	}
	if p.Attributes {
		b.Map("attributes", sp.Attributes())
	}
	if p.Events {
		for _, e := range sp.Events().All() {
			replace(b, "events.name", e.Name(), e.SetName)
			b.Map("events.attributes", e.Attributes())
		}
	}
	if p.Links {
		for _, l := range sp.Links().All() {
			replace(b, "links.trace_state", l.TraceState().AsRaw(), l.TraceState().FromRaw)
			b.Map("links.attributes", l.Attributes())
		}
	}
}

func (s *scrubber) metrics(ctx context.Context, md pmetric.Metrics) (pmetric.Metrics, error) {
	err := s.pass(ctx, signalMetrics, func(b *scrub.Batch) {
		for _, rm := range md.ResourceMetrics().All() {
			s.resource(ctx, b, rm.Resource())
			s.schema(b, rm, s.cfg.Places.Resource)
			for _, sm := range rm.ScopeMetrics().All() {
				s.scope(b, sm.Scope())
				s.schema(b, sm, s.cfg.Places.Scope)
				for _, m := range sm.Metrics().All() {
					s.metric(ctx, b, m)
				}
			}
		}
	})
	return md, err
}

func (s *scrubber) metric(ctx context.Context, b *scrub.Batch, m pmetric.Metric) {
	if s.cfg.Places.Descriptions {
		b.Identify(true)
		replace(b, "name", m.Name(), m.SetName)
		b.Identify(false)
		replace(b, "unit", m.Unit(), m.SetUnit)
		replace(b, "description", m.Description(), m.SetDescription)
		b.Map("metadata", m.Metadata())
	}
	var c collapse
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		for _, p := range m.Gauge().DataPoints().All() {
			s.point(b, p.Attributes(), p.Exemplars(), &c)
		}
		merge(&c, m.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		for _, p := range m.Sum().DataPoints().All() {
			s.point(b, p.Attributes(), p.Exemplars(), &c)
		}
		merge(&c, m.Sum().DataPoints())
	case pmetric.MetricTypeHistogram:
		for _, p := range m.Histogram().DataPoints().All() {
			s.point(b, p.Attributes(), p.Exemplars(), &c)
		}
		merge(&c, m.Histogram().DataPoints())
	case pmetric.MetricTypeExponentialHistogram:
		for _, p := range m.ExponentialHistogram().DataPoints().All() {
			s.point(b, p.Attributes(), p.Exemplars(), &c)
		}
		merge(&c, m.ExponentialHistogram().DataPoints())
	case pmetric.MetricTypeSummary:
		for _, p := range m.Summary().DataPoints().All() {
			s.point(b, p.Attributes(), pmetric.NewExemplarSlice(), &c)
		}
		merge(&c, m.Summary().DataPoints())
	}
	s.collapsed(ctx, m.Name(), &c)
}

func (s *scrubber) point(b *scrub.Batch, attributes pcommon.Map, exemplars pmetric.ExemplarSlice, c *collapse) {
	if s.cfg.Places.Attributes {
		before := b.Constants
		b.Identify(true)
		b.Map("attributes", attributes)
		b.Identify(false)
		c.add(b.Constants > before, b.ConstantKey)
	}
	if s.cfg.Places.Exemplars {
		for _, e := range exemplars.All() {
			b.Map("exemplars.attributes", e.FilteredAttributes())
		}
	}
}
