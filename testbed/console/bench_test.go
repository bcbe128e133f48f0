package console

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/process"
	demo "github.com/penstockhq/penstock/testbed/internal/shop"
)

// BenchmarkOpen says which share of a core the process takes while nobody looks and while the overview is open, and how long a browser
// takes from the address to the overview with its data.
func BenchmarkOpen(b *testing.B) {
	const looked = 30 * time.Second
	chrome := browser(b)
	p := process.Start(b, process.Settings{Env: map[string]string{"PENSTOCK_LOKI_URL": deadLoki}})
	share := func() float64 {
		cpu, began := p.CPUSoFar(b), time.Now()
		time.Sleep(looked) // the measure
		return 100 * float64(p.CPUSoFar(b)-cpu) / float64(time.Since(began))
	}
	for b.Loop() {
		closed := share()
		page := open(b, chrome, p.Admin(), "")
		page.run(b, chromedp.Navigate("http://"+p.Admin()+"/console/"))
		page.await(b, `document.getElementById("main")?.dataset.shown`)
		first := eval[float64](b, page, `Math.max(...performance.getEntriesByType("resource").filter((r) => !r.name.includes("v1/health")).slice(0, 16).map((r) => r.responseEnd))`)
		bytes := eval[float64](b, page, `performance.getEntriesByType("resource").filter((r) => /\.(js|css|svg)$/.test(r.name)).reduce((n, r) => n + r.decodedBodySize, 0)`)
		opened := share()
		page.run(b, chromedp.Navigate("about:blank"))
		b.ReportMetric(closed, "%closed")
		b.ReportMetric(opened, "%open")
		b.ReportMetric(first, "ms-first")
		b.ReportMetric(bytes, "bytes-first")
	}
}

// TestPictures takes the pictures of the documentation: the shop of `make demo`, while Loki is down.
func TestPictures(t *testing.T) {
	if *screenshots == "" {
		t.Skip("pictures are not wanted: -args -screenshots DIR")
	}
	chrome := browser(t)
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_LOKI_URL": deadLoki}, Args: []string{"--set=processors::cardinality_guard/tsdb::limits::series_per_metric=100"}})
	page := open(t, chrome, p.Admin(), "")
	page.as(t, 1280, "light")
	require.NoError(t, demo.SendIncident(t.Context(), p.HTTP(), time.Now()))
	s, err := demo.Open(t.Context(), p.HTTP())
	require.NoError(t, err)
	hours, closing := context.WithTimeout(t.Context(), time.Minute) // charts need a minute of data
	defer closing()
	page.view(t, "overview") // its sparklines begin when somebody looks
	s.Run(hours, 20)
	require.NoError(t, s.Close(t.Context()))
	for _, view := range []string{"overview", "guard", "metrics?q=sum+by+(job)(rate(http_server_request_duration_seconds_count[1m]))&from=-5m", "logs?from=-5m", "traces?from=-5m"} {
		page.view(t, view)
		page.await(t, `!document.querySelector("main .loading")`)
		name, _, _ := strings.Cut(view, "?")
		page.picture(t, "docs-"+name)
	}
	require.Empty(t, page.complaints())
}
