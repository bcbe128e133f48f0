package adminextension

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/pipeline"

	"github.com/penstockhq/penstock/internal/access"
)

const healthPath = "/v1/health"

// Values of status.
const (
	statusOK       = "ok"
	statusDegraded = "degraded"
)

// healthAnswer is the answer of GET /v1/health.
type healthAnswer struct {
	// Status is ok, or degraded if a component has a reason.
	Status  string   `json:"status"`
	Reasons []reason `json:"reasons"`
}

// reason describes an unhealthy component.
type reason struct {
	// Component is its kind, its id and the pipelines that it is in: "receiver kafka_replay/loki (logs/loki)".
	Component string `json:"component"`
	Reason    string `json:"reason"`
	// Since is when the component was last healthy.
	Since time.Time `json:"since"`
}

// health remembers the status that components report. The zero value is ready; all methods are safe for concurrent use. Memory: one entry for each
// unhealthy component.
type health struct {
	mu     sync.Mutex
	unwell map[*componentstatus.InstanceID]reason // guarded by mu
}

var _ componentstatus.Watcher = (*admin)(nil)

// ComponentStatusChanged receives the status that a component reports.
func (a *admin) ComponentStatusChanged(source *componentstatus.InstanceID, e *componentstatus.Event) {
	a.health.changed(source, e)
}

func (h *health) changed(source *componentstatus.InstanceID, e *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !componentstatus.StatusIsError(e.Status()) {
		delete(h.unwell, source)
		return
	}
	r, known := h.unwell[source]
	if !known {
		r = reason{Component: componentName(source), Since: e.Timestamp().UTC()}
	}
	r.Reason = "it reported an error without details"
	if e.Err() != nil {
		r.Reason = strings.ReplaceAll(e.Err().Error(), "\n", "; ")
	}
	if h.unwell == nil {
		h.unwell = map[*componentstatus.InstanceID]reason{}
	}
	h.unwell[source] = r
}

// now returns the health, with the reasons in the order of their beginning.
func (h *health) now() healthAnswer {
	h.mu.Lock()
	defer h.mu.Unlock()
	answer := healthAnswer{Status: statusOK, Reasons: []reason{}}
	for _, r := range h.unwell {
		answer.Status = statusDegraded
		answer.Reasons = append(answer.Reasons, r)
	}
	slices.SortFunc(answer.Reasons, func(a, b reason) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Component, b.Component))
	})
	return answer
}

// ServeHTTP answers 200 whatever the status is: clients read the answer, and a probe that killed a degraded process would kill one that must wait
// for its sink.
func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "health is read only", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	answer := h.now()
	if !access.Of(r.Context()).Operator() { // reasons contain addresses and tenants
		answer.Reasons = []reason{}
	}
	_ = json.NewEncoder(w).Encode(answer) // the client is gone
}

func componentName(id *componentstatus.InstanceID) string {
	name := strings.ToLower(id.Kind().String()) + " " + id.ComponentID().String()
	var pipelines []string
	id.AllPipelineIDs(func(p pipeline.ID) bool {
		pipelines = append(pipelines, p.String())
		return true
	})
	if len(pipelines) == 0 || id.Kind() == component.KindExtension {
		return name
	}
	slices.Sort(pipelines)
	return name + " (" + strings.Join(pipelines, ", ") + ")"
}
