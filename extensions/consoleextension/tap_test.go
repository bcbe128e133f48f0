package consoleextension_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/tap"
	"github.com/penstockhq/penstock/internal/tap/sampler"
	"github.com/penstockhq/penstock/internal/tenant"
)

// nothing is a scrubber that finds nothing.
type nothing struct{}

func (nothing) ScrubLogs(context.Context, plog.Logs) error          { return nil }
func (nothing) ScrubMetrics(context.Context, pmetric.Metrics) error { return nil }
func (nothing) ScrubTraces(context.Context, ptrace.Traces) error    { return nil }

// follow opens a tap as a client, and returns the lines of its answer.
func follow(t *testing.T, h *host, query string, auth client.AuthData) *bufio.Scanner {
	t.Helper()
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mounted.ServeHTTP(w, r.WithContext(client.NewContext(r.Context(), client.Info{Auth: auth})))
	}))
	t.Cleanup(served.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, served.URL+"/v1/tap/records?"+query, nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = answer.Body.Close() })
	require.Equal(t, http.StatusOK, answer.StatusCode)
	assert.Equal(t, "application/x-ndjson", answer.Header.Get("Content-Type"))
	lines := bufio.NewScanner(answer.Body)
	require.True(t, lines.Scan())
	assert.JSONEq(t, `{"counts":{"seen":0,"shown":0,"slow":0,"long":0,"unscrubbed":0}}`, lines.Text())
	return lines
}

func TestATapIsAStreamOfRecords(t *testing.T) {
	h := newHost()
	console := start(t, h, configured)
	s := console.(interface{ TapSampler() *sampler.Sampler }).TapSampler()
	point := tap.NewPoint(tap.Place{Side: tap.Before, Kind: "exporter", Component: "loki", Signal: "logs"})
	s.Hub().Add(point)
	status, _, body := get(t, h, "/v1/tap/records", nil)
	assert.Equal(t, http.StatusConflict, status)
	assert.Contains(t, body, "no pii_scrubber runs")

	s.Offer("pii_scrubber", nothing{})
	_, _, body = get(t, h, "/v1/tap", nil)
	assert.JSONEq(t, `{"places":[{"side":"before","kind":"exporter","component":"loki","signal":"logs"}],"scrubbers":["pii_scrubber"],"max_taps":4,"max_rate":100}`, body)
	acme := key{"tenant": "acme", "scopes": []string{access.Read}}
	for query, want := range map[string]string{"rate=0": "rate: 0 must be from 1 to 100", "rate=x": `rate: "x" is not a number`, "limit=-1": `limit: "-1" is not a number`, "side=in": `side: "in" is neither`, "tenant=beta": "tenant: the API key is another tenant's"} {
		status, _, body = get(t, h, "/v1/tap/records?"+query, acme)
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Contains(t, body, want)
	}
	status, _, _ = get(t, h, "/v1/tap", key{"tenant": "acme", "scopes": []string{access.Ingest}})
	assert.Equal(t, http.StatusForbidden, status, "it needs the scope read")

	batch := func(tenantID string) plog.Logs {
		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr(tenant.Attribute, tenantID)
		rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("of " + tenantID)
		return ld
	}
	all, own := follow(t, h, "limit=2", nil), follow(t, h, "limit=1", acme)
	for _, id := range []string{"beta", "acme"} {
		s.Logs(t.Context(), point, batch(id))
	}
	records := func(lines *bufio.Scanner) (got []string, last string) {
		for lines.Scan() {
			var line struct {
				Tenant string
				Record struct{ Body string }
			}
			require.NoError(t, json.Unmarshal(lines.Bytes(), &line))
			if last = lines.Text(); !strings.HasPrefix(last, `{"counts"`) {
				got = append(got, line.Tenant+": "+line.Record.Body)
			}
		}
		require.NoError(t, lines.Err())
		return got, last
	}
	got, last := records(all)
	assert.Equal(t, []string{"beta: of beta", "acme: of acme"}, got)
	assert.JSONEq(t, `{"counts":{"seen":2,"shown":2,"slow":0,"long":0,"unscrubbed":0}}`, last)
	got, last = records(own)
	assert.Equal(t, []string{"acme: of acme"}, got)
	assert.Contains(t, last, `"seen":1`)

	revoked := &atomic.Bool{}
	ending := follow(t, h, "", key{access.ValidAttribute: func() bool { return !revoked.Load() }})
	revoked.Store(true)
	records(ending) // it ends

	for range 4 {
		follow(t, h, "", nil)
	}
	status, _, body = get(t, h, "/v1/tap/records", nil)
	assert.Equal(t, http.StatusTooManyRequests, status)
	assert.Contains(t, body, "too many taps are open: 4: close one, or set max_taps of the console higher")
}
