package cardinalityguardprocessor

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
)

// pageTop is how many metrics and attributes of a tenant the report lists.
const pageTop = 50

// readsPage is the permission for the report. A reader sees only its tenant.
var readsPage = admin.Need{Scopes: []string{access.Read}}

// operates is the permission for the overrides, which apply to all tenants.
var operates = admin.Need{Operator: true, Scopes: []string{access.Admin}}

// overridesAnswer has the overrides of the file, and whether there is a file to change.
type overridesAnswer struct {
	Overrides  []OverrideConfig `json:"overrides"`
	Changeable bool             `json:"changeable"`
}

// maxOverrideBody bounds a request that changes an override, in bytes.
const maxOverrideBody = 64 << 10

// page returns the handler for the admin extension: the report as JSON at /report.json, and the overrides of overrides_file at
// /overrides. The console shows both.
func (g *guard) page(authorizer admin.Authorizer) http.Handler {
	mux := &admin.Mux{}
	mux.HandleFunc("GET /{$}", readsPage, admin.Moved(g.set.ID, "guard"))
	mux.HandleFunc("GET /report.json", readsPage, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(map[string]any{"partitions": g.reports(access.Of(r.Context()))}); err != nil {
			g.set.Logger.Debug("Report not sent", zap.Error(err))
		}
	})
	mux.HandleFunc("GET /overrides", operates, func(w http.ResponseWriter, _ *http.Request) {
		list, _ := g.rules.file.current()
		g.answer(w, list, nil)
	})
	change := func(edit func(*overridesFile, http.ResponseWriter, *http.Request) ([]OverrideConfig, error)) http.HandlerFunc {
		return admin.Authorized(authorizer, access.Admin, func(w http.ResponseWriter, r *http.Request) {
			if g.rules.file == nil {
				http.Error(w, "this guard has no overrides_file", http.StatusConflict)
				return
			}
			list, err := edit(g.rules.file, w, r)
			g.answer(w, list, err)
		})
	}
	mux.HandleFunc("PUT /overrides", operates, change(func(f *overridesFile, w http.ResponseWriter, r *http.Request) ([]OverrideConfig, error) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOverrideBody))
		if err != nil {
			return nil, err
		}
		var o OverrideConfig
		if err := decodeStrictly(body, &o); err != nil {
			return nil, err
		}
		admin.Detail(r.Context(), "override", string(body))
		return f.put(o)
	}))
	mux.HandleFunc("DELETE /overrides", operates, change(func(f *overridesFile, _ http.ResponseWriter, r *http.Request) ([]OverrideConfig, error) {
		q := r.URL.Query()
		admin.Detail(r.Context(), "override", r.URL.RawQuery)
		return f.remove(OverrideConfig{Tenant: q.Get("tenant"), Service: q.Get("service"), Metric: q.Get("metric")})
	}))
	return mux
}

// answer sends the overrides, or an error: what the request lacks with 400 or 404, and what the disk refuses with 500.
func (g *guard) answer(w http.ResponseWriter, list []OverrideConfig, err error) {
	var failed *writeError
	switch {
	case errors.Is(err, errNoOverride):
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	case errors.As(err, &failed):
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if list == nil {
		list = []OverrideConfig{}
	}
	if err := json.NewEncoder(w).Encode(overridesAnswer{list, g.rules.file != nil}); err != nil {
		g.set.Logger.Debug("Overrides not sent", zap.Error(err))
	}
}

// reports returns the reports of the active partitions, limited to what the client may see.
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
