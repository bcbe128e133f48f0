package console

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// planted is what every text of the data holds: markup that would run.
const planted = `<script>window.planted=1</script><img src=x onerror="window.planted=1">`

// deadLoki is an address at which nothing listens.
const deadLoki = "http://127.0.0.1:1"

// shop sends metrics, logs and spans of some services, each text with planted markup.
func shop(t testing.TB, p *process.Process, key string) {
	t.Helper()
	shopOf(t, p, key, planted)
}

// shopOf sends what shop does, with another text planted.
func shopOf(t testing.TB, p *process.Process, key, planted string) {
	t.Helper()
	header := []string{"Content-Type", "application/json"}
	if key != "" {
		header = append(header, "X-API-Key", key)
	}
	quoted := strings.ReplaceAll(planted, `"`, `\"`)
	now := time.Now().UnixNano()
	var points, services []string
	exemplar := fmt.Sprintf(`,"exemplars":[{"asDouble":1,"timeUnixNano":"%d","traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708"}]`, now)
	for i := range 40 {
		points = append(points, fmt.Sprintf(`{"asDouble":%d,"startTimeUnixNano":"%d","timeUnixNano":"%d","attributes":[{"key":"user.id","value":{"stringValue":"u%d %s"}}]%s}`, i, now-int64(time.Hour), now, i, quoted, exemplar))
	}
	for _, name := range []string{"checkout", "payment", cmp.Or(quoted, "cart")} {
		services = append(services, fmt.Sprintf(`{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"%s"}}]},"%%s":[{"scope":{"name":"%s"},"%%s"`, name, quoted))
	}
	of := func(resource, scope, items string) string {
		var all []string
		for _, s := range services {
			all = append(all, strings.Replace(strings.Replace(s, "%s", scope, 1), `"%s"`, items, 1)+"}]}")
		}
		return `{"` + resource + `":[` + strings.Join(all, ",") + `]}`
	}
	for path, body := range map[string]string{
		"/v1/metrics": of("resourceMetrics", "scopeMetrics", fmt.Sprintf(`"metrics":[{"name":"shop.requests","description":"Requests %s","unit":"{request}","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[%s]}}]`, quoted, strings.Join(points, ","))),
		"/v1/logs":    of("resourceLogs", "scopeLogs", fmt.Sprintf(`"logRecords":[{"timeUnixNano":"%d","severityText":"ERROR","severityNumber":17,"body":{"stringValue":"paid by jane@example.com %s"},"attributes":[{"key":"%s","value":{"stringValue":"%s"}}]}]`, now, quoted, quoted, quoted)),
		"/v1/traces":  of("resourceSpans", "scopeSpans", fmt.Sprintf(`"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"POST %s","kind":2,"startTimeUnixNano":"%d","endTimeUnixNano":"%d","status":{"code":2,"message":"%s"}}]`, quoted, now-int64(50*time.Millisecond), now, quoted)),
	} {
		answer, err := send.Post(p.HTTP(), path, []byte(body), header...)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	}
}

// everyView looks at all views of the menu in both colours, wide and narrow.
func everyView(t *testing.T, p *tab, name string) {
	t.Helper()
	p.as(t, 1280, "light")
	p.view(t, "overview")
	ids := append(p.views(t), "metrics?q=shop_requests_total", "metrics?q=shop_requests_total&as=table", "metrics?q=sum(", "nothing")
	for _, id := range ids {
		if id == "nothing" {
			eval[string](t, p, `location.hash = "#/nothing"`)
			p.await(t, `document.querySelector("h1").innerText === "No such view"`)
		} else if p.view(t, id); strings.Contains(id, "q=sum(") {
			p.complaints() // the browser reports that the server answered 400, which the view is about
		}
		for _, how := range []struct {
			width  int64
			scheme string
		}{{1280, "light"}, {1280, "dark"}, {400, "dark"}, {400, "light"}} {
			p.as(t, how.width, how.scheme)
			p.check(t, fmt.Sprintf("%s: %s at %d px, %s", name, id, how.width, how.scheme))
			p.picture(t, fmt.Sprintf("%s-%s-%d-%s", name, strings.Map(plain, id), how.width, how.scheme))
		}
		p.as(t, 1280, "light")
	}
}

// plain is for names of files.
func plain(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
		return r
	}
	return '-'
}

func TestEveryViewWithDataAndADeadSink(t *testing.T) {
	chrome := browser(t)
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_LOKI_URL": deadLoki},
		Args: append([]string{"--set=processors::cardinality_guard/tsdb::limits::series_per_metric=20", "--set=receivers::kafka_replay/lake::follow::range::max_wait=200ms", "--set=extensions::lake::interval=1s"}, rollupsSoon...)})
	shop(t, p, "")
	ask.Eventually(t, func() error {
		shop(t, p, "")
		n, err := ask.PromValue(p.TSDB(), "count(shop_requests_total)")
		if err == nil && n < 3 {
			err = fmt.Errorf("%v series", n)
		}
		return err
	})
	page := open(t, chrome, p.Admin(), "")

	// The listener's bare address leads to the overview, which shows the dead sink and what to do.
	page.run(t, chromedp.Navigate("http://"+p.Admin()+"/"))
	page.await(t, `document.querySelector('[data-sink="loki"].bad .note')`)
	sink := page.text(t, `[data-sink="loki"]`)
	assert.Contains(t, sink, "connection refused")
	assert.Contains(t, sink, "Nothing is lost")
	page.await(t, `document.querySelector(".health.bad")?.innerText.includes("problem")`)
	assert.Contains(t, page.text(t, `[data-sink="prometheus_tsdb"]`), "delivers")

	everyView(t, page, "data")

	page.view(t, "guard")
	page.await(t, `document.querySelector(".note.warn")?.innerText.includes("user.id is folded away")`)
	assert.Contains(t, page.text(t, "main"), "<script>window.planted=1</script>", "a script is text")
	eval[bool](t, page, `(() => { const i = document.querySelector("input[type=number]"); i.value = 5; return i.dispatchEvent(new Event("input")); })()`)
	page.await(t, `document.querySelector("main").innerText.includes("series_per_metric: 5")`)

	// PromQL with completion, with the keyboard only: / focuses the query, Tab accepts the proposal, Enter runs it.
	page.view(t, "metrics")
	page.run(t, chromedp.KeyEvent("/"))
	page.await(t, `document.activeElement.tagName === "TEXTAREA"`)
	eval[string](t, page, `document.activeElement.value = ""`) // the driver sends the character apart from the key
	page.run(t, chromedp.KeyEvent("shop_requ"))
	page.await(t, `document.querySelector(".suggest:not([hidden]) li")`)
	page.run(t, chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	page.await(t, `document.querySelector(".chart .plot .curve, .chart .plot circle") && location.hash.includes("q=shop_requests_total")`)
	page.check(t, "a chart")

	// A line, its fields, and its trace.
	ask.Eventually(t, func() error {
		answer, err := http.Get("http://" + p.Admin() + "/console/logs/select/logsql/query?query=*&limit=1")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		line, err := io.ReadAll(answer.Body)
		if err == nil && !strings.Contains(string(line), "planted") {
			err = fmt.Errorf("no log record is there yet: %s %s", answer.Status, line)
		}
		return err
	})
	page.view(t, "logs?from=-15m")
	page.await(t, `document.querySelector(".log .message")?.innerText.includes("<script>window.planted")`)
	eval[bool](t, page, `document.querySelector(".log").open = true`)
	page.await(t, `document.querySelector(".log .fields td")`)
	page.check(t, "logs")
	page.picture(t, "data-logs")
	page.view(t, "logs?live=1")
	ask.Eventually(t, func() error { // the tail shows records that arrive after its beginning
		shop(t, p, "")
		if !eval[bool](t, page, `document.querySelector(".log .message") !== null`) {
			return errors.New("no line yet")
		}
		return nil
	})
	page.check(t, "the live tail")
	page.view(t, "tap?component=pii_scrubber&signal=logs&on=1")
	ask.Eventually(t, func() error { // the tap shows what passes after it is open
		shop(t, p, "")
		if !eval[bool](t, page, `document.querySelector("[data-side=before]") !== null && document.querySelector("[data-side=after]") !== null`) {
			return errors.New("no record yet")
		}
		return nil
	})
	eval[bool](t, page, `document.querySelector("[data-side=before]").open = true`)
	page.await(t, `document.querySelector("[data-side=before] pre")`)
	before := page.text(t, "main")
	assert.Contains(t, before, "paid by [REDACTED:email]")
	assert.NotContains(t, before, "jane@", "what has not passed the scrubber is shown scrubbed")
	page.check(t, "a tap")
	page.picture(t, "data-tap")
	page.view(t, "traces?trace=0102030405060708090a0b0c0d0e0f10")
	eval[bool](t, page, `document.querySelector(".span").open = true`)
	page.await(t, `document.querySelector(".span .fields td")`)
	page.check(t, "a trace")
	page.picture(t, "data-trace")

	page.view(t, "scrubber")
	page.run(t, chromedp.SetValue(chromedp.CSS(`textarea[aria-label="Text"]`), "mail jane@example.com "+planted))
	page.press(t, "Preview")
	page.await(t, `document.querySelector("mark")?.innerText === "jane@example.com"`)
	page.check(t, "a preview")

	page.view(t, "lake")
	page.await(t, `document.querySelector("[aria-label='Newest partitions'] tbody tr")`)
	assert.Regexp(t, `\d{4}-\d\d-\d\d \d\d:00`, page.text(t, "[aria-label='Newest partitions']"))
	page.check(t, "partitions of the lake")
	page.picture(t, "data-lake-partitions")
	besideItsRollup(t, p, page)
	assert.Empty(t, page.complaints())
}

func TestAReplayFromPreviewToDone(t *testing.T) {
	chrome := browser(t)
	p := process.Start(t, process.Settings{})
	shop(t, p, "")
	page := open(t, chrome, p.Admin(), "")
	page.as(t, 1280, "light")
	page.view(t, "replay?signal=traces&from=-1h")
	page.press(t, "Preview")
	page.await(t, `document.querySelector("main").innerText.includes("Some of its records")`)
	page.check(t, "a preview")
	page.press(t, "Replay")
	page.await(t, `document.querySelector("[data-job]")?.innerText.includes("done")`)
	page.check(t, "a job")
	page.picture(t, "job")

	// Actions that show personal data, delete or replace need the admin token, which is in no URL.
	page.view(t, "scrubber")
	page.run(t, chromedp.SetValue(chromedp.CSS(`.form input[type=text]`), "a test"), chromedp.SetValue(chromedp.CSS(`.form input[type=number][max="20"]`), "1"))
	page.press(t, "Take lines")
	page.await(t, `document.querySelector("dialog[open] input")`)
	page.complaints() // that it was refused
	page.check(t, "the question for the token")
	page.run(t, chromedp.SendKeys(chromedp.CSS(`dialog input`), p.AdminToken(t)+kb.Enter))
	page.await(t, `document.querySelector("main").innerText.includes("No line arrived in that time.")`)
	assert.NotContains(t, eval[string](t, page, "location.href"), p.AdminToken(t))
	page.check(t, "lines that were taken")
}

func TestEveryViewWithoutData(t *testing.T) {
	chrome := browser(t)
	for _, profile := range []string{"gateway", "agent"} {
		dir := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, "deadletter"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "deadletter", "20261130T200000.000000000Z-logs-3-refused.pb"), nil, 0o600))
		p := process.Start(t, process.Settings{DataDir: dir, Configs: []string{"profile:" + profile}, Env: map[string]string{"PENSTOCK_GATEWAY_ENDPOINT": "127.0.0.1:1"}})
		page := open(t, chrome, p.Admin(), "")
		everyView(t, page, profile)
		eval[string](t, page, `(import("/console/lib/format.js").then((m) => { window.durations = [0.00023, 0.0008, 0.0015, 0.9999, 7, 90].map(m.duration).join(", ").replaceAll("\u202f", " "); }), "")`)
		page.await(t, `window.durations === "230 µs, 800 µs, 1.50 ms, 1000 ms, 7 s, 1 min 30 s"`)
		if profile == "agent" { // a dead letter of an earlier run: the server of logs is not known yet
			page.view(t, "deadletters")
			page.await(t, `document.querySelector("[aria-label='Dead letters on disk'] tbody tr")?.innerText.includes("refused")`)
			page.press(t, "Send again")
			page.await(t, `document.querySelector(".note.bad")?.innerText.includes("no exporter has sent logs since the start")`)
			page.complaints() // the browser notes that the server answered 409
			page.check(t, "a dead letter on disk")
			page.picture(t, "dead-letter")
		}
		p.Kill()
	}
}

func TestATenantSeesItsOwn(t *testing.T) {
	chrome := browser(t)
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	key := func(tenant string, scopes string) string {
		out, err := exec.Command(process.Binary(t), "keys", "new", "--file", keys, "--tenant", tenant, "--scope", scopes).Output()
		require.NoError(t, err)
		return strings.TrimSpace(string(out))
	}
	acme, beta := key("acme", "ingest,read,replay"), key("beta", "read")
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_KEYS_FILE": keys, "PENSTOCK_LOKI_URL": deadLoki}})
	shop(t, p, acme)
	ask.Eventually(t, func() error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Admin()+"/console/metrics/api/v1/series?match[]="+url.QueryEscape("shop_requests_total"), nil)
		if err != nil {
			return err
		}
		r.Header.Set("X-API-Key", acme)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.ContentLength < 100 && answer.ContentLength >= 0 {
			return fmt.Errorf("no series yet: %s", answer.Status)
		}
		return nil
	})
	mine := open(t, chrome, p.Admin(), acme)
	everyView(t, mine, "tenant")
	mine.view(t, "overview")
	assert.Contains(t, mine.text(t, "main"), "checkout")
	assert.NotContains(t, mine.text(t, "body"), "connection refused", "what is wrong with a sink is the operator's")

	other := open(t, chrome, p.Admin(), beta)
	other.as(t, 1280, "light")
	for _, view := range []string{"overview", "metrics", "guard", "ledger", "usage", "metrics?q=shop_requests_total"} {
		other.view(t, view)
		other.check(t, view)
		text := other.text(t, "main")
		assert.NotContains(t, text, "checkout", view)
		assert.NotContains(t, text, "acme", view)
	}
}
