package windowrollupprocessor

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/window"
)

// report is the content of the console's page.
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

// allTenants is the permission for the report: the windows and the late metrics of a partition are not separated by tenant.
var allTenants = admin.Need{Operator: true}

// page returns the handler for the admin extension: the report as JSON at /report.json, which the console shows.
func (w *windowRollup) page() http.Handler {
	mux := &admin.Mux{}
	mux.HandleFunc("GET /{$}", allTenants, admin.Moved(w.set.ID, "rollups"))
	mux.HandleFunc("GET /report.json", allTenants, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(rw).Encode(w.report()); err != nil {
			w.set.Logger.Debug("Report not sent", zap.Error(err))
		}
	})
	return mux
}
