package embeddedlogsextension

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/access"
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

// reader is the tenant whose key a client has.
type reader string

func (r reader) GetAttribute(name string) any {
	return map[string]any{"tenant": string(r), "scopes": []string{access.Read}}[name]
}

func (reader) GetAttributeNames() []string { return nil }

// The ledger is told how often each tenant has asked, by LogsQL and LogQL, and for how long; an operator's queries are no tenant's.
func TestTheLedgerKnowsTheQueries(t *testing.T) {
	e, _ := started(t, nil)
	m := &meter{queries: map[string]usage.Queries{}}
	e.usage = m
	_, api := e.QueryAPI()
	ask := func(path string, auth client.AuthData) {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		api.ServeHTTP(httptest.NewRecorder(), r.WithContext(client.NewContext(r.Context(), client.Info{Auth: auth})))
	}
	ask("/select/logsql/query?query=*", reader("acme"))
	ask("/loki/api/v1/labels", reader("acme"))
	ask("/select/logsql/query?query=*", nil)
	ask("/ready", nil)
	name := e.set.ID.String()
	assert.Len(t, m.queries, 2)
	assert.EqualValues(t, 2, m.queries["acme "+name].Number)
	assert.Positive(t, m.queries["acme "+name].Time)
	assert.EqualValues(t, 1, m.queries[" "+name].Number)
}
