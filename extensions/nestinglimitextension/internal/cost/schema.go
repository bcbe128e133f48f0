package cost

// count is the limit that applies to a message.
type count uint8

const (
	nothing count = iota
	item
	resource
	scope
	attribute
)

// form is the kind of content of a field.
type form uint8

const (
	skipped form = iota // part of its message, or not decoded at all
	message
	text    // a string or bytes: copied
	numbers // a list of numbers of eight bytes
	varints // the same, encoded in one to ten bytes each
	guess   // everything that could be a message counts as one
)

// field is one field of a message.
type field struct {
	number int
	name   string // in JSON; the other spelling follows from it
	form   form
	counts count
	to     kind
	size   int32 // bytes of memory for each value, without its content
}

// kind is a message of OTLP, an index into schema.
type kind uint8

const (
	unknown kind = iota // of a signal that has no schema here
	ignored             // of a field that decoders skip
	logsRequest
	resourceLogs
	scopeLogs
	logRecord
	tracesRequest
	resourceSpans
	scopeSpans
	span
	spanEvent
	spanLink
	spanStatus
	metricsRequest
	resourceMetrics
	scopeMetrics
	metric
	gauge
	sum
	histogram
	exponential
	summary
	numberPoint
	histogramPoint
	exponentialPoint
	summaryPoint
	quantile
	buckets
	exemplar
	ofResource
	ofScope
	entity
	keyValue
	anyValue
	arrayValue
	mapValue
	kinds
)

// Sizes in bytes are those of pdata v1.65 on a 64-bit machine: the type as the allocator rounds it up, and for elements of a list twice their slot,
// because lists grow by doubling. TestSizeIsNeverTooLow compares them with real decoding.
const (
	sizePointer   = 16
	sizeKeyValue  = 80
	sizeAnyValue  = 32
	sizeNumber    = 16
	sizeText      = 16 // the allocator's rounding of a copy
	sizeTextEntry = 48 // a string in a list
	sizeOneof     = 8
	sizeGuess     = 320
)

// attributes is the field with that number, which holds the attributes of its message.
func attributes(number int) field {
	return field{number, "attributes", message, attribute, keyValue, sizeKeyValue}
}

// declared lists the messages of OTLP. Omitted fields hold a number or an id and cost nothing.
func declared() [kinds][]field {
	schemaURL := field{3, "schemaUrl", text, nothing, 0, sizeText}
	str := func(number int, name string) field { return field{number, name, text, nothing, 0, sizeText} }
	inside := func(number int, name string, to kind) field { return field{number, name, message, nothing, to, 0} }
	list := func(number int, name string, to kind, size int32) field {
		return field{number, name, message, nothing, to, size + sizePointer}
	}
	counted := func(f field, c count) field { f.counts = c; return f }
	exemplars := func(number int) field {
		return field{number, "exemplars", message, nothing, exemplar, 2*72 + sizeOneof}
	}
	number := func(number int, name string) field { return field{number, name, skipped, nothing, 0, sizeOneof} }
	return [kinds][]field{
		logsRequest: {counted(list(1, "resourceLogs", resourceLogs, 128), resource)},
		resourceLogs: {inside(1, "resource", ofResource), counted(list(2, "scopeLogs", scopeLogs, 112), scope), schemaURL,
			counted(list(1000, "deprecatedScopeLogs", scopeLogs, 112), scope)},
		scopeLogs: {inside(1, "scope", ofScope), counted(list(2, "logRecords", logRecord, 128), item), schemaURL},
		logRecord: {str(3, "severityText"), inside(5, "body", anyValue), attributes(6), str(12, "eventName")},

		tracesRequest: {counted(list(1, "resourceSpans", resourceSpans, 128), resource)},
		resourceSpans: {inside(1, "resource", ofResource), counted(list(2, "scopeSpans", scopeSpans, 112), scope), schemaURL,
			counted(list(1000, "deprecatedScopeSpans", scopeSpans, 112), scope)},
		scopeSpans: {inside(1, "scope", ofScope), counted(list(2, "spans", span, 208), item), schemaURL},
		span: {str(3, "traceState"), str(5, "name"), attributes(9), list(11, "events", spanEvent, 64), list(13, "links", spanLink, 80),
			inside(15, "status", spanStatus)},
		spanEvent:  {str(2, "name"), attributes(3)},
		spanLink:   {str(3, "traceState"), attributes(4)},
		spanStatus: {str(2, "message")},

		metricsRequest: {counted(list(1, "resourceMetrics", resourceMetrics, 128), resource)},
		resourceMetrics: {inside(1, "resource", ofResource), counted(list(2, "scopeMetrics", scopeMetrics, 112), scope), schemaURL,
			counted(list(1000, "deprecatedScopeMetrics", scopeMetrics, 112), scope)},
		scopeMetrics: {inside(1, "scope", ofScope), list(2, "metrics", metric, 96), schemaURL},
		metric: {str(1, "name"), str(2, "description"), str(3, "unit"),
			{5, "gauge", message, nothing, gauge, 24 + sizeOneof}, {7, "sum", message, nothing, sum, 32 + sizeOneof},
			{9, "histogram", message, nothing, histogram, 32 + sizeOneof}, {10, "exponentialHistogram", message, nothing, exponential, 32 + sizeOneof},
			{11, "summary", message, nothing, summary, 24 + sizeOneof}, {12, "metadata", message, attribute, keyValue, sizeKeyValue}},
		gauge:       {counted(list(1, "dataPoints", numberPoint, 96), item)},
		sum:         {counted(list(1, "dataPoints", numberPoint, 96), item)},
		histogram:   {counted(list(1, "dataPoints", histogramPoint, 176), item)},
		exponential: {counted(list(1, "dataPoints", exponentialPoint, 256), item)},
		summary:     {counted(list(1, "dataPoints", summaryPoint, 96), item)},
		numberPoint: {number(4, "asDouble"), number(6, "asInt"), exemplars(5), attributes(7)},
		histogramPoint: {{6, "bucketCounts", numbers, nothing, 0, sizeNumber}, {7, "explicitBounds", numbers, nothing, 0, sizeNumber},
			exemplars(8), attributes(9)},
		exponentialPoint: {attributes(1), inside(8, "positive", buckets), inside(9, "negative", buckets), exemplars(11)},
		summaryPoint:     {list(6, "quantileValues", quantile, 16), attributes(7)},
		quantile:         {},
		buckets:          {{2, "bucketCounts", varints, nothing, 0, sizeNumber}},
		exemplar: {number(3, "asDouble"), number(6, "asInt"),
			{7, "filteredAttributes", message, attribute, keyValue, sizeKeyValue}},

		ofResource: {attributes(1), list(3, "entityRefs", entity, 80)},
		ofScope:    {str(1, "name"), str(2, "version"), attributes(3)},
		entity: {schemaURLOf(1), str(2, "type"), {3, "idKeys", text, nothing, 0, sizeTextEntry},
			{4, "descriptionKeys", text, nothing, 0, sizeTextEntry}},
		keyValue: {str(1, "key"), inside(2, "value", anyValue)},
		anyValue: {{1, "stringValue", text, nothing, 0, 16 + sizeText}, number(2, "boolValue"), number(3, "intValue"), number(4, "doubleValue"),
			{5, "arrayValue", message, nothing, arrayValue, 24 + sizeOneof}, {6, "kvlistValue", message, nothing, mapValue, 24 + sizeOneof},
			{7, "bytesValue", text, nothing, 0, 24 + sizeText}, number(8, "stringValueStrindex")},
		arrayValue: {{1, "values", message, nothing, anyValue, sizeAnyValue}},
		mapValue:   {{1, "values", message, attribute, keyValue, sizeKeyValue}},
	}
}

func schemaURLOf(number int) field { return field{number, "schemaUrl", text, nothing, 0, sizeText} }

// widest is the highest number of a field; deprecated fields have the number 1000.
const widest = 16

// messages holds the schema by number and by name. It is never changed.
var messages = index(declared())

type messageSchema struct {
	byNumber   [widest + 1]*field
	deprecated *field
	byName     map[string]*field
}

// ofNumber returns the field, nil if decoders skip it.
func (s *messageSchema) ofNumber(number int32) *field {
	if uint32(number) <= widest {
		return s.byNumber[number]
	}
	if number == 1000 {
		return s.deprecated
	}
	return nil
}

func index(fields [kinds][]field) *[kinds]messageSchema {
	var all [kinds]messageSchema
	for k, list := range fields {
		s := &all[k]
		s.byName = make(map[string]*field, 2*len(list))
		for i := range list {
			f := &list[i]
			if f.number > widest {
				s.deprecated = f
			} else {
				s.byNumber[f.number] = f
			}
			s.byName[f.name] = f
			s.byName[snake(f.name)] = f
		}
	}
	return &all
}

// snake returns the other spelling that JSON decoders accept.
func snake(name string) string {
	var out []byte
	for _, c := range []byte(name) {
		if 'A' <= c && c <= 'Z' {
			out = append(out, '_', c+'a'-'A')
		} else {
			out = append(out, c)
		}
	}
	return string(out)
}

// roots are the messages of the signals.
var roots = [...]kind{Other: unknown, Logs: logsRequest, Metrics: metricsRequest, Traces: tracesRequest}

// guessed is every field of a message without a schema.
var guessed = &field{form: guess, to: unknown, size: sizeGuess}
