package lentlogs_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/lentlogs"
)

// same decodes a request in both ways. fast says whether lentlogs could.
func same(t *testing.T, request []byte) (fast bool) {
	t.Helper()
	got, ok := lentlogs.Decode(request)
	var times [][2]uint64
	require.Equal(t, ok, lentlogs.Check(request, func(time, observed uint64) { times = append(times, [2]uint64{time, observed}) }))
	if !ok {
		return false
	}
	require.Equal(t, timesOf(got), times)
	want, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(request)
	require.NoError(t, err)
	require.Equal(t, texts(t, want), texts(t, got))
	return true
}

// timesOf returns the times of each record.
func timesOf(ld plog.Logs) (times [][2]uint64) {
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				times = append(times, [2]uint64{uint64(lr.Timestamp()), uint64(lr.ObservedTimestamp())})
			}
		}
	}
	return times
}

// texts shows logs in both encodings: protobuf holds invalid UTF-8, JSON what is absent.
func texts(t *testing.T, ld plog.Logs) [2]string {
	t.Helper()
	raw, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	require.NoError(t, err)
	text, err := (&plog.JSONMarshaler{}).MarshalLogs(ld)
	require.NoError(t, err)
	return [2]string{string(raw), string(text)}
}

// random makes logs of every field, kind of value and absence.
type random struct{ *rand.Rand }

func (r random) text() string {
	return []string{"", "a", "GET", "日本", "bad\xff", strings.Repeat("long ", 60)}[r.IntN(6)]
}

func (r random) value(v pcommon.Value, depth int) {
	switch r.IntN(9 - 2*min(depth/2, 1)) {
	case 0:
	case 1, 2:
		v.SetStr(r.text())
	case 3:
		v.SetInt([]int64{0, -1, 200, math.MaxInt64, math.MinInt64}[r.IntN(5)])
	case 4:
		v.SetDouble([]float64{0, math.Copysign(0, -1), 1.5, math.NaN(), math.Inf(1)}[r.IntN(5)])
	case 5:
		v.SetBool(r.IntN(2) == 0)
	case 6:
		v.SetEmptyBytes().FromRaw([]byte(r.text()))
	case 7:
		r.attributes(v.SetEmptyMap(), depth+1)
	case 8:
		for s := v.SetEmptySlice(); s.Len() < r.IntN(4); {
			r.value(s.AppendEmpty(), depth+1)
		}
	}
}

func (r random) attributes(m pcommon.Map, depth int) {
	for i := range r.IntN(6) {
		r.value(m.PutEmpty(fmt.Sprint(r.text(), i)), depth)
	}
}

func (r random) logs() plog.Logs {
	ld := plog.NewLogs()
	for range r.IntN(4) {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.SetSchemaUrl(r.text())
		r.attributes(rl.Resource().Attributes(), 0)
		rl.Resource().SetDroppedAttributesCount(r.Uint32N(3))
		for range r.IntN(4) {
			sl := rl.ScopeLogs().AppendEmpty()
			sl.SetSchemaUrl(r.text())
			sl.Scope().SetName(r.text())
			sl.Scope().SetVersion(r.text())
			r.attributes(sl.Scope().Attributes(), 0)
			sl.Scope().SetDroppedAttributesCount(r.Uint32N(3))
			for range r.IntN(8) {
				lr := sl.LogRecords().AppendEmpty()
				lr.SetTimestamp(pcommon.Timestamp(r.Uint64() >> (8 * r.IntN(8))))
				lr.SetObservedTimestamp(pcommon.Timestamp(r.Uint64() >> (8 * r.IntN(8))))
				lr.SetSeverityNumber(plog.SeverityNumber(r.Int32N(30) - 3))
				lr.SetSeverityText(r.text())
				r.value(lr.Body(), 0)
				lr.SetEventName(r.text())
				if r.IntN(2) == 0 {
					lr.SetTraceID([16]byte{byte(r.IntN(2)), 1, 2, 15: 3})
					lr.SetSpanID([8]byte{byte(r.IntN(2)), 1, 2, 7: 3})
				}
				lr.SetFlags(plog.LogRecordFlags(r.Uint32N(3) * math.MaxUint32))
				r.attributes(lr.Attributes(), 0)
				lr.SetDroppedAttributesCount(r.Uint32N(3) * 1e9)
			}
		}
	}
	return ld
}

func encode(tb testing.TB, ld plog.Logs) []byte {
	tb.Helper()
	raw, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	require.NoError(tb, err)
	return raw
}

// What pdata writes is decoded here, and to the same; so is what a broken writer makes of it, unless it is left to pdata.
func TestEveryRequestDecodesAsWithPdata(t *testing.T) {
	for seed := range uint64(30) {
		r := random{rand.New(rand.NewPCG(seed, 7))}
		raw := encode(t, r.logs())
		require.True(t, same(t, raw), seed)
		for range 20 {
			broken := append([]byte(nil), raw...)
			for range r.IntN(3) {
				if len(broken) > 0 {
					broken[r.IntN(len(broken))] = byte(r.Uint32())
				}
			}
			same(t, broken[:r.IntN(len(broken)+1)])
		}
	}
}

func FuzzDecode(f *testing.F) {
	for seed := range uint64(20) {
		r := random{rand.New(rand.NewPCG(seed, 8))}
		f.Add(encode(f, r.logs()))
	}
	f.Fuzz(func(t *testing.T, request []byte) { same(t, request) })
}

func TestUnusualRequestsAreLeftToPdata(t *testing.T) {
	message := func(tag byte, parts ...string) string {
		content := strings.Join(parts, "")
		return string([]byte{tag, byte(len(content))}) + content
	}
	record := func(fields ...string) string { return message(0x0a, message(0x12, message(0x12, fields...))) }
	value := message(0x12, message(0x0a, "v"))
	for name, c := range map[string]struct {
		request string
		fast    bool
	}{
		"empty":                      {"", true},
		"an attribute":               {record(message(0x32, message(0x0a, "k"), value)), true},
		"only a key":                 {record(message(0x32, message(0x0a, "k"))), true},
		"only a value":               {record(message(0x32, value)), true},
		"neither":                    {record(message(0x32)), true},
		"a key twice in a map":       {record(message(0x32, message(0x0a, "k"), value), message(0x32, message(0x0a, "k"), value)), true},
		"two bodies":                 {record(message(0x2a, message(0x0a, "a")), message(0x2a, message(0x0a, "b")), message(0x2a)), true},
		"two values in one":          {record(message(0x2a, message(0x0a, "a"), "\x18\x05")), true},
		"a key behind its value":     {record(message(0x32, value, message(0x0a, "k"))), true},
		"two keys":                   {record(message(0x32, message(0x0a, "k"), message(0x0a, "l"), value)), true},
		"an empty id":                {record(message(0x4a), message(0x52)), true},
		"two values of a key":        {record(message(0x32, message(0x0a, "k"), value, value)), false},
		"a key of the string table":  {record(message(0x32, "\x18\x01", value)), false},
		"an unknown field":           {record("\x80\x01\x01"), false},
		"a group":                    {record("\x6b\x6c"), false},
		"a wrong type":               {record("\x08\x01"), false},
		"a short id":                 {record(message(0x4a, "123")), false},
		"two resources in one":       {message(0x0a, message(0x0a), message(0x0a)), false},
		"two scopes in one":          {message(0x0a, message(0x12, message(0x0a), message(0x0a))), false},
		"a reference to an entity":   {message(0x0a, message(0x0a, message(0x1a))), false},
		"a record that is too short": {"\x0a\x05\x12\x03\x12\x02\x2a", false},
	} {
		assert.Equal(t, c.fast, same(t, []byte(c.request)), name)
	}
}

// A request as deep as the journal's largest record is by default, 900 KiB, does not end the process: another writer can have written it.
func TestNestedValues(t *testing.T) {
	size, headers := 0, [][]byte(nil)
	in := func(tags ...byte) { // each message is around the one before
		for _, tag := range tags {
			h := binary.AppendUvarint([]byte{tag}, uint64(size))
			headers, size = append(headers, h), size+len(h)
		}
	}
	for size < 900<<10 {
		in(0x0a, 0x2a)
	}
	in(0x2a, 0x12, 0x12, 0x0a)
	slices.Reverse(headers)
	request := bytes.Join(headers, nil)
	assert.True(t, lentlogs.Check(request, func(_, _ uint64) {}))
	_, ok := lentlogs.Decode(request)
	assert.True(t, ok)
}

func TestTextsOfResourcesAreCopies(t *testing.T) {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "checkout")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.LogRecords().AppendEmpty().Body().SetStr("first")
	sl.LogRecords().AppendEmpty().Body().SetStr("second")
	rl.ScopeLogs().AppendEmpty().Scope().SetName("scope")
	raw := encode(t, ld)
	got, ok := lentlogs.Decode(raw)
	require.True(t, ok)
	for i := range raw { // what no caller may do
		raw[i] = '!'
	}
	service, _ := got.ResourceLogs().At(0).Resource().Attributes().Get("service.name")
	assert.Equal(t, "checkout", service.Str())
	assert.Equal(t, "scope", got.ResourceLogs().At(0).ScopeLogs().At(1).Scope().Name())
	assert.Equal(t, "!!!!!", got.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().Str())
}

// requestLogs are records of some 450 bytes, in a request of n.
func requestLogs(n int) plog.Logs {
	r := rand.New(rand.NewPCG(3, 4))
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	for _, key := range []string{"service.name", "service.namespace", "host.name", "k8s.pod.name"} {
		rl.Resource().Attributes().PutStr(key, "some value")
	}
	sl := rl.ScopeLogs().AppendEmpty()
	for range n {
		lr := sl.LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.Timestamp(r.Uint64()))
		lr.SetObservedTimestamp(lr.Timestamp())
		lr.SetSeverityNumber(plog.SeverityNumberInfo)
		lr.SetSeverityText("INFO")
		lr.Body().SetStr(strings.Repeat(fmt.Sprint("word ", r.IntN(1e6), " "), 13))
		lr.SetTraceID([16]byte{1, byte(r.Uint32())})
		lr.SetSpanID([8]byte{1, byte(r.Uint32())})
		a := lr.Attributes()
		a.PutStr("http.request.method", "GET")
		a.PutStr("http.route", "/api/v1/orders")
		a.PutInt("http.response.status_code", 200)
		a.PutStr("server.address", "shop.example.internal")
		a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36")
		a.PutInt("http.request.body.size", r.Int64N(1<<16))
	}
	return ld
}

func BenchmarkDecode(b *testing.B) {
	const n = 500
	raw := encode(b, requestLogs(n))
	for name, decode := range map[string]func() error{
		"lent": func() error {
			if _, ok := lentlogs.Decode(raw); !ok {
				return assert.AnError
			}
			return nil
		},
		"check": func() error {
			if !lentlogs.Check(raw, func(_, _ uint64) {}) {
				return assert.AnError
			}
			return nil
		},
		"pdata": func() error {
			_, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(raw)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := decode(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
			b.ReportMetric(float64(len(raw))/n, "otlpB/record")
		})
	}
}
