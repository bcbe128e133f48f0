package embeddedlogsextension

import (
	"net/http"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/gate"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlengine"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/lokiapi"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/lokisource"
	"github.com/penstockhq/penstock/internal/admin"
)

// lokiRoutes adds Loki's API for reading. Its queries take the places that LogsQL's do.
func (e *logsExtension) lokiRoutes(mux *admin.Mux, queries, tails *gate.Gate) {
	q := e.cfg.Query
	limits := logqlengine.DefaultLimits
	limits.Timeout = q.Timeout
	api := lokiapi.New(lokiapi.Settings{
		Source: func(r *http.Request) (logqlengine.Source, error) {
			s, err := e.use()
			if err != nil {
				return nil, err
			}
			return &lokisource.Source{Store: s, View: viewOf(r), MaxRead: q.MaxRead}, nil
		},
		Limits: limits, MaxLength: q.MaxLength, Queries: queries, Tails: tails, Refused: e.refuseQuery, Version: e.set.BuildInfo.Version,
	})
	for _, route := range api.Routes() {
		mux.HandleFunc(route.Path, reads, route.Handler)
	}
	mux.HandleFunc("GET /ready", admin.Need{}, func(w http.ResponseWriter, r *http.Request) {
		if _, err := e.use(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		lokiapi.Ready(w, r)
	})
}
