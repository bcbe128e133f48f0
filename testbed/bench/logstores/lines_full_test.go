//go:build full

package logstores

import (
	"encoding/binary"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
)

const (
	perRequest = 1000 // lines of an OTLP request
	perTrace   = 5    // lines of a trace, all in one request
	hosts      = 6
	perHost    = 8 // services of a host
	rareLines  = 7

	phrase   = "payment declined by issuer"
	rareWord = "zanzibarine"
)

var services = []string{
	"checkout", "cart", "catalog", "payment", "shipping", "inventory", "search", "recommendation", "frontend", "gateway",
	"auth", "session", "profile", "email", "invoice", "pricing", "review", "ad", "currency", "notification",
}

// corpus is a number of log lines at equal distances over a span, all of them functions of their numbers: the same for every store, and never held in memory.
type corpus struct {
	lines int
	start time.Time
	span  time.Duration
}

func newCorpus(lines int, span time.Duration) corpus {
	lines = max(1, lines/perRequest) * perRequest
	return corpus{lines: lines, start: time.Now().Add(-span - time.Minute).Truncate(time.Minute), span: span}
}

func (c corpus) requests() int { return c.lines / perRequest }

func (c corpus) end() time.Time { return c.start.Add(c.span) }

// at is the time of a line: no two have the same, and none lies at the begin of a minute, which the stores count to different minutes.
func (c corpus) at(line int) time.Time {
	t := c.start.Add(time.Duration(float64(c.span) * (float64(line) + 0.5) / float64(c.lines)))
	return t.Truncate(time.Microsecond).Add(1 + time.Duration(mix(uint64(line))%999))
}

// mix is SplitMix64's finalizer. See https://doi.org/10.1145/2714064.2660195
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func traceOf(line int) (id pcommon.TraceID) {
	n := uint64(line / perTrace)
	binary.BigEndian.PutUint64(id[:], mix(n^0x7472616365))
	binary.BigEndian.PutUint64(id[8:], mix(n^0x6964))
	return id
}

// middle is a line whose trace is asked for.
func (c corpus) middle() int { return c.lines / 2 }

// rare says whether a line has the rare word.
func (c corpus) rare(line int) bool {
	return line%(c.lines/rareLines) == c.lines/rareLines/2 && line/(c.lines/rareLines) < rareLines
}

// hasPhrase says whether a line has the phrase: one in about two thousand.
func hasPhrase(line int) bool { return mix(uint64(line)^0x70)%2000 == 0 }

// phrases counts the lines that have the phrase.
func (c corpus) phrases() (n int) {
	for line := range c.lines {
		if hasPhrase(line) {
			n++
		}
	}
	return n
}

// request returns the OTLP request of a number, and how many bytes of text its lines have: bodies, ids, and values of the records' attributes.
func (c corpus) request(number int) (body []byte, text int, err error) {
	ld := plog.NewLogs()
	host := number % hosts
	var records [perHost]plog.LogRecordSlice
	for i := range records {
		service := services[(host*perHost+i)%len(services)]
		rl := ld.ResourceLogs().AppendEmpty()
		a := rl.Resource().Attributes()
		a.PutStr("service.name", service)
		a.PutStr("service.namespace", "shop")
		a.PutStr("service.version", "2026.11."+fmt.Sprint(i))
		a.PutStr("deployment.environment.name", "production")
		a.PutStr("host.name", fmt.Sprint("node-", host))
		a.PutStr("k8s.pod.name", fmt.Sprintf("%s-6d5f7c9b4-x2x%dp", service, host))
		a.PutStr("telemetry.sdk.language", "go")
		sl := rl.ScopeLogs().AppendEmpty()
		sl.Scope().SetName("github.com/example/shop/log")
		records[i] = sl.LogRecords()
	}
	for line := number * perRequest; line < (number+1)*perRequest; line++ {
		h := mix(uint64(line) ^ 0x6c696e65)
		i := min(h%perHost, h>>8%perHost) // the first services write the most
		text += c.record(records[i].AppendEmpty(), line)
	}
	body, err = plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	return body, text, err
}

// record fills in a line and returns how many bytes of text it has.
func (c corpus) record(lr plog.LogRecord, line int) int {
	h := mix(uint64(line))
	lr.SetTimestamp(pcommon.NewTimestampFromTime(c.at(line)))
	switch level := h >> 20 % 100; {
	case level < 3:
		lr.SetSeverityNumber(plog.SeverityNumberError)
		lr.SetSeverityText("ERROR")
	case level < 10:
		lr.SetSeverityNumber(plog.SeverityNumberWarn)
		lr.SetSeverityText("WARN")
	case level < 20:
		lr.SetSeverityNumber(plog.SeverityNumberDebug)
		lr.SetSeverityText("DEBUG")
	default:
		lr.SetSeverityNumber(plog.SeverityNumberInfo)
		lr.SetSeverityText("INFO")
	}
	lr.SetTraceID(traceOf(line))
	var span pcommon.SpanID
	binary.BigEndian.PutUint64(span[:], h)
	lr.SetSpanID(span)
	route := routes[h>>32%uint64(len(routes))]
	took, user, order := h>>12%2000, h>>24%50_000, h>>36%10_000_000
	message := c.message(line, h, route, took, user, order)
	lr.Body().SetStr(message)
	status, client := statusOf(h), fmt.Sprintf("10.%d.%d.%d", h>>8&31, h>>16&255, h>>40&255)
	a := lr.Attributes()
	a.PutStr("http.request.method", route.method)
	a.PutStr("http.route", route.path)
	a.PutInt("http.response.status_code", int64(status))
	a.PutInt("duration_ms", int64(took))
	a.PutStr("user.id", fmt.Sprint("user-", user))
	a.PutStr("client.address", client)
	return len(message) + 32 + 16 + len(route.method) + len(route.path) + 3 + 4 + 10 + len(client)
}

type route struct{ method, path string }

var routes = []route{
	{"GET", "/api/v1/orders/{id}"}, {"POST", "/api/v1/orders"}, {"GET", "/api/v1/products"}, {"GET", "/api/v1/products/{id}"},
	{"PUT", "/api/v1/cart/{id}/items"}, {"DELETE", "/api/v1/cart/{id}/items/{item}"}, {"POST", "/api/v1/payments"}, {"GET", "/api/v1/recommendations"},
	{"GET", "/healthz"}, {"POST", "/api/v1/sessions"}, {"GET", "/api/v2/search"}, {"PATCH", "/api/v1/profiles/{id}"},
}

func statusOf(h uint64) int { return []int{200, 200, 200, 200, 200, 201, 204, 304, 404, 500}[h>>4%10] }

var agents = []string{
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0", "okhttp/5.1.0", "curl/8.15.0", "Go-http-client/2.0",
}

var actions = []string{
	"reserved the last item in warehouse", "recomputed the discount after a coupon was applied to", "published the event order.accepted for",
	"retried the call to the upstream and got an answer for", "read a stale entry from the replica and refreshed", "merged two carts of one customer into",
	"skipped a notification because the customer has opted out of", "validated the address against the carrier's service for",
}

// message is the body of a line, 380 bytes on average.
func (c corpus) message(line int, h uint64, r route, took, user, order uint64) string {
	a, b := mix(h), mix(h^1)
	tail := ""
	if hasPhrase(line) {
		tail = fmt.Sprintf(" reason=%q attempt=%d", phrase, 1+h&3)
	}
	if c.rare(line) {
		tail += " flavor=" + rareWord
	}
	switch kind := h >> 44 % 10; {
	case kind < 4: // access log
		return fmt.Sprintf(`10.%d.%d.%d - user-%d "%s %s?page=%d&sort=price&session=%016x HTTP/2.0" %d %d "https://shop.example.com/category/%d/item/%d?utm_source=mail&utm_campaign=autumn" "%s" rt=0.%03d uct=0.%03d uht=0.%03d upstream=10.8.%d.%d:8080 request_id=%016x%016x cache=MISS tls=TLSv1.3%s`,
			h>>8&31, h>>16&255, h>>40&255, user, r.method, r.path, a%40, a, statusOf(h), a>>20%90_000, a>>8%300, order, agents[b%uint64(len(agents))],
			took%1000, took%17, took%311, b&15, b>>4&255, a, b, tail)
	case kind < 7: // JSON of an application
		return fmt.Sprintf(`{"logger":"com.example.shop.%s.Handler","thread":"worker-%d","msg":"%s order %d","customer":"user-%d","amount":%d.%02d,"currency":"EUR","items":%d,"request_id":"%016x%016x","region":"eu-central-%d","feature_flags":["new-checkout","fast-search"],"duration_ms":%d,"db_calls":%d,"cache_hits":%d,"build":"2026.11.30-%08x"%s}`,
			services[a%20], a>>8%64, actions[b%uint64(len(actions))], order, user, a>>16%900, a>>30%100, 1+a>>40%9, a, b, 1+b%3, took, b>>8%12, b>>12%30, b>>50, jsonTail(tail))
	case kind < 9: // a sentence and pairs
		return fmt.Sprintf(`%s order %d for user-%d in %d ms, %d rows from replica pg-%d.internal.example.com, trace=%016x, plan="Index Scan using orders_pkey on orders (cost=0.43..%d.45 rows=1 width=%d)", locks=%d wal_bytes=%d buffers_hit=%d buffers_read=%d queue_depth=%d partition=%d offset=%d consumer_group=orders-%d lag=%d%s`,
			actions[b%uint64(len(actions))], order, user, took, 1+a%90, a>>8%6, b, a>>16%90, a>>20%400, a>>30%5, a>>33%70_000, b%5000, b>>12%300, b>>20%90, b>>28%48, b>>34%90_000_000, b>>60, a>>50%900, tail)
	}
	return fmt.Sprintf("java.lang.IllegalStateException: order %d is in state %s\n\tat com.example.shop.order.OrderService.advance(OrderService.java:%d)\n\tat com.example.shop.order.OrderController.update(OrderController.java:%d)\n\tat org.springframework.web.method.support.InvocableHandlerMethod.invokeForRequest(InvocableHandlerMethod.java:138)\n\tat org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java:%d)\n\tat java.base/java.lang.Thread.run(Thread.java:1583)\nCaused by: java.net.SocketTimeoutException: Read timed out after %d ms, connection %08x to payment-%d.internal%s",
		order, []string{"NEW", "PAID", "SHIPPED", "CLOSED"}[a&3], 100+a>>2%40, 40+a>>9%20, 800+a>>14%90, took, b>>32, b%9, tail)
}

// jsonTail makes " name=value" a member of an object.
func jsonTail(tail string) string {
	if tail == "" {
		return ""
	}
	return fmt.Sprintf(`,"note":%q`, tail[1:])
}
