package cardinalityguardprocessor

import (
	"cmp"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
)

// pageTop is how many metrics and attributes a tenant has on the page.
const pageTop = 50

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"near": near[int64], "nearValues": near[uint64]}).Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Cardinality guard</title>
<style>body{font:14px/1.5 system-ui,sans-serif;margin:2em;max-width:70em}table{border-collapse:collapse;margin:0 0 2em}
th,td{padding:.2em .8em;text-align:left;border-bottom:1px solid #ddd}.n{text-align:right;font-variant-numeric:tabular-nums}tr.near{background:#fff3d6}</style>
</head><body>
<h1>Cardinality guard</h1>
<p>The same <a href="report.json">as JSON</a>. Distinct values are estimated, and counted from a thousand series on (or a tenth of the metric's budget). Marked: at 80 % of a budget or more.</p>
{{range .}}<h2>{{.Partition}}</h2>
<p>{{.Series}} active series{{if .Limit}} of {{.Limit}}{{end}}, {{.OverflowStreams}} overflow streams, {{.Contributors}} contributors.
What is folded leaves up to {{.FoldedDelay}} s after its time: until then sums over overflow streams lack it.{{if .LatePoints}} {{.LatePoints}} points came later than that: what adds up is in a pane after their own, gauges keep their time.{{end}}</p>
{{range .Tenants}}<h3>Tenant {{.Tenant}}: {{.Series}} series{{if .Limit}} of {{.Limit}}{{end}}</h3>
<table><tr><th>Service</th><th>Metric</th><th class="n">Series</th><th class="n">Budget</th><th>Folded away</th></tr>
{{range .Metrics}}<tr{{if near .Series .Limit}} class="near"{{end}}><td>{{.Service}}</td><td>{{.Metric}}</td><td class="n">{{.Series}}</td><td class="n">{{if .Limit}}{{.Limit}}{{else}}none{{end}}</td><td>{{range .Folded}}{{.}} {{end}}</td></tr>
{{end}}</table>
{{if .Attributes}}<table><tr><th>Service</th><th>Metric</th><th>Attribute</th><th class="n">Values</th><th class="n">Budget</th></tr>
{{range .Attributes}}<tr{{if nearValues .Values .Limit}} class="near"{{end}}><td>{{.Service}}</td><td>{{.Metric}}</td><td>{{.Attribute}}</td><td class="n">{{.Values}}</td><td class="n">{{if .Limit}}{{.Limit}}{{else}}none{{end}}</td></tr>
{{end}}</table>{{end}}{{end}}{{else}}<p>No partition is at work here.</p>{{end}}
</body></html>
`))

// near says whether a budget, 0 for none, is used to four fifths.
func near[N int64 | uint64](used, limit N) bool { return limit > 0 && used*5 >= limit*4 }

// readsPage is what the pages need. A reader sees its tenant alone.
var readsPage = admin.Need{Scopes: []string{access.Read}}

// page returns the handler for the admin extension: the page at /, the same as JSON at /report.json.
func (g *guard) page() http.Handler {
	mux := &admin.Mux{}
	mux.HandleFunc("GET /{$}", readsPage, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := pageTemplate.Execute(w, g.reports(access.Of(r.Context()))); err != nil {
			g.set.Logger.Debug("Page not sent", zap.Error(err))
		}
	})
	mux.HandleFunc("GET /report.json", readsPage, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(map[string]any{"partitions": g.reports(access.Of(r.Context()))}); err != nil {
			g.set.Logger.Debug("Report not sent", zap.Error(err))
		}
	})
	return mux
}

// reports has the partitions at work, as far as the client may see them.
func (g *guard) reports(c access.Client) []partitionReport {
	list := []partitionReport{}
	g.partitions.Each(func(p *partition) {
		name, one := c.Tenant()
		if !one {
			list = append(list, p.summary(pageTop))
		} else if report, ok := p.summaryOf(name, pageTop); ok {
			list = append(list, report)
		}
	})
	slices.SortFunc(list, func(a, b partitionReport) int { return cmp.Compare(a.Partition, b.Partition) })
	return list
}
