package ledgerextension_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/client"

	"github.com/penstockhq/penstock/internal/access"
)

// reader is the tenant whose API key a client has.
type reader string

func (r reader) GetAttribute(name string) any {
	return map[string]any{"tenant": string(r), "scopes": []string{access.Read}}[name]
}

func (reader) GetAttributeNames() []string { return nil }

// A reader sees the rows and the receipts of its tenant, and nothing that is counted over all.
func TestAReaderSeesItsTenant(t *testing.T) {
	lake, tsdb := twoSinks()
	lake.tail[2] = record(1)
	_, h := start(t, nil, nil, lake, tsdb)
	as := func(tenant, path string) (int, string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, path, nil)
		h.mux.ServeHTTP(w, r.WithContext(client.NewContext(r.Context(), client.Info{Auth: reader(tenant)})))
		return w.Code, w.Body.String()
	}
	for _, path := range []string{"/ledger/", "/v1/ledger/", "/v1/ledger/?signal=metrics"} {
		code, text := as("acme", path)
		assert.Equal(t, http.StatusOK, code, path)
		assert.Contains(t, text, "acme", path)
		assert.NotContains(t, text, `"since"`, "positions count all tenants")
		code, text = as("beta", path)
		assert.Equal(t, http.StatusOK, code, path)
		assert.NotContains(t, text, "acme", path)
		code, _ = as("", path)
		assert.Equal(t, http.StatusBadRequest, code)
	}
	code, text := as("beta", "/v1/ledger/?tenant=acme")
	assert.Equal(t, http.StatusBadRequest, code, text)
	for tenant, want := range map[string]int{"acme": http.StatusOK, "beta": http.StatusNotFound} {
		code, text := as(tenant, "/v1/receipts/metrics.0-2-1.0-5-1")
		assert.Equal(t, want, code, text)
	}
	code, _ = as("acme", "/v1/receipts/metrics.0-2-1.0-50-1")
	assert.Equal(t, http.StatusNotFound, code, "nobody knows whose that is")
}
