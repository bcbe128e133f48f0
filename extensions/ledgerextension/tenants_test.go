package ledgerextension_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/penstockhq/penstock/extensions/ledgerextension"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/usage"
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
	for _, path := range []string{"/v1/ledger/", "/v1/ledger/?signal=metrics"} {
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

// Usage is the ledger's content by tenant, and the intake of the journal by service, with costs.
func TestUsageAndCost(t *testing.T) {
	lake, tsdb := twoSinks()
	tel := componenttest.NewTelemetry()
	t.Cleanup(func() { assert.NoError(t, tel.Shutdown(context.Background())) })
	e, h := start(t, tel, func(c *ledgerextension.Config) {
		c.Usage.Metrics = true
		c.Prices = ledgerextension.PricesConfig{Currency: "EUR", IntakeGiB: 2, ReceivedMillion: 1000, StoredMillion: map[string]float64{"lake": 500}}
	}, lake, tsdb)
	meter := e.(usage.Sink)
	meter.Use(usage.Key{Tenant: "acme", Service: "=shop", Signal: "metrics"}, usage.Sum{Items: 14, Bytes: 1 << 29})
	meter.Use(usage.Key{Tenant: "beta", Service: "till", Signal: "logs"}, usage.Sum{Items: 1, Bytes: 10})
	var bill struct {
		Currency string
		Intake   []struct {
			Tenant, Service string
			Items, Bytes    int64
			Cost            float64
		}
		Tenants []struct {
			Tenant           string
			Received, Folded int64
			Stored, Dropped  map[string]int64
			Cost             float64
		}
	}
	require.Equal(t, http.StatusOK, h.get(t, "/v1/usage/?tenant=acme", &bill))
	require.Len(t, bill.Intake, 1)
	assert.EqualValues(t, 14, bill.Intake[0].Items)
	assert.InDelta(t, 1, bill.Intake[0].Cost, 1e-9, "half a GiB at 2")
	require.Len(t, bill.Tenants, 1)
	c := bill.Tenants[0]
	assert.EqualValues(t, 14, c.Received)
	assert.Equal(t, map[string]int64{"lake": 14, "tsdb": 7}, c.Stored)
	assert.EqualValues(t, 2, c.Folded)
	assert.Equal(t, map[string]int64{"too_old": 1}, c.Dropped)
	assert.InDelta(t, 14e-6*1000+14e-6*500, c.Cost, 1e-12)
	assert.Equal(t, http.StatusBadRequest, h.get(t, "/v1/usage/?form=1", nil))

	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/usage/?format=csv", nil))
	lines, err := csv.NewReader(w.Body).ReadAll()
	require.NoError(t, err)
	assert.Equal(t, []string{"tenant", "service", "signal", "what", "of", "items", "bytes", "cost", "currency", "seconds"}, lines[0])
	assert.Contains(t, lines, []string{"acme", "'=shop", "metrics", "intake", "", "14", "536870912", "1", "EUR", ""}, "no formula")
	assert.Contains(t, lines, []string{"acme", "", "metrics", "stored", "tsdb", "7", "0", "0", "EUR", ""})
	w = httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/v1/usage/?format=csv", nil)
	h.mux.ServeHTTP(w, r.WithContext(client.NewContext(r.Context(), client.Info{Auth: reader("beta")})))
	assert.Contains(t, w.Body.String(), "till")
	assert.NotContains(t, w.Body.String(), "acme")

	m, err := tel.GetMetric("otelcol_extension_ledger_usage_bytes")
	require.NoError(t, err)
	assert.Len(t, m.Data.(metricdata.Sum[int64]).DataPoints, 2)

	cfg := ledgerextension.NewFactory().CreateDefaultConfig().(*ledgerextension.Config)
	cfg.Usage.MaxServices, cfg.Prices.IntakeGiB, cfg.Prices.StoredMillion, cfg.Prices.QuerySecond = 0, -1, map[string]float64{"lake": math.NaN()}, -2
	for _, want := range []string{"usage::max_services: 0", "prices::intake_gib: -1", "prices::stored_million::lake: NaN", "prices::query_second: -2"} {
		assert.ErrorContains(t, cfg.Validate(), want)
	}
}

// Sources of series add up by service, the largest first, with what drives them; queries are counted by tenant and store.
func TestSeriesAndQueries(t *testing.T) {
	tel := componenttest.NewTelemetry()
	t.Cleanup(func() { assert.NoError(t, tel.Shutdown(context.Background())) })
	e, h := start(t, tel, func(c *ledgerextension.Config) {
		c.Usage = ledgerextension.UsageConfig{MaxServices: 2, Metrics: true}
		c.Prices.QuerySecond = 4
	})
	sink := e.(usage.Sink)
	remove := sink.Watch(func(each func(string, string, usage.Series)) {
		each("acme", "shop", usage.Series{Active: 5, Driver: usage.Driver{Metric: "a", Series: 5}})
		each("beta", "till", usage.Series{Active: 7, Driver: usage.Driver{Metric: "b", Series: 7}})
		each("acme", "cron", usage.Series{Active: 1})
		each("acme", "mail", usage.Series{Active: 2})
	})
	sink.Watch(func(each func(string, string, usage.Series)) {
		each("acme", "shop", usage.Series{Active: 4, Driver: usage.Driver{Metric: "c", Attribute: "=user", Values: 4, Series: 4}})
	})
	sink.Query("acme", "embedded_tsdb", usage.Queries{Number: 1, Time: time.Second})
	sink.Query("acme", "embedded_tsdb", usage.Queries{Number: 1, Time: time.Second / 2})
	sink.Query("", "embedded_logs", usage.Queries{Number: 1, Time: time.Millisecond})
	type series struct {
		Tenant, Service, Metric, Attribute string
		Series, Values                     int64
	}
	type queried struct {
		Tenant, Store string
		Queries       int64
		Seconds, Cost float64
	}
	type bill struct {
		Series  []series
		Queries []queried
	}
	as := func(tenant, query string) (b bill, text string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/v1/usage/?"+query, nil)
		if tenant != "" {
			r = r.WithContext(client.NewContext(r.Context(), client.Info{Auth: reader(tenant)}))
		}
		h.mux.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
		_ = json.Unmarshal(w.Body.Bytes(), &b)
		return b, w.Body.String()
	}
	all, _ := as("", "")
	shop := series{"acme", "shop", "c", "=user", 9, 4}
	assert.Equal(t, []series{shop, {"beta", "till", "b", "", 7, 0}, {"acme", usage.Other, "", "", 3, 0}}, all.Series)
	acme := queried{"acme", "embedded_tsdb", 2, 1.5, 6}
	assert.Equal(t, []queried{{"", "embedded_logs", 1, 0.001, 0.004}, acme}, all.Queries)

	own, _ := as("acme", "")
	assert.Equal(t, bill{[]series{shop, {"acme", "mail", "", "", 2, 0}, {"acme", usage.Other, "", "", 1, 0}}, []queried{acme}}, own)
	other, text := as("beta", "")
	assert.Len(t, other.Series, 1)
	assert.Empty(t, other.Queries)
	assert.NotContains(t, text, "acme")
	logs, _ := as("", "signal=logs")
	assert.Equal(t, bill{[]series{}, []queried{}}, logs)
	_, text = as("", "format=csv")
	assert.Contains(t, text, "acme,shop,metrics,series,'=user,9,0,0,,\n")
	assert.Contains(t, text, "acme,,,queries,embedded_tsdb,2,0,6,,1.5\n")

	m, err := tel.GetMetric("otelcol_extension_ledger_usage_series")
	require.NoError(t, err)
	assert.Len(t, m.Data.(metricdata.Gauge[int64]).DataPoints, 3)
	m, err = tel.GetMetric("otelcol_extension_ledger_usage_query_seconds")
	require.NoError(t, err)
	assert.Len(t, m.Data.(metricdata.Sum[float64]).DataPoints, 2)
	remove()
	remove()
	all, _ = as("", "")
	assert.Len(t, all.Series, 1)
}
