package embeddedtsdbextension

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/usage"
)

// meter is a ledger that counts queries.
type meter struct {
	component.Component
	queries map[string]usage.Queries
}

func (*meter) Use(usage.Key, usage.Sum)  {}
func (*meter) Watch(usage.Source) func() { return func() {} }
func (m *meter) Query(tenant, store string, q usage.Queries) {
	m.queries[tenant+" "+store] = m.queries[tenant+" "+store].Plus(q)
}

// The ledger gets the number and time of each tenant's queries; an operator's queries have no tenant, and writes are not queries.
func TestTheLedgerKnowsTheQueries(t *testing.T) {
	m := &meter{queries: map[string]usage.Queries{}}
	cfg := testConfig(t, t.TempDir())
	cfg.TenantLabel = "tenant_id"
	s := startIn(t, cfg, extensions{component.MustNewID("ledger"): m})
	_, api := s.ext.QueryAPI()
	ask := func(path string, auth client.AuthData) {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		api.ServeHTTP(httptest.NewRecorder(), r.WithContext(client.NewContext(r.Context(), client.Info{Auth: auth})))
	}
	acme := heldKey{"acme", []string{"read"}}
	ask("/api/v1/query?query=up", acme)
	ask("/api/v1/labels", acme)
	ask("/api/v1/query?query=up", heldKey{"acme", []string{"admin"}})
	ask("/api/v1/write", acme)
	name := s.ext.set.ID.String()
	assert.Len(t, m.queries, 2)
	assert.EqualValues(t, 2, m.queries["acme "+name].Number)
	assert.Positive(t, m.queries["acme "+name].Time)
	assert.EqualValues(t, 1, m.queries[" "+name].Number)
}
