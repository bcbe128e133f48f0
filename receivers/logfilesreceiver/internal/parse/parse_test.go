package parse_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/parse"
)

// now is when the lines of the tests are read.
var now = time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)

func record(t *testing.T, line string) (plog.LogRecord, parse.Origin) {
	t.Helper()
	r := plog.NewLogRecord()
	origin, large := new(parse.Parser).Record(line, -1, logvalue.Clock{Now: now, Local: time.UTC}, r)
	require.False(t, large)
	return r, origin
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return parsed
}

func TestFormats(t *testing.T) {
	const utc = "2026-11-24T05:00:00Z"
	type m = map[string]any
	for _, c := range []struct {
		name, line, time string
		level            plog.SeverityNumber
		attributes       m // all of them
		origin           parse.Origin
	}{
		{name: "common log format", line: `192.0.2.1 - alice [24/Nov/2026:06:00:00 +0100] "GET /a/b?c=d HTTP/1.1" 404 2326`, time: utc,
			attributes: m{"client.address": "192.0.2.1", "user.name": "alice", "http.request.method": "GET", "url.path": "/a/b", "url.query": "c=d",
				"network.protocol.name": "http", "network.protocol.version": "1.1", "http.response.status_code": int64(404), "http.response.body.size": int64(2326)}},
		{name: "combined, escaped quotes", line: `2001:db8::1 - - [24/Nov/2026:05:00:00 +0000] "POST /x HTTP/2.0" 200 - "https://ref.example/" "a \"b\" c"`, time: utc,
			attributes: m{"client.address": "2001:db8::1", "http.request.method": "POST", "url.path": "/x", "network.protocol.name": "http",
				"network.protocol.version": "2", "http.response.status_code": int64(200), "http.request.header.referer": []any{"https://ref.example/"}, "user_agent.original": `a "b" c`}},
		{name: "a client that sent garbage", line: `192.0.2.1 - - [24/Nov/2026:05:00:00 +0000] "\x16\x03\x01" 400 157 "-" "-"`, time: utc,
			attributes: m{"client.address": "192.0.2.1", "http.response.status_code": int64(400), "http.response.body.size": int64(157)}},
		{name: "virtual host", line: `example.com:443 192.0.2.1 - - [24/Nov/2026:05:00:00 +0000] "GET / HTTP/1.0" 200 1 "-" "curl/8"`, time: utc,
			attributes: m{"server.address": "example.com", "server.port": int64(443), "client.address": "192.0.2.1", "http.request.method": "GET", "url.path": "/",
				"network.protocol.name": "http", "network.protocol.version": "1.0", "http.response.status_code": int64(200), "http.response.body.size": int64(1), "user_agent.original": "curl/8"}},
		{name: "nginx error", line: `2026/11/24 05:00:00 [error] 31#31: *1 open() "/x" failed (2: No such file or directory), client: 192.0.2.1, server: _, request: "GET /x HTTP/1.1", host: "h"`,
			time: utc, level: plog.SeverityNumberError, attributes: m{"client.address": "192.0.2.1", "http.request.method": "GET", "url.path": "/x", "network.protocol.name": "http", "network.protocol.version": "1.1"}},
		{name: "apache error", line: `[Tue Nov 24 05:00:00.123456 2026] [core:error] [pid 1:tid 2] [client 192.0.2.1:555] AH00128: File does not exist`,
			time: "2026-11-24T05:00:00.123456Z", level: plog.SeverityNumberError, attributes: m{"client.address": "192.0.2.1"}},
		{name: "klog", line: `W1124 05:00:00.123456   12345 reflector.go:123] watch closed`, time: "2026-11-24T05:00:00.123456Z", level: plog.SeverityNumberWarn,
			attributes: m{"thread.id": int64(12345), "code.file.path": "reflector.go", "code.line.number": int64(123)}},
		{name: "klog of last year", line: `I1231 23:59:59.000000       1 main.go:1] bye`, time: "2025-12-31T23:59:59Z", level: plog.SeverityNumberInfo,
			attributes: m{"thread.id": int64(1), "code.file.path": "main.go", "code.line.number": int64(1)}},
		{name: "logfmt", line: `ts=2026-11-24T05:00:00Z level=warn msg="slow \"query\"" status=404 took=1.5 id=007 user="Jane Doe" empty=`, time: utc, level: plog.SeverityNumberWarn,
			attributes: m{"status": int64(404), "took": 1.5, "id": "007", "user": "Jane Doe", "empty": ""}},
		{name: "syslog, RFC 3164", line: `<34>Nov 24 05:00:00 mymachine su[123]: 'su root' failed`, time: utc, level: plog.SeverityNumberError2,
			attributes: m{"syslog.facility": int64(4), "process.pid": int64(123)}, origin: parse.Origin{Service: "su", Host: "mymachine"}},
		{name: "syslog, RFC 5424", line: `<165>1 2026-11-24T05:00:00.003Z host.example app 77 ID47 [ex@32473 iut="3" q="a\"b"] text`, time: "2026-11-24T05:00:00.003Z", level: plog.SeverityNumberInfo2,
			attributes: m{"syslog.facility": int64(20), "process.pid": int64(77), "syslog.msg_id": "ID47", "syslog.ex@32473.iut": "3", "syslog.ex@32473.q": `a"b`},
			origin:     parse.Origin{Service: "app", Host: "host.example"}},
		{name: "syslog file", line: `Nov  4 05:00:00 web-1 sshd[99]: Accepted publickey`, time: "2026-11-04T05:00:00Z",
			attributes: m{"process.pid": int64(99)}, origin: parse.Origin{Service: "sshd", Host: "web-1"}},
		{name: "syslog file, ISO", line: `2026-11-24T06:00:00.5+01:00 web-1 CRON[99]: (root) CMD`, time: "2026-11-24T05:00:00.5Z",
			attributes: m{"process.pid": int64(99)}, origin: parse.Origin{Service: "CRON", Host: "web-1"}},
		{name: "log4j", line: `2026-11-24 05:00:00,250 ERROR [main] com.example.App - failed`, time: "2026-11-24T05:00:00.25Z", level: plog.SeverityNumberError},
		{name: "logback", line: `05:00:00.250 [main] DEBUG com.example.App - started`, time: "2026-11-24T05:00:00.25Z", level: plog.SeverityNumberDebug},
		{name: "python logging", line: `2026-11-24 05:00:00,250 - root - CRITICAL - down`, time: "2026-11-24T05:00:00.25Z", level: plog.SeverityNumberFatal},
		{name: "python logging, default", line: `WARNING:root:careful`, level: plog.SeverityNumberWarn},
		{name: "zap console", line: "2026-11-24T05:00:00.250Z\tinfo\tserver/main.go:12\tlistening\t{\"port\": 80}", time: "2026-11-24T05:00:00.25Z", level: plog.SeverityNumberInfo},
		{name: ".NET console", line: `fail: Microsoft.AspNetCore.Server.Kestrel[13]`, level: plog.SeverityNumberError},
		{name: "postgres", line: `2026-11-24 05:00:00.250 UTC [77] FATAL:  role does not exist`, time: "2026-11-24T05:00:00.25Z", level: plog.SeverityNumberFatal},
		{name: "go's log", line: `2026/11/24 05:00:00 listening`, time: utc},
		{name: "a leap second", line: `2016-12-31T23:59:60Z INFO leap`, time: "2017-01-01T00:00:00Z", level: plog.SeverityNumberInfo},
		{name: "no such day", line: `2026-02-30T00:00:00Z`},
		{name: "zap", line: `{"level":"error","ts":1795496400.25,"caller":"a.go:1","msg":"x","error":"boom","stacktrace":"main.f\n\t/a.go:1"}`,
			time: time.Unix(1795496400, 250e6).UTC().Format(time.RFC3339Nano), level: plog.SeverityNumberError,
			attributes: m{"caller": "a.go:1", "exception.message": "boom", "exception.stacktrace": "main.f\n\t/a.go:1"}},
		{name: "pino", line: `{"level":50,"time":1795496400123,"pid":7,"err":{"type":"TypeError","message":"no","stack":"TypeError: no\n    at f (a.js:1:2)"},"msg":"x"}`,
			time: time.UnixMilli(1795496400123).UTC().Format(time.RFC3339Nano), level: plog.SeverityNumberError,
			attributes: m{"pid": int64(7), "exception.type": "TypeError", "exception.message": "no", "exception.stacktrace": "TypeError: no\n    at f (a.js:1:2)"}},
		{name: "log4j, JSON", line: `{"instant":{"epochSecond":1795496400,"nanoOfSecond":5},"level":"INFO","message":"x","thrown":{"name":"java.lang.E","message":"m","extendedStackTrace":"java.lang.E: m\n\tat A.b(A.java:1)"}}`,
			time: time.Unix(1795496400, 5).UTC().Format(time.RFC3339Nano), level: plog.SeverityNumberInfo,
			attributes: m{"exception.type": "java.lang.E", "exception.message": "m", "exception.stacktrace": "java.lang.E: m\n\tat A.b(A.java:1)"}},
		{name: "python, JSON", line: `{"asctime":"2026-11-24 05:00:00,250","levelname":"ERROR","message":"x","exc_info":"Traceback (most recent call last):\n  File \"a\", line 1, in f\nValueError: bad"}`,
			time: "2026-11-24T05:00:00.25Z", level: plog.SeverityNumberError,
			attributes: m{"exception.type": "ValueError", "exception.message": "bad", "exception.stacktrace": "Traceback (most recent call last):\n  File \"a\", line 1, in f\nValueError: bad"}},
		{name: "nanoseconds", line: `{"ts":1795496400123456789}`, time: time.Unix(0, 1795496400123456789).UTC().Format(time.RFC3339Nano)},
		{name: "microseconds", line: `{"ts":1795496400123456}`, time: time.UnixMicro(1795496400123456).UTC().Format(time.RFC3339Nano)},
		{name: "numbers", line: `{"big":1234567890123456789,"status":404,"f":404.0,"e":1e3,"huge":1e400,"more":18446744073709551616,"neg":-7,"zero":-0}`,
			attributes: m{"big": int64(1234567890123456789), "status": int64(404), "f": 404.0, "e": 1000.0, "huge": "1e400", "more": "18446744073709551616", "neg": int64(-7), "zero": 0.0}},
		{name: "reserved names", line: `{"log.file.path":"/etc/x","log.iostream":"s","log.record.original":"o","log":{"file":{"path":"n"}},"log.level":"info"}`, level: plog.SeverityNumberInfo,
			attributes: m{"app.log.file.path": "/etc/x", "app.log.iostream": "s", "app.log.record.original": "o", "log": m{"file": m{"path": "n"}}}},
		{name: "reserved names, logfmt", line: `log.file.path=/etc/x a=1`, attributes: m{"app.log.file.path": "/etc/x", "a": int64(1)}},
		{name: "the same name twice", line: `{"a":1,"a":"two","msg":"x","level":"weird"}`, attributes: m{"a": "two", "level": "weird"}},
		{name: "null, nested, arrays", line: `{"n":null,"o":{"a":[1,{"b":2.5},"c",true]}}`, attributes: m{"n": nil, "o": m{"a": []any{int64(1), m{"b": 2.5}, "c", true}}}},
		{name: "an own exception.type", line: `{"exception.type":"mine","error":"boom"}`, attributes: m{"exception.type": "mine", "exception.message": "boom"}},
		{name: "the year 1 is no time", line: `{"time":"0001-01-01T00:00:00Z","msg":"x"}`, attributes: m{"time": "0001-01-01T00:00:00Z"}},
		{name: "the year 9999 is no time", line: `9999-12-31T23:59:59Z INFO far`, level: plog.SeverityNumberInfo},
		{name: "a number of the year 2286", line: `{"ts":9999999999}`, attributes: m{"ts": int64(9999999999)}},
		{name: "ECS, nested", line: `{"@timestamp":"2026-11-24T05:00:00.000Z","log":{"level":"ERROR","logger":"a"},"message":"x"}`, time: utc, level: plog.SeverityNumberError,
			attributes: m{"log": m{"logger": "a"}}},
		{name: "Google's timestamp", line: `{"severity":"NOTICE","textPayload":"x","timestamp":{"seconds":1795496400,"nanos":0}}`, time: utc, level: plog.SeverityNumberInfo2},
		{name: "a request with spaces", line: `192.0.2.1 - - [24/Nov/2026:05:00:00 +0000] "GET /a b HTTP/1.1" 200 5`, time: utc,
			attributes: m{"client.address": "192.0.2.1", "http.request.method": "GET", "url.path": "/a b", "network.protocol.name": "http", "network.protocol.version": "1.1",
				"http.response.status_code": int64(200), "http.response.body.size": int64(5)}},
		{name: "a client behind proxies", line: `192.0.2.1, 10.0.0.1, 10.0.0.2 - bob [24/Nov/2026:05:00:00 +0000] "GET / HTTP/1.1" 200 5`, time: utc,
			attributes: m{"client.address": "192.0.2.1", "user.name": "bob", "http.request.method": "GET", "url.path": "/", "network.protocol.name": "http", "network.protocol.version": "1.1",
				"http.response.status_code": int64(200), "http.response.body.size": int64(5)}},
		{name: "apache error of an IPv6 client", line: `[Tue Nov 24 05:00:00.123456 2026] [ssl:warn] [pid 7] [client [2001:db8::1]:555] AH`, time: "2026-11-24T05:00:00.123456Z",
			level: plog.SeverityNumberWarn, attributes: m{"client.address": "2001:db8::1"}},
		{name: "ruby", line: `I, [2026-11-24T05:00:00.123456 #77]  INFO -- : started`, time: "2026-11-24T05:00:00.123456Z", level: plog.SeverityNumberInfo},
		{name: "syslog without a process", line: `<14>Nov 24 05:00:00 web-1 backup: done`, time: utc, level: plog.SeverityNumberInfo, attributes: m{"syslog.facility": int64(1)},
			origin: parse.Origin{Service: "backup", Host: "web-1"}},
		{name: "MongoDB", line: `{"t":{"$date":"2026-11-24T06:00:00.000+01:00"},"s":"W","c":"NETWORK","id":22943,"ctx":"listener","msg":"Connection accepted"}`,
			time: utc, level: plog.SeverityNumberWarn, attributes: m{"c": "NETWORK", "id": int64(22943), "ctx": "listener"}},
		{name: "a letter without MongoDB's time", line: `{"t":{"$date":7},"s":"W","msg":"x"}`, attributes: m{"t": m{"$date": int64(7)}, "s": "W"}},
		{name: "no JSON", line: `{"a":01}`},
		{name: "no JSON behind it", line: `{"a":1} {"b":2}`},
		{name: "text", line: `nothing of all that`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, origin := record(t, c.line)
			want := time.Unix(0, 0).UTC()
			if c.time != "" {
				want = at(t, c.time).UTC()
			}
			assert.Equal(t, want, r.Timestamp().AsTime())
			assert.Equal(t, c.level, r.SeverityNumber())
			if c.attributes == nil {
				c.attributes = m{}
			}
			assert.Equal(t, c.attributes, r.Attributes().AsRaw())
			assert.Equal(t, c.origin, origin)
		})
	}
}

func TestLevels(t *testing.T) {
	for word, want := range map[string]plog.SeverityNumber{
		"INFO": plog.SeverityNumberInfo, "Information": plog.SeverityNumberInfo, "WRN": plog.SeverityNumberWarn, "emergency": plog.SeverityNumberFatal,
		"DEBUG3": plog.SeverityNumberDebug3, "fatal4": plog.SeverityNumberFatal4, "severe": plog.SeverityNumberError, "30": plog.SeverityNumberInfo,
		"weird": plog.SeverityNumberUnspecified, "": plog.SeverityNumberUnspecified,
	} {
		r, _ := record(t, `{"level":"`+word+`"}`)
		assert.Equal(t, want, r.SeverityNumber(), word)
	}
}

// A time without a zone is in the zone that puts it next to the runtime's time.
func TestATimeWithoutAZoneIsCompletedByTheRuntimes(t *testing.T) {
	runtime := at(t, "2026-11-24T05:00:01Z")
	for _, line := range []string{"2026-11-24 05:00:00,900 INFO x", "2026-11-24 10:30:00,900 INFO x", "2026-11-23 21:00:00,900 INFO x", "05:00:00,900 INFO x", "10:30:00,900 INFO x"} {
		r := plog.NewLogRecord()
		new(parse.Parser).Record(line, -1, logvalue.Clock{Now: runtime, Exact: true}, r)
		assert.Equal(t, at(t, "2026-11-24T05:00:00.9Z"), r.Timestamp().AsTime(), line)
	}
}

func TestIDs(t *testing.T) {
	const trace, span = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
	for _, line := range []string{"x trace_id=" + trace + " span_id=" + span, "[traceId: " + trace + ", spanId: " + span + "]",
		"2026-11-24T05:00:00.000Z  INFO 7 --- [shop] [main] [" + trace + "-" + span + "] c.e.App : x", "INFO [shop," + trace + "-" + span + "] x",
		`TRACE_ID="` + trace + `" SPAN_ID="` + span + `"`, `{"trace.id":"` + trace + `","span.id":"` + span + `"}`,
		`{"logging.googleapis.com/trace":"projects/shop/traces/` + trace + `","logging.googleapis.com/spanId":"` + span + `"}`} {
		r, _ := record(t, line)
		assert.Equal(t, trace, r.TraceID().String(), line)
		assert.Equal(t, span, r.SpanID().String(), line)
	}
	r, _ := record(t, "trace_id="+trace+"0 span_id=xyz subtrace_id="+trace)
	assert.True(t, r.TraceID().IsEmpty())
}

// JSON that is larger than a gateway accepts stays text.
func TestLargeJSONStaysText(t *testing.T) {
	line := `{"a":0`
	for range 2000 {
		line += `,"b":1`
	}
	line += "}"
	r := plog.NewLogRecord()
	_, large := new(parse.Parser).Record(line, -1, logvalue.Clock{Now: now}, r)
	assert.True(t, large)
	assert.Equal(t, line, r.Body().Str())
	assert.Zero(t, r.Attributes().Len())
}
