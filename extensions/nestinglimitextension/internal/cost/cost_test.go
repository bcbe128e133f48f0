package cost_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.opentelemetry.io/collector/pdata/testdata"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/cost"
)

var wide = cost.Limits{Depth: 1 << 20, Items: 1 << 30, Resources: 1 << 30, Scopes: 1 << 30, Attributes: 1 << 30, Size: 1 << 40}

// bytesField is a field of a message in another.
func bytesField(number protowire.Number, inner []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), inner)
}

// within lies messages around inner, the outermost number first.
func within(inner []byte, numbers ...protowire.Number) []byte {
	for i := len(numbers) - 1; i >= 0; i-- {
		inner = bytesField(numbers[i], inner)
	}
	return inner
}

func times(b []byte, n int) []byte { return []byte(strings.Repeat(string(b), n)) }

// nest lies depth messages around inner, which counts as one more when it is not empty.
func nest(inner []byte, depth int) []byte {
	for range depth {
		inner = bytesField(5, inner)
	}
	return inner
}

func reason(err error) cost.Reason {
	var exceeded *cost.Exceeded
	if errors.As(err, &exceeded) {
		return exceeded.Reason
	}
	return ""
}

func TestDepthWithoutASchema(t *testing.T) {
	scalar := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 7)
	broken := []byte{0xff}
	plain := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), strings.Repeat("z\n", 5000))
	for name, c := range map[string]struct {
		message []byte
		limit   int
		want    bool
	}{
		"empty":                      {nil, 1, false},
		"flat":                       {scalar, 1, false},
		"at the limit":               {nest(scalar, 9), 10, false},
		"past the limit":             {nest(scalar, 10), 10, true},
		"deep, broken at the bottom": {nest(broken, 1000), 250, true},
		"deep, behind other fields":  {append(append([]byte{}, plain...), nest(scalar, 1000)...), 250, true},
		"side by side":               {times(nest(scalar, 9), 1000), 10, false},
		"text":                       {plain, 16, false},
		"length past the end":        {[]byte{1<<3 | 2, 100, 1}, 1, false},
	} {
		l := wide
		l.Depth = c.limit
		_, err := l.Protobuf(cost.Other, c.message)
		assert.Equal(t, c.want, reason(err) == cost.Depth, name)
	}
}

// value is an attribute value of depth lists in each other, in a log record.
func value(depth int) []byte {
	b := within([]byte("x"), 1)
	for range depth {
		b = within(b, 5, 1)
	}
	return within(b, 1, 2, 2, 5)
}

func TestDepthInLogs(t *testing.T) {
	l := wide
	l.Depth = 24
	for name, c := range map[string]struct {
		message []byte
		want    bool
	}{
		"at the limit":                {value(9), false},
		"past the limit":              {value(10), true},
		"a string like nested":        {within(nest([]byte{8, 1}, 100), 1, 2, 2, 5, 1), false},
		"a field that nobody decodes": {within(nest([]byte{8, 1}, 100), 77), false},
	} {
		_, err := l.Protobuf(cost.Logs, c.message)
		assert.Equal(t, c.want, reason(err) == cost.Depth, name)
	}
}

// Decoders do not agree where a group ends, so the cost of the bytes after one can't be computed.
func TestGroupsAreRefused(t *testing.T) {
	_, err := wide.Protobuf(cost.Logs, []byte{77<<3&0x7f | 3 | 0x80, 4, 8, 1, 77<<3&0x7f | 4 | 0x80, 4})
	assert.ErrorIs(t, err, cost.ErrGroup)
}

func TestDepthInJSON(t *testing.T) {
	l := wide
	l.Depth = 4
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"at the limit":    {`{"a":[[[1]]]}`, false},
		"past the limit":  {`{"a":[[[[1]]]]}`, true},
		"never closed":    {`[[[[[`, true},
		"in a string":     {`{"a":"[[[[[[\"[[[[["}`, false},
		"behind a string": {`{"a\\":[[[[1]]]]}`, true},
		"side by side":    {`[[1],[2],[3],[4],[5]]`, false},
	} {
		for _, signal := range []cost.Signal{cost.Other, cost.Logs} {
			_, err := l.JSON(signal, []byte(c.text))
			assert.Equal(t, c.want, reason(err) == cost.Depth, name)
		}
	}
}

// jsoniter, which decodes OTLP, takes some of these.
func TestWhatIsNotJSONIsRefused(t *testing.T) {
	for _, text := range []string{``, `,`, `,"resourceLogs":[{}]`, `{"resourceLogs":[,"scopeLogs":[]]}`, `{"a" 1}`, `{"a"::1}`, `{"a":1,}`, `[1,]`, `{"a":[}`,
		`{"a":1]`, `{} {}`, `{`, `{"a`, `{"a":"\"}`, `{1:2}`, `{"a":1 "b":2}`, `[1 2]`, `}`, `{"a":,}`, `{"a",1}`} {
		_, err := wide.JSON(cost.Logs, []byte(text))
		assert.ErrorIs(t, err, cost.ErrJSON, text)
	}
	for _, text := range []string{`{}`, ` [ ] `, `{"a" : [ 1 , {"b":null} , "c\\" ] , "d\"":{}}`, `null`} {
		_, err := wide.JSON(cost.Logs, []byte(text))
		assert.NoError(t, err, text)
	}
}

func TestLimits(t *testing.T) {
	resources := times(bytesField(1, nil), 11)
	scopes := within(times(bytesField(2, nil), 11), 1)
	deprecated := within(times(bytesField(1000, nil), 11), 1)
	items := within(times(bytesField(2, nil), 11), 1, 2)
	attributes := within(times(bytesField(6, nil), 11), 1, 2, 2)
	entries := within(times(bytesField(1, nil), 11), 1, 2, 2, 5, 6)
	overlong := append(protowire.AppendVarint(nil, (1<<32+1)<<3|2), 0)
	for name, c := range map[string]struct {
		signal cost.Signal
		body   []byte
		json   string
		want   cost.Reason
	}{
		"resources":                  {cost.Logs, resources, `{"resourceLogs":[{},{},{},{},{},{},{},{},{},{},{}]}`, cost.Resources},
		"resources of spans":         {cost.Traces, resources, `{"resource_spans":[{},{},{},{},{},{},{},{},{},{},{}]}`, cost.Resources},
		"resources of metrics":       {cost.Metrics, resources, `{"resourceMetrics":[null,null,null,null,null,null,null,null,null,null,null]}`, cost.Resources},
		"a number beyond 32 bits":    {cost.Logs, times(overlong, 11), `{"resourceLog\u0073":[{},{},{},{},{},{},{},{},{},{},{}]}`, cost.Resources},
		"scopes":                     {cost.Logs, scopes, `{"resourceLogs":[{"scopeLogs":[{},{},{},{},{},{},{},{},{},{},{}]}]}`, cost.Scopes},
		"deprecated":                 {cost.Traces, deprecated, `{"resourceSpans":[{"deprecatedScopeSpans":[{},{},{},{},{},{},{},{},{},{},{}]}]}`, cost.Scopes},
		"records":                    {cost.Logs, items, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{},{},{},{},{},{},{},{},{},{}]}]}]}`, cost.Items},
		"points":                     {cost.Metrics, within(times(bytesField(1, nil), 11), 1, 2, 2, 7), `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"sum":{"dataPoints":[0,0,0,0,0,0,0,0,0,0,0]}}]}]}]}`, cost.Items},
		"attributes":                 {cost.Logs, attributes, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[{},{},{},{},{},{}],"attributes":[{},{},{},{},{}]}]}]}]}`, cost.Attributes},
		"entries of a map":           {cost.Logs, entries, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"kvlistValue":{"values":[{},{},{},{},{},{},{},{},{},{},{}]}}}]}]}]}`, cost.Attributes},
		"attributes of many records": {cost.Logs, within(times(bytesField(2, times(bytesField(6, nil), 10)), 10), 1, 2), `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[{},{},{},{},{},{}]},{"attributes":[{},{},{},{},{},{}]}]}]}]}`, ""},
		"a large list":               {cost.Logs, within(times(bytesField(1, nil), 5000), 1, 2, 2, 5, 5), `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"arrayValue":{"values":[` + strings.Repeat("{},", 4999) + `{}]}}}]}]}]}`, cost.Size},
		"a large text":               {cost.Logs, within(make([]byte, 100_000), 1, 2, 2, 3), `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"` + strings.Repeat("x", 100_000) + `"}]}]}]}`, cost.Size},
		"counts of buckets":          {cost.Metrics, within(make([]byte, 10_000), 1, 2, 2, 10, 1, 8, 2), `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"exponentialHistogram":{"dataPoints":[{"positive":{"bucketCounts":[` + strings.Repeat("0,", 9999) + `0]}}]}}]}]}]}`, cost.Size},
	} {
		l := cost.Limits{Depth: 30, Items: 10, Resources: 10, Scopes: 10, Attributes: 10, Size: 100_000}
		_, err := l.Protobuf(c.signal, c.body)
		assert.Equal(t, c.want, reason(err), "%s in protobuf", name)
		_, fromJSON := l.JSON(c.signal, []byte(c.json))
		assert.Equal(t, c.want, reason(fromJSON), "%s in JSON", name)
		if c.want != "" {
			assert.Contains(t, err.Error(), "(max_", "the error names the key")
			assert.Equal(t, err, fromJSON)
		}
	}
}

// bombs are requests of many small parts, in the shape that takes most memory for its bytes.
func bombs() map[string]struct {
	signal cost.Signal
	body   []byte
} {
	const n = 20_000
	type bomb = struct {
		signal cost.Signal
		body   []byte
	}
	all := map[string]bomb{}
	add := func(name string, signal cost.Signal, leaf []byte, path ...protowire.Number) {
		all[name] = bomb{signal, within(times(leaf, n), path...)}
	}
	add("resources", cost.Logs, bytesField(1, nil))
	add("resources with a scope", cost.Logs, bytesField(1, append(bytesField(1, nil), bytesField(2, nil)...)))
	add("scopes", cost.Logs, bytesField(2, nil), 1)
	add("records", cost.Logs, bytesField(2, nil), 1, 2)
	add("attributes", cost.Logs, bytesField(6, nil), 1, 2, 2)
	add("attributes with a value", cost.Logs, bytesField(6, append(bytesField(1, []byte("k")), within([]byte("v"), 2, 1)...)), 1, 2, 2)
	add("lists", cost.Logs, bytesField(1, bytesField(5, nil)), 1, 2, 2, 5, 5)
	add("maps", cost.Logs, bytesField(1, bytesField(6, nil)), 1, 2, 2, 5, 5)
	add("numbers in a list", cost.Logs, bytesField(1, []byte{3 << 3, 127}), 1, 2, 2, 5, 5)
	add("bytes in a list", cost.Logs, bytesField(1, bytesField(7, []byte{1})), 1, 2, 2, 5, 5)
	add("entities", cost.Logs, bytesField(3, nil), 1, 1)
	add("keys of an entity", cost.Logs, bytesField(3, []byte("a")), 1, 1, 3)
	add("spans", cost.Traces, bytesField(2, nil), 1, 2)
	add("events", cost.Traces, bytesField(11, nil), 1, 2, 2)
	add("links", cost.Traces, bytesField(13, nil), 1, 2, 2)
	add("metrics", cost.Metrics, bytesField(2, nil), 1, 2)
	add("metrics with a sum", cost.Metrics, bytesField(2, bytesField(7, nil)), 1, 2)
	add("points", cost.Metrics, bytesField(1, []byte{6<<3 | 1, 1, 0, 0, 0, 0, 0, 0, 0}), 1, 2, 2, 7)
	add("histogram points", cost.Metrics, bytesField(1, nil), 1, 2, 2, 9)
	add("exponential points", cost.Metrics, bytesField(1, nil), 1, 2, 2, 10)
	add("summary points", cost.Metrics, bytesField(1, nil), 1, 2, 2, 11)
	add("quantiles", cost.Metrics, bytesField(6, nil), 1, 2, 2, 11, 1)
	add("exemplars", cost.Metrics, bytesField(5, nil), 1, 2, 2, 7, 1)
	add("counts of buckets", cost.Metrics, []byte{1}, 1, 2, 2, 10, 1, 8, 2)
	add("counts of buckets, one by one", cost.Metrics, []byte{2 << 3, 1}, 1, 2, 2, 10, 1, 8)
	add("bounds, one by one", cost.Metrics, []byte{7<<3 | 1, 1, 0, 0, 0, 0, 0, 0, 0}, 1, 2, 2, 9, 1)
	return all
}

// decoded keeps a decoder's result for a body.
func decoded(t testing.TB, signal cost.Signal, body []byte) any {
	t.Helper()
	var err error
	var all any
	switch signal {
	case cost.Logs:
		r := plogotlp.NewExportRequest()
		all, err = &r, r.UnmarshalProto(body)
	case cost.Traces:
		r := ptraceotlp.NewExportRequest()
		all, err = &r, r.UnmarshalProto(body)
	default:
		r := pmetricotlp.NewExportRequest()
		all, err = &r, r.UnmarshalProto(body)
	}
	require.NoError(t, err)
	return all
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// The computed size is never less than the memory of the decoded request, and not absurdly more.
func TestSizeIsNeverTooLow(t *testing.T) {
	for name, b := range bombs() {
		usage, err := wide.Protobuf(b.signal, b.body)
		require.NoError(t, err)
		before := heap()
		kept := decoded(t, b.signal, b.body)
		taken := int(heap()) - int(before)
		runtime.KeepAlive(kept)
		assert.GreaterOrEqual(t, usage.Size, taken-32<<10, name)
		assert.LessOrEqual(t, usage.Size, 4*taken+64<<10, name)
	}
}

// An honest request takes less than six times its bytes, so the default limit does not refuse one that the receiver takes.
func TestHonestRequests(t *testing.T) {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for i := range 1000 {
		r := records.AppendEmpty()
		r.SetTimestamp(1)
		r.Body().SetStr(fmt.Sprintf("GET /cart/%d answered 200 in 3 ms", i))
		for k := range 10 {
			r.Attributes().PutStr(fmt.Sprintf("attribute.%d", k), "some value")
		}
	}
	body, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	require.NoError(t, err)
	usage, err := wide.Protobuf(cost.Logs, body)
	require.NoError(t, err)
	assert.Equal(t, cost.Usage{Items: 1000, Resources: 1, Scopes: 1, Size: usage.Size}, usage)
	assert.Less(t, usage.Size, 6*len(body))

	text, err := plogotlp.NewExportRequestFromLogs(logs).MarshalJSON()
	require.NoError(t, err)
	same, err := wide.JSON(cost.Logs, text)
	require.NoError(t, err)
	assert.InEpsilon(t, usage.Size, same.Size, 0.1, "JSON says the same as protobuf")
	same.Size = usage.Size
	assert.Equal(t, usage, same)

	metrics, err := pmetricotlp.NewExportRequestFromMetrics(testdata.GenerateMetrics(1000)).MarshalProto()
	require.NoError(t, err)
	usage, err = wide.Protobuf(cost.Metrics, metrics)
	require.NoError(t, err)
	assert.Equal(t, testdata.GenerateMetrics(1000).DataPointCount(), usage.Items)
	assert.Less(t, usage.Size, 6*len(metrics))

	spans, err := ptraceotlp.NewExportRequestFromTraces(testdata.GenerateTraces(1000)).MarshalProto()
	require.NoError(t, err)
	usage, err = wide.Protobuf(cost.Traces, spans)
	require.NoError(t, err)
	assert.Equal(t, 1000, usage.Items)
	assert.Less(t, usage.Size, 6*len(spans))
}

// Without a schema, a message that is a level deeper never counts as less deep.
func FuzzDepth(f *testing.F) {
	f.Add(nest([]byte{8, 7}, 5))
	f.Fuzz(func(t *testing.T, b []byte) {
		five, six := wide, wide
		five.Depth, six.Depth = 5, 6
		if _, err := five.Protobuf(cost.Other, b); reason(err) == cost.Depth {
			_, err := six.Protobuf(cost.Other, nest(b, 1))
			assert.Equal(t, cost.Depth, reason(err))
		}
	})
}

// For any bytes: everything that a decoder creates, completely or up to its error, has been counted.
func FuzzLogs(f *testing.F) {
	for _, b := range bombs() {
		f.Add(b.body[:min(len(b.body), 300)])
	}
	f.Add([]byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"a"}},null]}]}]}`))
	f.Add([]byte(`{"resource_logs":[{"resource":{"attributes":[{"key":"a\"","value":{"intValue":"1"}}]}}],"x":[{"resourceLogs":1}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		check := func(usage cost.Usage, err error, request plogotlp.ExportRequest) {
			if err != nil {
				return
			}
			logs := request.Logs()
			scopes := 0
			for _, r := range logs.ResourceLogs().All() {
				scopes += r.ScopeLogs().Len()
			}
			assert.GreaterOrEqual(t, usage.Resources, logs.ResourceLogs().Len())
			assert.GreaterOrEqual(t, usage.Scopes, scopes)
			assert.GreaterOrEqual(t, usage.Items, logs.LogRecordCount())
		}
		request := plogotlp.NewExportRequest()
		_ = request.UnmarshalProto(b)
		usage, err := wide.Protobuf(cost.Logs, b)
		check(usage, err, request)
		limit := wide
		limit.Depth = 1000
		if usage, err = limit.JSON(cost.Logs, b); err == nil {
			request = plogotlp.NewExportRequest()
			_ = request.UnmarshalJSON(b)
			check(usage, err, request)
		}
	})
}

func ExampleLimits_JSON() {
	limits := cost.Limits{Depth: 2, Items: 10, Resources: 10, Scopes: 10, Attributes: 10, Size: 1000}
	_, err := limits.JSON(cost.Logs, []byte(`{"a":[[1]]}`))
	fmt.Println(err)
	// Output: the request is nested more than 2 deep (max_depth)
}
