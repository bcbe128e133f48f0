package embeddedlogsextension

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/access"
)

// metricsStub is a store of metrics that says who asks.
type metricsStub struct {
	component.Component
	name string
}

func (m metricsStub) QueryAPI() (string, http.Handler) {
	return m.name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one, _ := access.Of(r.Context()).Tenant()
		_, _ = w.Write([]byte(r.URL.Path + " " + r.FormValue("query") + " " + one))
	})
}

type hostOf map[component.ID]component.Component

func (h hostOf) GetExtensions() map[component.ID]component.Component { return h }

// The store of metrics gets the question with the client's tenant; another store is none of metrics.
func TestMetricsAreAskedAsTheClient(t *testing.T) {
	e, _ := started(t, nil)
	for _, c := range []struct {
		name, says string
		code       int
	}{{"metrics", "/api/v1/query up acme", http.StatusOK}, {"logs", "no embedded_tsdb runs in this process", http.StatusNotFound}} {
		mux := e.routes(hostOf{component.MustNewID("embedded_tsdb"): metricsStub{name: c.name}})
		r := httptest.NewRequest(http.MethodGet, "/api/v1/metrics/query?q=up", nil)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r.WithContext(client.NewContext(r.Context(), client.Info{Auth: reader("acme")})))
		assert.Equal(t, c.code, w.Code)
		assert.Contains(t, w.Body.String(), c.says)
	}
}
