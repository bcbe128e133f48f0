package sampler

import (
	"context"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

type logs struct{ plog.Logs }

func (b logs) resources() int { return b.ResourceLogs().Len() }

func (b logs) of(i int) (r pcommon.Resource, n int) {
	rl := b.ResourceLogs().At(i)
	for _, sl := range rl.ScopeLogs().All() {
		n += sl.LogRecords().Len()
	}
	return rl.Resource(), n
}

func (b logs) take(resource, k int) one {
	rl := b.ResourceLogs().At(resource)
	for _, sl := range rl.ScopeLogs().All() {
		if k >= sl.LogRecords().Len() {
			k -= sl.LogRecords().Len()
			continue
		}
		record := sl.LogRecords().At(k)
		if (&plog.ProtoMarshaler{}).LogRecordSize(record)+sizeOf(rl.Resource().Attributes())+sizeOf(sl.Scope().Attributes()) > maxCopied {
			return nil
		}
		out := plog.NewLogs()
		to := out.ResourceLogs().AppendEmpty()
		rl.Resource().CopyTo(to.Resource())
		to.SetSchemaUrl(rl.SchemaUrl())
		scope := to.ScopeLogs().AppendEmpty()
		sl.Scope().CopyTo(scope.Scope())
		record.CopyTo(scope.LogRecords().AppendEmpty())
		return logRecord{out}
	}
	return nil
}

type logRecord struct{ plog.Logs }

func (o logRecord) scrub(ctx context.Context, with Scrubber) error {
	return with.ScrubLogs(ctx, o.Logs)
}

// shownLog is a log record as it is shown.
type shownLog struct {
	Time       string         `json:"time,omitempty"`
	Severity   string         `json:"severity,omitempty"`
	Event      string         `json:"event,omitempty"`
	Body       any            `json:"body,omitempty"`
	Attributes map[string]any `json:"attributes,omitempty"`
	TraceID    string         `json:"trace_id,omitempty"`
	SpanID     string         `json:"span_id,omitempty"`
	Scope      string         `json:"scope,omitempty"`
	Resource   map[string]any `json:"resource,omitempty"`
}

func (o logRecord) render(w *form) any {
	rl := o.ResourceLogs().At(0)
	sl := rl.ScopeLogs().At(0)
	r := sl.LogRecords().At(0)
	out := shownLog{Time: stamp(r.Timestamp()), TraceID: traceID(r.TraceID()), SpanID: spanID(r.SpanID())}
	if out.Time == "" {
		out.Time = stamp(r.ObservedTimestamp())
	}
	if out.Severity = w.text(r.SeverityText()); out.Severity == "" && r.SeverityNumber() != 0 {
		out.Severity = r.SeverityNumber().String()
	}
	out.Body = w.value(r.Body(), 0)
	out.Event = w.text(r.EventName())
	out.Attributes = w.fields(r.Attributes(), 0)
	out.Scope = w.text(sl.Scope().Name())
	out.Resource = w.fields(rl.Resource().Attributes(), 0)
	return out
}

// sizeOf estimates how many bytes the attributes take.
func sizeOf(m pcommon.Map) (n int) {
	for k, v := range m.All() {
		n += len(k) + sizeOfValue(v, 0)
	}
	return n
}

func sizeOfValue(v pcommon.Value, depth int) (n int) {
	if depth > 64 {
		return maxCopied + 1 // nothing sensible is so deep
	}
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return len(v.Str())
	case pcommon.ValueTypeBytes:
		return v.Bytes().Len()
	case pcommon.ValueTypeMap:
		for k, one := range v.Map().All() {
			n += len(k) + sizeOfValue(one, depth+1)
		}
	case pcommon.ValueTypeSlice:
		for _, one := range v.Slice().All() {
			n += sizeOfValue(one, depth+1)
		}
	}
	return n + shell
}
