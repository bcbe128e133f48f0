package otlp

import "strings"

// form is the form of a field's value, in JSON and in protobuf.
type form uint8

const (
	text     form = iota
	octets        // bytes: base64 in JSON
	traceID       // hex in JSON
	spanID        // hex in JSON
	boolean       // varint
	double        // fixed64
	fixed64       // unsigned
	sfixed64      // signed
	fixed32       // unsigned
	uint32s       // varint
	uint64s       // varint
	int64s        // varint
	sint32        // zigzag varint
	enum          // varint; a number in JSON, or its name
	embedded      // a message
)

// field is one field of a message.
type field struct {
	name     string // in JSON: lowerCamelCase
	number   uint64
	form     form
	message  *message // of an embedded message
	names    map[string]int64
	repeated bool
	// counted says that the field is one of the attributes of an owner, or of the entries of a map, which Limits bound.
	counted bool
}

// level is the role of a message in a request. An error in an element leaves out that element and keeps the others of its list.
type level uint8

const (
	part level = iota // of an item
	resourceLevel
	scopeLevel
	metricLevel
	itemLevel
)

// message is a type of OTLP.
type message struct {
	level    level
	fields   []*field
	byName   map[string]*field
	byNumber map[uint64]*field
}

func one(name string, number uint64, f form) *field {
	return &field{name: name, number: number, form: f}
}
func many(name string, number uint64, f form) *field {
	return &field{name: name, number: number, form: f, repeated: true}
}
func inside(name string, number uint64, m *message) *field {
	return &field{name: name, number: number, form: embedded, message: m}
}
func list(name string, number uint64, m *message) *field {
	return &field{name: name, number: number, form: embedded, message: m, repeated: true}
}
func attributes(name string, number uint64) *field {
	return &field{name: name, number: number, form: embedded, message: keyValue, repeated: true, counted: true}
}
func named(name string, number uint64, names map[string]int64) *field {
	return &field{name: name, number: number, form: enum, names: names}
}

// define fills m. Names are accepted in lowerCamelCase, as OTLP requires, and as in the .proto files, as stock collectors do.
func define(m *message, l level, fields ...*field) *message {
	m.level, m.fields = l, fields
	m.byName, m.byNumber = make(map[string]*field, 2*len(fields)), make(map[uint64]*field, len(fields))
	for _, f := range fields {
		m.byName[f.name] = f
		m.byName[snake(f.name)] = f
		m.byNumber[f.number] = f
	}
	return m
}

func snake(name string) string {
	var out strings.Builder
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			out.WriteByte('_')
			c += 'a' - 'A'
		}
		out.WriteRune(c)
	}
	return out.String()
}

// The messages of opentelemetry-proto v1.10; schema_test.go compares them with its descriptors. They are never changed.
var (
	anyValue, keyValue = &message{}, &message{}

	_ = define(anyValue, part, one("stringValue", 1, text), one("boolValue", 2, boolean), one("intValue", 3, int64s), one("doubleValue", 4, double),
		inside("arrayValue", 5, define(&message{}, part, list("values", 1, anyValue))),
		inside("kvlistValue", 6, define(&message{}, part, attributes("values", 1))), one("bytesValue", 7, octets))
	_ = define(keyValue, part, one("key", 1, text), inside("value", 2, anyValue))

	entityRef = define(&message{}, part, one("schemaUrl", 1, text), one("type", 2, text), many("idKeys", 3, text), many("descriptionKeys", 4, text))
	resource  = define(&message{}, part, attributes("attributes", 1), one("droppedAttributesCount", 2, uint32s), list("entityRefs", 3, entityRef))
	scope     = define(&message{}, part, one("name", 1, text), one("version", 2, text), attributes("attributes", 3), one("droppedAttributesCount", 4, uint32s))

	logRecord = define(&message{}, itemLevel, one("timeUnixNano", 1, fixed64), named("severityNumber", 2, severities), one("severityText", 3, text),
		inside("body", 5, anyValue), attributes("attributes", 6), one("droppedAttributesCount", 7, uint32s), one("flags", 8, fixed32),
		one("traceId", 9, traceID), one("spanId", 10, spanID), one("observedTimeUnixNano", 11, fixed64), one("eventName", 12, text))
	spanEvent = define(&message{}, part, one("timeUnixNano", 1, fixed64), one("name", 2, text), attributes("attributes", 3), one("droppedAttributesCount", 4, uint32s))
	spanLink  = define(&message{}, part, one("traceId", 1, traceID), one("spanId", 2, spanID), one("traceState", 3, text), attributes("attributes", 4),
		one("droppedAttributesCount", 5, uint32s), one("flags", 6, fixed32))
	spanStatus = define(&message{}, part, one("message", 2, text), named("code", 3, statusCodes))
	span       = define(&message{}, itemLevel, one("traceId", 1, traceID), one("spanId", 2, spanID), one("traceState", 3, text), one("parentSpanId", 4, spanID),
		one("name", 5, text), named("kind", 6, spanKinds), one("startTimeUnixNano", 7, fixed64), one("endTimeUnixNano", 8, fixed64),
		attributes("attributes", 9), one("droppedAttributesCount", 10, uint32s), list("events", 11, spanEvent), one("droppedEventsCount", 12, uint32s),
		list("links", 13, spanLink), one("droppedLinksCount", 14, uint32s), inside("status", 15, spanStatus), one("flags", 16, fixed32))

	exemplar = define(&message{}, part, one("timeUnixNano", 2, fixed64), one("asDouble", 3, double), one("spanId", 4, spanID), one("traceId", 5, traceID),
		one("asInt", 6, sfixed64), attributes("filteredAttributes", 7))
	numberPoint = define(&message{}, itemLevel, one("startTimeUnixNano", 2, fixed64), one("timeUnixNano", 3, fixed64), one("asDouble", 4, double),
		list("exemplars", 5, exemplar), one("asInt", 6, sfixed64), attributes("attributes", 7), one("flags", 8, uint32s))
	histogramPoint = define(&message{}, itemLevel, one("startTimeUnixNano", 2, fixed64), one("timeUnixNano", 3, fixed64), one("count", 4, fixed64), one("sum", 5, double),
		many("bucketCounts", 6, fixed64), many("explicitBounds", 7, double), list("exemplars", 8, exemplar), attributes("attributes", 9),
		one("flags", 10, uint32s), one("min", 11, double), one("max", 12, double))
	buckets          = define(&message{}, part, one("offset", 1, sint32), many("bucketCounts", 2, uint64s))
	exponentialPoint = define(&message{}, itemLevel, attributes("attributes", 1), one("startTimeUnixNano", 2, fixed64), one("timeUnixNano", 3, fixed64),
		one("count", 4, fixed64), one("sum", 5, double), one("scale", 6, sint32), one("zeroCount", 7, fixed64), inside("positive", 8, buckets),
		inside("negative", 9, buckets), one("flags", 10, uint32s), list("exemplars", 11, exemplar), one("min", 12, double), one("max", 13, double),
		one("zeroThreshold", 14, double))
	quantile     = define(&message{}, part, one("quantile", 1, double), one("value", 2, double))
	summaryPoint = define(&message{}, itemLevel, one("startTimeUnixNano", 2, fixed64), one("timeUnixNano", 3, fixed64), one("count", 4, fixed64), one("sum", 5, double),
		list("quantileValues", 6, quantile), attributes("attributes", 7), one("flags", 8, uint32s))
	points = func(p *message, more ...*field) *message {
		return define(&message{}, part, append([]*field{list("dataPoints", 1, p)}, more...)...)
	}
	metric = define(&message{}, metricLevel, one("name", 1, text), one("description", 2, text), one("unit", 3, text),
		inside("gauge", 5, points(numberPoint)),
		inside("sum", 7, points(numberPoint, named("aggregationTemporality", 2, temporalities), one("isMonotonic", 3, boolean))),
		inside("histogram", 9, points(histogramPoint, named("aggregationTemporality", 2, temporalities))),
		inside("exponentialHistogram", 10, points(exponentialPoint, named("aggregationTemporality", 2, temporalities))),
		inside("summary", 11, points(summaryPoint)), attributes("metadata", 12))

	logsRequest    = envelope("resourceLogs", "scopeLogs", "logRecords", logRecord)
	tracesRequest  = envelope("resourceSpans", "scopeSpans", "spans", span)
	metricsRequest = envelope("resourceMetrics", "scopeMetrics", "metrics", metric)
)

// envelope is a request: resources, in them scopes, in them items or metrics.
func envelope(resources, scopes, items string, of *message) *message {
	inScope := define(&message{}, scopeLevel, inside("scope", 1, scope), list(items, 2, of), one("schemaUrl", 3, text))
	inResource := define(&message{}, resourceLevel, inside("resource", 1, resource), list(scopes, 2, inScope), one("schemaUrl", 3, text))
	return define(&message{}, part, list(resources, 1, inResource))
}

var (
	spanKinds     = numbered("SPAN_KIND_", "UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
	statusCodes   = numbered("STATUS_CODE_", "UNSET", "OK", "ERROR")
	temporalities = numbered("AGGREGATION_TEMPORALITY_", "UNSPECIFIED", "DELTA", "CUMULATIVE")
	severities    = numbered("SEVERITY_NUMBER_", "UNSPECIFIED", "TRACE", "TRACE2", "TRACE3", "TRACE4", "DEBUG", "DEBUG2", "DEBUG3", "DEBUG4",
		"INFO", "INFO2", "INFO3", "INFO4", "WARN", "WARN2", "WARN3", "WARN4", "ERROR", "ERROR2", "ERROR3", "ERROR4", "FATAL", "FATAL2", "FATAL3", "FATAL4")
)

func numbered(prefix string, names ...string) map[string]int64 {
	all := make(map[string]int64, len(names))
	for i, name := range names {
		all[prefix+name] = int64(i)
	}
	return all
}
