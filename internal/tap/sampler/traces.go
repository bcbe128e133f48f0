package sampler

import (
	"context"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

type traces struct{ ptrace.Traces }

func (b traces) resources() int { return b.ResourceSpans().Len() }

func (b traces) of(i int) (r pcommon.Resource, n int) {
	rs := b.ResourceSpans().At(i)
	for _, ss := range rs.ScopeSpans().All() {
		n += ss.Spans().Len()
	}
	return rs.Resource(), n
}

func (b traces) take(resource, k int) one {
	rs := b.ResourceSpans().At(resource)
	for _, ss := range rs.ScopeSpans().All() {
		if k >= ss.Spans().Len() {
			k -= ss.Spans().Len()
			continue
		}
		s := ss.Spans().At(k)
		if (&ptrace.ProtoMarshaler{}).SpanSize(s)+sizeOf(rs.Resource().Attributes())+sizeOf(ss.Scope().Attributes()) > maxCopied {
			return nil
		}
		out := ptrace.NewTraces()
		to := out.ResourceSpans().AppendEmpty()
		rs.Resource().CopyTo(to.Resource())
		to.SetSchemaUrl(rs.SchemaUrl())
		scope := to.ScopeSpans().AppendEmpty()
		ss.Scope().CopyTo(scope.Scope())
		s.CopyTo(scope.Spans().AppendEmpty())
		return span{out}
	}
	return nil
}

type span struct{ ptrace.Traces }

func (o span) scrub(ctx context.Context, with Scrubber) error { return with.ScrubTraces(ctx, o.Traces) }

// shownSpan is a span as it is shown.
type shownSpan struct {
	Name         string         `json:"name"`
	Kind         string         `json:"kind,omitempty"`
	TraceID      string         `json:"trace_id,omitempty"`
	SpanID       string         `json:"span_id,omitempty"`
	ParentSpanID string         `json:"parent_span_id,omitempty"`
	Time         string         `json:"time,omitempty"`
	Milliseconds float64        `json:"duration_ms"`
	Status       string         `json:"status,omitempty"`
	Message      string         `json:"status_message,omitempty"`
	Attributes   map[string]any `json:"attributes,omitempty"`
	Events       []shownEvent   `json:"events,omitempty"`
	Links        int            `json:"links,omitempty"` // how many
	Scope        string         `json:"scope,omitempty"`
	Resource     map[string]any `json:"resource,omitempty"`
}

type shownEvent struct {
	Name       string         `json:"name"`
	Attributes map[string]any `json:"attributes,omitempty"`
}

func (o span) render(w *form) any {
	rs := o.ResourceSpans().At(0)
	ss := rs.ScopeSpans().At(0)
	s := ss.Spans().At(0)
	out := shownSpan{Kind: s.Kind().String(), TraceID: traceID(s.TraceID()), SpanID: spanID(s.SpanID()), ParentSpanID: spanID(s.ParentSpanID()),
		Time: stamp(s.StartTimestamp()), Links: s.Links().Len()}
	if s.EndTimestamp() > s.StartTimestamp() {
		out.Milliseconds = float64(s.EndTimestamp()-s.StartTimestamp()) / 1e6
	}
	if s.Status().Code() != ptrace.StatusCodeUnset {
		out.Status = s.Status().Code().String()
	}
	out.Name = w.text(s.Name())
	out.Message = w.text(s.Status().Message())
	out.Attributes = w.fields(s.Attributes(), 0)
	for _, e := range s.Events().All() {
		if w.full(len(out.Events)) {
			break
		}
		out.Events = append(out.Events, shownEvent{w.text(e.Name()), w.fields(e.Attributes(), 0)})
	}
	out.Scope = w.text(ss.Scope().Name())
	out.Resource = w.fields(rs.Resource().Attributes(), 0)
	return out
}
