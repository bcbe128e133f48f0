package lokiexporter

import (
	"bytes"
	"encoding/json"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// document encodes whole records as JSON lines, with the keys of contrib's lokiexporter, so that queries with "| json" continue to work.
type document struct {
	resource pcommon.Resource
	scoped   pcommon.InstrumentationScope
	stale    bool // resources and instrumentation belong to another scope
	// They are encoded with the first record that needs them.
	resources, instrumentation json.RawMessage
}

type documentScope struct {
	Name       string          `json:"name,omitempty"`
	Version    string          `json:"version,omitempty"`
	Attributes json.RawMessage `json:"attributes,omitempty"`
}

type documentLine struct {
	Body            json.RawMessage `json:"body,omitempty"`
	TraceID         string          `json:"traceid,omitempty"`
	SpanID          string          `json:"spanid,omitempty"`
	Severity        string          `json:"severity,omitempty"`
	SeverityNumber  int32           `json:"severity_number,omitempty"`
	EventName       string          `json:"event_name,omitempty"`
	Flags           uint32          `json:"flags,omitempty"`
	Attributes      json.RawMessage `json:"attributes,omitempty"`
	Resources       json.RawMessage `json:"resources,omitempty"`
	Instrumentation json.RawMessage `json:"instrumentation_scope,omitempty"`
}

func (d *document) scope(resource pcommon.Resource, scope pcommon.InstrumentationScope) {
	d.resource, d.scoped, d.stale = resource, scope, true
}

func (d *document) text(lr plog.LogRecord) string {
	if d.stale {
		d.stale = false
		d.resources = mapJSON(d.resource.Attributes())
		d.instrumentation = nil
		scope := documentScope{Name: d.scoped.Name(), Version: d.scoped.Version(), Attributes: mapJSON(d.scoped.Attributes())}
		if encoded := encodeJSON(scope); len(encoded) > len("{}") {
			d.instrumentation = encoded
		}
	}
	line := documentLine{
		TraceID: lr.TraceID().String(), SpanID: lr.SpanID().String(),
		Severity: lr.SeverityText(), SeverityNumber: int32(lr.SeverityNumber()), EventName: lr.EventName(),
		Flags: uint32(lr.Flags()), Attributes: mapJSON(lr.Attributes()),
		Resources: d.resources, Instrumentation: d.instrumentation,
	}
	if lr.Body().Type() != pcommon.ValueTypeEmpty {
		line.Body = valueJSON(lr.Body())
	}
	return string(encodeJSON(line))
}

// mapJSON is nil for an empty map.
func mapJSON(m pcommon.Map) json.RawMessage {
	if m.Len() == 0 {
		return nil
	}
	if encoded := encodeJSON(m.AsRaw()); encoded != nil {
		return encoded
	}
	// A number without a JSON form (NaN, infinity): encode value by value.
	values := make(map[string]json.RawMessage, m.Len())
	for key, v := range m.All() {
		values[key] = valueJSON(v)
	}
	return encodeJSON(values)
}

// valueJSON falls back to pdata's text form, which always exists.
func valueJSON(v pcommon.Value) json.RawMessage {
	if encoded := encodeJSON(v.AsRaw()); encoded != nil {
		return encoded
	}
	return encodeJSON(v.AsString())
}

// encodeJSON is json.Marshal without escaping of <, > and &; nil if v has no JSON form.
func encodeJSON(v any) json.RawMessage {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(v) != nil {
		return nil
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}
