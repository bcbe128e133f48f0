package smoke

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// bill is an answer of GET /v1/usage.
type bill struct {
	Intake []struct {
		Tenant, Service, Signal string
		Items                   int64
	}
	Series []struct {
		Tenant, Service, Metric string
		Series                  int64
	}
	Queries []struct {
		Tenant, Store string
		Queries       int64
		Seconds, Cost float64
	}
}

// Each tenant is told what it has sent by service, spans too, its series and its queries with what they cost; nothing of another's.
func TestUsageOfTwoTenants(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	acme := newKey(t, keys, "--tenant", "acme", "--scope", "ingest,read")
	beta := newKey(t, keys, "--tenant", "beta", "--scope", "ingest,read")
	p := process.Start(t, process.Settings{Args: []string{"--set=extensions::ledger::prices::query_second=1000"}, Env: map[string]string{"PENSTOCK_KEYS_FILE": keys}})
	send := func(key, path, body string) {
		t.Helper()
		status, text := callAs(t, http.MethodPost, "http://"+p.HTTP()+path, key, body)
		require.Equal(t, http.StatusOK, status, text)
	}
	now := time.Now().UnixNano()
	send(acme, "/v1/metrics", metricOf("acme"))
	send(beta, "/v1/metrics", metricOf("beta"))
	send(acme, "/v1/traces", fmt.Sprintf(`{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"acme-shop"}}]},"scopeSpans":[{"spans":[
		{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"a span","startTimeUnixNano":"%d","endTimeUnixNano":"%d"}]}]}]}`, now, now))
	query := func(url string) {
		t.Helper()
		ask.Eventually(t, func() error { // The stores open beside the rest of the start.
			if status, text := callAs(t, http.MethodGet, "http://"+url, acme, ""); status != http.StatusOK {
				return fmt.Errorf("%d: %s", status, text)
			}
			return nil
		})
	}
	for range 3 {
		query(p.TSDB() + "/api/v1/query?query=up")
	}
	query(p.Query() + "/select/logsql/query?query=*")

	usage := func(key, query string) (b bill, text string) {
		status, text := callAs(t, http.MethodGet, "http://"+p.Admin()+"/v1/usage/?"+query, key, "")
		require.Equal(t, http.StatusOK, status, text)
		if query == "" {
			require.NoError(t, json.Unmarshal([]byte(text), &b))
		}
		return b, text
	}
	var own bill
	ask.Eventually(t, func() error { // The guard follows the journal, and a query is counted a moment after its answer.
		own, _ = usage(acme, "")
		if len(own.Series) == 0 || len(own.Queries) < 2 || own.Queries[1].Queries < 3 {
			return fmt.Errorf("not all is counted: %+v", own)
		}
		return nil
	})
	require.Len(t, own.Series, 1)
	assert.Equal(t, "acme acme-shop acme_stock 1", fmt.Sprint(own.Series[0].Tenant, " ", own.Series[0].Service, " ", own.Series[0].Metric, " ", own.Series[0].Series))
	for i, store := range []string{"embedded_logs", "embedded_tsdb"} {
		q := own.Queries[i]
		assert.Equal(t, []string{"acme", store}, []string{q.Tenant, q.Store})
		assert.Positive(t, q.Seconds)
		assert.InDelta(t, 1000*q.Seconds, q.Cost, 1e-6)
	}
	var signals []string
	for _, i := range own.Intake {
		assert.Equal(t, []string{"acme", "acme-shop"}, []string{i.Tenant, i.Service})
		signals = append(signals, i.Signal)
	}
	assert.Equal(t, []string{"metrics", "traces"}, signals)
	_, text := usage(acme, "format=csv")
	assert.Contains(t, text, "acme,acme-shop,metrics,series,,1,")
	assert.Contains(t, text, "acme,,,queries,embedded_tsdb,3,")

	ask.Eventually(t, func() error {
		if b, text := usage(beta, ""); len(b.Series) == 0 {
			return fmt.Errorf("beta's series are not counted: %s", text)
		}
		return nil
	})
	for _, query := range []string{"", "format=csv"} {
		_, text := usage(beta, query)
		assert.NotContains(t, strings.ToLower(text), "acme")
		assert.NotContains(t, text, "embedded_", "beta has not asked")
	}
	all, _ := usage(p.AdminToken(t), "")
	tenants := map[string]bool{}
	for _, s := range all.Series {
		tenants[s.Tenant] = true
	}
	assert.True(t, tenants["acme"] && tenants["beta"], "an operator sees all: %+v", all)
	p.Terminate(t)
}
