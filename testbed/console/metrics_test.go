package console

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// rollupsSoon are windows of a second of the shop's counter, so that a test sees rollups.
var rollupsSoon = []string{
	"--set=processors::window_rollup/tsdb::rules=[{match: {metric: shop.requests}, windows: [{size: 1s}], by: [service.name], aggregates: [increase]}]",
	"--set=processors::window_rollup/tsdb::allowed_lateness=1s", "--set=processors::window_rollup/tsdb::idle_timeout=2s",
}

// besideItsRollup looks at the shop's counter: it is drawn beside its rollup, and a click on an exemplar opens its trace.
func besideItsRollup(t *testing.T, p *process.Process, page *tab) {
	t.Helper()
	ask.Eventually(t, func() error { // windows close when later points come
		shop(t, p, "")
		n, err := ask.PromValue(p.TSDB(), "count(shop_requests_increase)")
		if err == nil && n < 1 {
			err = fmt.Errorf("%v rollups", n)
		}
		return err
	})
	page.view(t, "metrics?q=max(shop_requests_total)&from=-5m")
	page.await(t, `[...document.querySelectorAll("main button code")].some((c) => c.innerText === "shop_requests_increase")`)
	page.await(t, `document.querySelector(".chart .mark")`)
	page.check(t, "a metric with an exemplar")
	page.press(t, "shop_requests_increase")
	page.await(t, `location.hash.includes("shop_requests_total") && location.hash.includes("q=shop_requests_increase") && document.querySelector(".chart .mark")`)
	page.await(t, `document.querySelector("main").innerText.includes("rollup_window")`)
	page.check(t, "a metric beside its rollup")
	page.picture(t, "rollup-beside-raw")
	eval[bool](t, page, `document.querySelector(".chart .mark").dispatchEvent(new MouseEvent("click", {bubbles: true}))`)
	page.await(t, `location.hash === "#/traces?trace=0102030405060708090a0b0c0d0e0f10" && document.getElementById("main").dataset.shown === location.hash`)
}

// BenchmarkDashboard says how long 20 range queries of an hour take that the metrics view asks at once, over 10 000 series in the embedded
// TSDB: from the first request to the end of the last answer, as the browser measures it, and the CPU time of the collector meanwhile. In narrow each reads 500 series, in wide all.
func BenchmarkDashboard(b *testing.B) {
	const services, series, minutes, panels = 20, 500, 50, 20
	chrome := browser(b)
	p := process.Start(b, process.Settings{Args: []string{"--set=receivers::host_metrics::initial_delay=1h"}})
	begin := time.Now().Add(-minutes * time.Minute)
	for m := range minutes {
		for s := range services {
			var points []string
			for i := range series {
				points = append(points, fmt.Sprintf(`{"asInt":"%d","startTimeUnixNano":"%d","timeUnixNano":"%d","attributes":[{"key":"route","value":{"stringValue":"/r%d"}},{"key":"instance","value":{"stringValue":"i%d"}}]}`,
					m*(i+1), begin.UnixNano(), begin.Add(time.Duration(m)*time.Minute).UnixNano(), i%10, i))
			}
			body := fmt.Sprintf(`{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s%d"}}]},"scopeMetrics":[{"metrics":[{"name":"load","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[%s]}}]}]}]}`, s, strings.Join(points, ","))
			answer, err := send.Post(p.HTTP(), "/v1/metrics", []byte(body), "Content-Type", "application/json")
			require.NoError(b, err)
			require.Equal(b, http.StatusOK, answer.Status, answer.Body)
		}
	}
	ask.Eventually(b, func() error {
		n, err := ask.PromValue(p.TSDB(), "sum(count_over_time(load_total[1h]))")
		if err == nil && n < services*series*minutes {
			err = fmt.Errorf("%v samples", n)
		}
		return err
	})
	for name, query := range map[string]string{"narrow": `sum by (route) (rate(load_total{job="s%d"}[5m]))`, "wide": `sum by (route) (rate(load_total[5m])) > %d`} {
		b.Run(name, func(b *testing.B) {
			address := "metrics?from=-1h"
			for i := range panels {
				address += "&q=" + strings.NewReplacer(" ", "+", `"`, "%22", "{", "%7B", "}", "%7D", ">", "%3E").Replace(fmt.Sprintf(query, i))
			}
			page := open(b, chrome, p.Admin(), "")
			page.as(b, 1280, "light")
			page.view(b, "overview")
			total, cpu := 0.0, time.Duration(0)
			for b.Loop() {
				page.view(b, "overview")
				before := p.CPUSoFar(b)
				eval[bool](b, page, `(performance.clearResourceTimings(), true)`)
				page.view(b, address)
				page.await(b, `document.querySelector(".chart .plot .curve")`)
				require.Equal(b, panels, eval[int](b, page, `performance.getEntriesByType("resource").filter((r) => r.name.includes("/query_range")).length`))
				total += eval[float64](b, page, `(() => { const all = performance.getEntriesByType("resource").filter((r) => r.name.includes("/query_range")); return Math.max(...all.map((r) => r.responseEnd)) - Math.min(...all.map((r) => r.startTime)); })()`)
				cpu += p.CPUSoFar(b) - before
			}
			b.ReportMetric(total/float64(b.N), "ms-20-panels")
			b.ReportMetric(float64(cpu.Milliseconds())/float64(b.N), "cpu-ms")
		})
	}
}
