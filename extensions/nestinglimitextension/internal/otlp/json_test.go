package otlp_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/testdata"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/otlp"
)

var wide = otlp.Limits{Depth: 1000, Attributes: 1000, Size: 1 << 27}

func free(int) error { return nil }

// JSON written by pdata becomes the protobuf written by pdata.
func TestJSONIsWhatPdataWrites(t *testing.T) {
	logs, traces, metrics := testdata.GenerateLogs(20), testdata.GenerateTraces(20), testdata.GenerateMetrics(20)
	every := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().AppendEmpty()
	for i, v := range []any{"a\"\\\n\u2028é😀", int64(math.MinInt64), math.Inf(-1), 1e-300, true, []byte{0, 255}, []any{"a", nil, int64(1)}, map[string]any{"k": map[string]any{}}} {
		require.NoError(t, every.Attributes().PutEmpty(fmt.Sprint(i)).FromRaw(v))
	}

	text, err := (&plog.JSONMarshaler{}).MarshalLogs(logs)
	require.NoError(t, err)
	b, rejected, err := otlp.FromJSON(otlp.Logs, text, wide, free)
	require.NoError(t, err)
	assert.False(t, rejected.Any(), rejected.Message())
	gotLogs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(b)
	require.NoError(t, err)
	assert.Equal(t, logs, gotLogs)

	text, err = (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
	require.NoError(t, err)
	b, rejected, err = otlp.FromJSON(otlp.Traces, text, wide, free)
	require.NoError(t, err)
	assert.False(t, rejected.Any(), rejected.Message())
	gotTraces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(b)
	require.NoError(t, err)
	assert.Equal(t, traces, gotTraces)

	text, err = (&pmetric.JSONMarshaler{}).MarshalMetrics(metrics)
	require.NoError(t, err)
	b, rejected, err = otlp.FromJSON(otlp.Metrics, text, wide, free)
	require.NoError(t, err)
	assert.False(t, rejected.Any(), rejected.Message())
	gotMetrics, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(b)
	require.NoError(t, err)
	assert.Equal(t, metrics, gotMetrics)
}

// record is a request of one log record with these members.
func record(members string) string {
	return `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{` + members + `}]}]}]}`
}

func decode(t *testing.T, text string) (plog.Logs, otlp.Rejected) {
	t.Helper()
	b, rejected, err := otlp.FromJSON(otlp.Logs, []byte(text), wide, free)
	require.NoError(t, err, text)
	request := plogotlp.NewExportRequest()
	require.NoError(t, request.UnmarshalProto(b), text)
	return request.Logs(), rejected
}

// Each spelling represents the same record as the plain one beside it.
func TestSpellings(t *testing.T) {
	for name, c := range map[string][2]string{
		"null is not set":      {`"timeUnixNano":null,"severityNumber":null,"traceId":null,"spanId":null,"body":null,"attributes":null,"flags":null,"severityText":null`, ``},
		"null in an attribute": {`"attributes":[{"key":"k","value":null}]`, `"attributes":[{"key":"k"}]`},
		"null in a value":      {`"body":{"stringValue":null,"intValue":"3"}`, `"body":{"intValue":3}`},
		"a number as text":     {`"timeUnixNano":"1795768356467123456"`, `"timeUnixNano":1795768356467123456`},
		"an exponent":          {`"timeUnixNano":1.795768356467123456e18`, `"timeUnixNano":1795768356467123456`},
		"a fraction of zero":   {`"timeUnixNano":"5.0","flags":1.0`, `"timeUnixNano":5,"flags":1`},
		"the lowest integer":   {`"body":{"intValue":-9223372036854775808}`, `"body":{"intValue":"-9223372036854775808"}`},
		"an enum's name":       {`"severityNumber":"SEVERITY_NUMBER_INFO2"`, `"severityNumber":10`},
		"hex in upper case":    {`"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174"`, `"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"`},
		"an empty id":          {`"traceId":"","spanId":""`, ``},
		"base64 of URLs":       {`"body":{"bytesValue":"-_-_"}`, `"body":{"bytesValue":"+/+/"}`},
		"base64 unpadded":      {`"body":{"bytesValue":"AA"}`, `"body":{"bytesValue":"AA=="}`},
		"names of the files":   {`"time_unix_nano":5,"severity_text":"x"`, `"timeUnixNano":5,"severityText":"x"`},
		"an escaped name":      {`"sever\u0069tyText":"x"`, `"severityText":"x"`},
		"unknown fields":       {`"x":{"logRecords":[[{}],"a\"]"]},"severityText":"x","y":1e5,"z":true`, `"severityText":"x"`},
		"lists twice":          {`"attributes":[{"key":"a"}],"attributes":[{"key":"b"}]`, `"attributes":[{"key":"a"},{"key":"b"}]`},
		"the last one holds":   {`"severityText":"a","severityText":"b"`, `"severityText":"b"`},
		"numbers in doubles":   {`"body":{"doubleValue":"1.5e3"}`, `"body":{"doubleValue":1500}`},
		"spaces":               {` "severityText" : "x" `, `"severityText":"x"`},
		"a pair of surrogates": {`"severityText":"\ud83d\ude00"`, `"severityText":"😀"`},
		"half a pair":          {`"severityText":"\ud83dx"`, `"severityText":"\ufffdx"`},
		"half before another":  {`"severityText":"\ud83d\u0041"`, `"severityText":"\ufffdA"`},
		"escapes":              {`"severityText":"\"\\\/\b\f\n\r\t\u0000"`, "\"severityText\":\"\\\"\\\\/\\u0008\\u000c\\u000a\\u000d\\u0009\\u0000\""},
	} {
		got, rejected := decode(t, record(c[0]))
		assert.False(t, rejected.Any(), "%s: %s", name, rejected.Message())
		want, _ := decode(t, record(c[1]))
		assert.Equal(t, want, got, name)
	}
	for text, want := range map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)} {
		got, _ := decode(t, record(`"body":{"doubleValue":"`+text+`"}`))
		v := got.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().Double()
		assert.Equal(t, math.Float64bits(want), math.Float64bits(v), text)
	}
}

// An item that can't be read costs no other item, and is named without a byte of its values.
func TestOneBadItem(t *testing.T) {
	const where = "resourceLogs[0].scopeLogs[0].logRecords[1]"
	for members, want := range map[string]string{
		`"traceId":"5b8efff798038103"`:                         where + ".traceId is not 32 hexadecimal digits",
		`"traceId":"W47/95gDgQPSabYzgT/GDA=="`:                 where + ".traceId is not 32 hexadecimal digits",
		`"spanId":"secretsecretsecr"`:                          where + ".spanId is not 16 hexadecimal digits",
		`"timeUnixNano":"tomorrow"`:                            where + ".timeUnixNano is not an unsigned integer of 64 bits",
		`"timeUnixNano":-1`:                                    where + ".timeUnixNano is not an unsigned",
		`"timeUnixNano":1.5`:                                   where + ".timeUnixNano is not an unsigned",
		`"timeUnixNano":18446744073709551616`:                  where + ".timeUnixNano is not an unsigned",
		`"timeUnixNano":"1e999999999"`:                         where + ".timeUnixNano is not an unsigned",
		`"timeUnixNano":true`:                                  where + ".timeUnixNano is not a number",
		`"severityNumber":"secret"`:                            where + ".severityNumber is neither the number nor the name",
		`"severityText":7`:                                     where + ".severityText is not a string",
		"\"severityText\":\"\x01\"":                            where + ".severityText has a control character",
		`"severityText":"\x"`:                                  where + ".severityText has an invalid escape",
		`"body":"secret"`:                                      where + ".body is not an object",
		`"body":{"bytesValue":"s*cret"}`:                       where + ".body.bytesValue is not base64",
		`"body":{"doubleValue":"1e400"}`:                       where + ".body.doubleValue is not a number",
		`"body":{"doubleValue":"0x1p3"}`:                       where + ".body.doubleValue is not a number",
		`"body":{"boolValue":"true"}`:                          where + ".body.boolValue is neither true nor false",
		`"body":{"arrayValue":{"values":[{},"s"]}}`:            where + ".body.arrayValue.values[1] is not an object",
		`"attributes":{"secret":1}`:                            where + ".attributes is not a list",
		`"attributes":[null]`:                                  where + ".attributes[0] is not an object",
		`"flags":4294967296`:                                   where + ".flags is not an unsigned integer of 32 bits",
		"\"traceId\":\"\xff\xfe\"":                             where + ".traceId is not 32 hexadecimal digits",
		`"attributes":[` + strings.Repeat(`{},`, 1000) + `{}]`: where + " has more than 1000 attributes in one place (max_attributes)",
		`"body":` + strings.Repeat(`{"arrayValue":{"values":[`, 600) + strings.Repeat(`]}}`, 600): where,
	} {
		text := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"first"},{` + members + `},{"severityText":"last"}]}]}]}`
		got, rejected := decode(t, text)
		require.Equal(t, 2, got.LogRecordCount(), members)
		records := got.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
		assert.Equal(t, "first", records.At(0).SeverityText())
		assert.Equal(t, "last", records.At(1).SeverityText())
		assert.Equal(t, 1, rejected.Items, members)
		assert.Contains(t, rejected.Message(), want)
		assert.NotContains(t, rejected.Message(), "secret")
	}
}

// A mistake around items costs the items inside, counted, and no others.
func TestBadContainers(t *testing.T) {
	good := `{"scopeLogs":[{"logRecords":[{"severityText":"good"}]}]}`
	three := `"logRecords":[{"body":{}},{"attributes":[{"key":"]"}]},{}]`
	for bad, items := range map[string]int{
		`{"resource":"x","scopeLogs":[{` + three + `}]}`:                  3,
		`{"scopeLogs":[{` + three + `},{"scope":7,` + three + `}]}`:       3,
		`{"scopeLogs":[{"logRecords":[{"flags":-1}]},{}],"schemaUrl":{}}`: 1,
		`{"scopeLogs":{}}`: 0,
		`null`:             0,
		`"x"`:              0,
	} {
		got, rejected := decode(t, `{"resourceLogs":[`+good+`,`+bad+`,`+good+`]}`)
		assert.Equal(t, items, rejected.Items, bad)
		assert.True(t, rejected.Any())
		assert.Contains(t, rejected.Message(), "resourceLogs[1]")
		assert.GreaterOrEqual(t, got.LogRecordCount(), 2, bad)
	}
	_, rejected := decode(t, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[`+strings.Repeat(`1,`, 49)+`1]}]}]}`)
	assert.Equal(t, 50, rejected.Items)
	assert.Contains(t, rejected.Message(), "and 40 more")
}

func TestWholeRequests(t *testing.T) {
	for _, text := range []string{``, ` `, `,`, `,"resourceLogs":[{}]`, `{"resourceLogs":[,"scopeLogs":[]]}`, `{"a" 1}`, `{"a"::1}`, `{"a":1,}`, `[1,]`, `{"a":[}`,
		`{"a":1]`, `{} {}`, `{}x`, `{}` + "\x00", `{`, `{"a`, `{"a":"\"}`, `{1:2}`, `{"a":1 "b":2}`, `[1 2]`, `}`, `{"a":,}`, `{"a",1}`, `{"a":NaN}`, `{"a":01}`, `{"a":1.}`, `{"a":.5}`,
		`{"a":+1}`, `{"a":tru}`, `{"a":truex}`, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"intValue":01}}]}]}]}`, "{\"a\":1}\n{\"resourceLogs\":[]}"} {
		_, _, err := otlp.FromJSON(otlp.Logs, []byte(text), wide, free)
		assert.ErrorIs(t, err, otlp.ErrJSON, text)
	}
	for _, text := range []string{`{}`, ` {} `, "{}\r\n", "\xef\xbb\xbf{}", `{"a" : [ 1 , {"b":null} , "c\\" ] , "d\"":{},"e":-0.5E+3}`, `{"resourceLogs":null}`, `{"resourceLogs":[]}`} {
		b, rejected, err := otlp.FromJSON(otlp.Logs, []byte(text), wide, free)
		assert.NoError(t, err, text)
		assert.False(t, rejected.Any())
		assert.Empty(t, b)
	}
	for text, want := range map[string]string{`null`: "the request is not an object", `[]`: "the request is not an object", `{"resourceLogs":{}}`: "resourceLogs is not a list", `{"resourceLogs":"secret"}`: "resourceLogs is not a list",
		`{"resourceSpans":[{"scopeSpans":[]}]}`: "the request has nothing of this path's signal, but resourceSpans, which belongs to /v1/traces",
		`{"resource_metrics":[{}],"a":1}`:       "the request has nothing of this path's signal, but resource_metrics, which belongs to /v1/metrics"} {
		_, _, err := otlp.FromJSON(otlp.Logs, []byte(text), wide, free)
		assert.EqualError(t, err, want)
	}
	for _, text := range []string{`{"resourceLogs":[],"resourceMetrics":[],"resourceSpans":null}`, `{"resourceSpans":[ ]}`, `{"resourceMetrics":null}`} {
		_, _, err := otlp.FromJSON(otlp.Logs, []byte(text), wide, free)
		assert.NoError(t, err, "nothing of %s is lost", text)
	}
	b, _, err := otlp.FromJSON(otlp.Logs, []byte(`{"resourceSpans":[{}],"resourceLogs":[{}]}`), wide, free)
	assert.NoError(t, err, "unknown fields beside the signal's own are ignored")
	assert.NotEmpty(t, b)
	_, _, err = otlp.FromJSON(otlp.Logs, []byte(`{"a":`+strings.Repeat("[", 1_000_000)), wide, free)
	assert.ErrorIs(t, err, otlp.ErrTooDeep)
	small := wide
	small.Size = 1000
	_, _, err = otlp.FromJSON(otlp.Logs, []byte(record(`"severityText":"`+strings.Repeat("x", 1000)+`"`)), small, free)
	assert.ErrorIs(t, err, otlp.ErrTooLarge)
	full := fmt.Errorf("full")
	_, _, err = otlp.FromJSON(otlp.Logs, []byte(record("")), wide, func(int) error { return full })
	assert.ErrorIs(t, err, full)
}

// Any text is either read to the end or refused, and the result is OTLP that pdata decodes. A text that is not JSON for the standard library is
// refused completely, except for the content of strings.
func FuzzFromJSON(f *testing.F) {
	f.Add([]byte(record(`"traceId":"5b8efff798038103d269b633813fc60c","body":{"arrayValue":{"values":[null,{"bytesValue":"-_"}]}}`)))
	f.Add([]byte(`{"resourceLogs":[{"resource":{"attributes":[{"key":"a\"","value":{"intValue":"1"}}]}}],"x":[{"resourceLogs":1}]}`))
	f.Add([]byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"flags":-1},null]},7]}]} `))
	limits := otlp.Limits{Depth: 20, Attributes: 3, Size: 10_000}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, rejected, err := otlp.FromJSON(otlp.Logs, text, limits, free)
		if err != nil {
			return
		}
		request := plogotlp.NewExportRequest()
		require.NoError(t, request.UnmarshalProto(b))
		if !rejected.Any() && bytes.IndexFunc(text, func(r rune) bool { return r < ' ' || r == '\\' || r == 0xfffd || r == 0xfeff }) < 0 {
			assert.True(t, json.Valid(text))
		}
	})
}

func ExampleFromJSON() {
	b, rejected, err := otlp.FromJSON(otlp.Logs, []byte(record(`"flags":"x"`)), wide, free)
	fmt.Println(len(b), rejected.Items, rejected.Message(), err)
	// Output: 10 1 resourceLogs[0].scopeLogs[0].logRecords[0].flags is not an unsigned integer of 32 bits <nil>
}
