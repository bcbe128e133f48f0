package cardinalityguardprocessor

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
)

// pageTop is how many metrics and attributes a tenant has in the report.
const pageTop = 50

// readsPage is what the report needs. A reader sees its tenant alone.
var readsPage = admin.Need{Scopes: []string{access.Read}}

// page returns the handler for the admin extension: the report as JSON at /report.json, which the console shows.
func (g *guard) page() http.Handler {
	mux := &admin.Mux{}
	mux.HandleFunc("GET /{$}", readsPage, admin.Moved(g.set.ID, "guard"))
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
