//go:build full

package loki_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/testbed/backends/loki"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// Loki, or the gateway in front of it, refuses one tenant of two, in each of the ways that operators have. Both tenants share the journal's only
// partition. The other tenant's entries wait for tenant_patience and no longer; the refused one's are in the dead letter, and when it is let in again a job
// brings them: in the end Loki has each line of both once.
func TestARefusedTenantDoesNotStopTheOthers(t *testing.T) {
	const refused, other, lines = "team-refused", "team-other", 30
	for name, c := range map[string]struct {
		overrides string // of the refused tenant
		status    string // that the exporter meets
		forbid    bool   // by a gateway in front of Loki
	}{
		"a rate limit that nothing passes": {overrides: `{` + refused + `: {ingestion_rate_mb: 0.00001, ingestion_burst_size_mb: 0.00001}}`, status: "429"},
		"ingestion that is blocked":        {overrides: `{` + refused + `: {block_ingestion_until: "2099-01-01T00:00:00Z"}}`, status: "260"},
		"blocked with a status":            {overrides: `{` + refused + `: {block_ingestion_until: "2099-01-01T00:00:00Z", block_ingestion_status_code: 402}}`, status: "402"},
		"a gateway that forbids":           {forbid: true, status: "403"},
	} {
		t.Run(name, func(t *testing.T) {
			server := loki.Start(t, loki.Settings{Overrides: c.overrides})
			front, forbids := gatewayTo(t, server.URL(), refused)
			forbids.Store(c.forbid)
			p := process.Start(t, process.Settings{
				Env: map[string]string{"PENSTOCK_LOKI_URL": front, "PENSTOCK_LAKE_URL": "off"},
				Args: []string{
					"--set=processors::kafka_replay::topics::partitions=1", "--set=exporters::loki::tenant_patience=2s",
					"--set=exporters::loki::retry_on_failure::initial_interval=100ms", "--set=exporters::loki::retry_on_failure::max_interval=300ms",
				},
			})
			for i := range lines {
				for _, who := range []string{refused, other} {
					journaled(t, p, lineOf(who, fmt.Sprintf("%s %03d", who, i)))
				}
			}
			ask.Eventually(t, func() error { return has(t, server, other, lines) })
			ask.Eventually(t, func() error {
				n, err := ask.Metric(p.Telemetry(), "otelcol_exporter_loki_refused_entries", `reason="tenant_patience"`)
				if err == nil && n != lines {
					err = fmt.Errorf("%v entries are counted", n)
				}
				return err
			})
			require.NoError(t, has(t, server, refused, 0))
			assert.Contains(t, p.Log(), "Loki has refused a tenant")
			assert.Contains(t, p.Log(), "answered "+c.status)

			server.Override(t, "")
			forbids.Store(false)
			ask.Eventually(t, func() error { // The exporter tries the tenant from time to time.
				journaled(t, p, lineOf(refused, fmt.Sprint("probe ", time.Now().UnixNano())))
				if !strings.Contains(p.Log(), "Loki accepts the entries of a tenant again") {
					return fmt.Errorf("%s is not taken", refused)
				}
				return nil
			})
			replayLetters(t, p, refused)
			ask.Eventually(t, func() error { return has(t, server, refused, lines) })
			require.NoError(t, has(t, server, other, lines))
		})
	}
}

// gatewayTo passes requests on to Loki, those of one tenant only as long as it is not forbidden.
func gatewayTo(t *testing.T, target, tenant string) (address string, forbids *atomic.Bool) {
	t.Helper()
	to, err := url.Parse(target)
	require.NoError(t, err)
	forward := httputil.NewSingleHostReverseProxy(to)
	forbids = &atomic.Bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if forbids.Load() && r.Header.Get("X-Scope-OrgID") == tenant {
			http.Error(w, "the account is closed", http.StatusForbidden)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, forbids
}

// journaled sends ld until it is acknowledged: a journal that has just started may not have met its Kafka.
func journaled(t *testing.T, p *process.Process, ld plog.Logs) {
	t.Helper()
	ask.Eventually(t, func() error {
		answer, err := send.Logs(p.HTTP(), ld)
		if err == nil && answer.Status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", answer.Status, answer.Body)
		}
		return err
	})
}

func lineOf(tenant, body string) plog.Logs {
	ld := plog.NewLogs()
	now := time.Now()
	record(ld, "shop", now, body)
	ld.ResourceLogs().At(0).Resource().Attributes().PutStr("tenant.id", tenant)
	return ld
}

// has returns an error unless Loki has the first n numbered lines of tenant, each once, and no other.
func has(t *testing.T, server *loki.Server, tenant string, n int) error {
	t.Helper()
	entries, err := server.Query(t.Context(), tenant, `{service_name="shop"} |= "`+tenant+`"`, time.Now().Add(-time.Hour), time.Now().Add(time.Minute))
	if err != nil {
		return err
	}
	lines := map[string]int{}
	for _, e := range entries {
		lines[e.Line]++
	}
	for i := range n {
		if line := fmt.Sprintf("%s %03d", tenant, i); lines[line] != 1 {
			return fmt.Errorf("%q is there %d times", line, lines[line])
		}
	}
	if len(entries) != n {
		return fmt.Errorf("%d lines of %s", len(entries), tenant)
	}
	return nil
}

// replayLetters replays the dead letters of tenant, and returns when the job is done.
func replayLetters(t *testing.T, p *process.Process, tenant string) {
	t.Helper()
	api := "http://" + p.Admin() + "/v1/replays"
	resp, err := http.Post(api, "application/json", strings.NewReader(fmt.Sprintf(
		`{"id":"letters","signal":"logs","from":"-1h","source":"deadletter","tenants":[%q],"headers":{"penstock-reason":"tenant_patience*"}}`, tenant)))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	ask.Eventually(t, func() error {
		_, text, err := process.Fetch(t.Context(), api+"/letters")
		var job struct {
			Status struct{ Phase, Reason string }
		}
		if err == nil {
			err = json.Unmarshal([]byte(text), &job)
		}
		if err == nil && job.Status.Phase != "done" {
			err = fmt.Errorf("the job is %s: %s", job.Status.Phase, job.Status.Reason)
		}
		return err
	})
}
