package windowrollupprocessor

import (
	"cmp"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/window"
)

var pageTemplate = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Window rollup</title>
<style>body{font:14px/1.5 system-ui,sans-serif;margin:2em;max-width:70em}table{border-collapse:collapse;margin:0 0 2em}
th,td{padding:.2em .8em;text-align:left;border-bottom:1px solid #ddd}td.n{text-align:right;font-variant-numeric:tabular-nums}</style>
</head><body>
<h1>Window rollup</h1>
<p>The same <a href="report.json">as JSON</a>.</p>
<table><tr><th>Partition</th><th>Streams</th><th>Cumulative input streams</th><th>Sources</th><th>Newest point</th><th>Closed up to</th></tr>
{{range .Partitions}}<tr><td>{{.Partition}}</td><td class="n">{{.Streams}}</td><td class="n">{{.InputStreams}}</td><td class="n">{{.Sources}}</td><td>{{.Newest}}</td><td>{{.ClosedUpTo}}</td></tr>
{{else}}<tr><td colspan="6">No partition is at work here.</td></tr>
{{end}}</table>
<h2>Late points by metric, since the start</h2>
<table><tr><th>Metric</th><th>Points</th></tr>
{{range .Late}}<tr><td>{{.Metric}}</td><td class="n">{{.Points}}</td></tr>
{{else}}<tr><td colspan="2">None.</td></tr>
{{end}}</table>
</body></html>
`))

// report is what the page tells.
type report struct {
	Partitions []partitionReport `json:"partitions"`
	Late       []lateMetric      `json:"late"`
}

type partitionReport struct {
	Partition    string `json:"partition"`
	Streams      int64  `json:"streams"`
	InputStreams int64  `json:"input_streams"`
	Sources      int    `json:"sources"`
	Newest       string `json:"newest,omitempty"`
	ClosedUpTo   string `json:"closed_up_to,omitempty"`
}

func (w *windowRollup) report() report {
	r := report{Partitions: []partitionReport{}, Late: w.tel.lateMetrics()}
	w.partitions.Each(func(p *partition) {
		s := p.status.Load()
		r.Partitions = append(r.Partitions, partitionReport{
			Partition: p.session.Label(), Streams: s.Streams, InputStreams: s.InputStreams, Sources: s.Sources,
			Newest: timeText(s.Newest), ClosedUpTo: timeText(s.Mark),
		})
	})
	slices.SortFunc(r.Partitions, func(a, b partitionReport) int { return cmp.Compare(a.Partition, b.Partition) })
	return r
}

func timeText(t int64) string {
	if t == window.Never {
		return ""
	}
	return time.Unix(0, t).UTC().Format(time.RFC3339)
}

// allTenants is what the pages need: the windows and the late metrics of a partition are not told apart by tenant.
var allTenants = admin.Need{Operator: true}

// page returns the handler for the admin extension: the page at /, the same as JSON at /report.json.
func (w *windowRollup) page() http.Handler {
	mux := &admin.Mux{}
	mux.HandleFunc("GET /{$}", allTenants, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := pageTemplate.Execute(rw, w.report()); err != nil {
			w.set.Logger.Debug("Page not sent", zap.Error(err))
		}
	})
	mux.HandleFunc("GET /report.json", allTenants, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(rw).Encode(w.report()); err != nil {
			w.set.Logger.Debug("Report not sent", zap.Error(err))
		}
	})
	return mux
}
