package api

import (
	"net/http"
	"slices"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/web"
)

// Mount puts the API on the admin extension, if there is one: below the receiver's id, and at /v1/replays as long as no
// other receiver has jobs. all returns the servers of all receivers of the process.
func (s *Server) Mount(host component.Host, all func() []*Server) (unmount func(), err error) {
	m, ok := admin.Find(host)
	if !ok {
		s.Log.Info("no admin extension: replay jobs can only be created in the configuration")
		return func() {}, nil
	}
	mux := s.handler()
	own, err := m.Mount(s.ID.String(), "Replay jobs", mux)
	if err != nil {
		return nil, err
	}
	short, err := m.Mount("v1", "Replay jobs (short address)", mux.Below("/v1", short(all)))
	if err != nil { // Another receiver was first; its handler answers for both.
		return own, nil
	}
	return func() {
		own()
		short()
	}, nil
}

// short serves the only receiver with jobs, and lists the addresses if there are several.
func short(servers func() []*Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all := servers()
		if len(all) == 1 {
			all[0].handler().ServeHTTP(w, r)
			return
		}
		var at []string
		for _, s := range all {
			at = append(at, "/"+s.ID.String()+r.URL.Path)
		}
		slices.Sort(at)
		web.Answer(w, http.StatusMultipleChoices, map[string]any{"error": "several receivers have jobs: use the address of one of them", "addresses": at})
	})
}
