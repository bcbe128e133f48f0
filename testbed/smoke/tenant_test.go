package smoke

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// fussyLoki refuses one tenant as long as its account is closed, and keeps the others' lines as loki does. An empty push of a tenant that is
// let in is answered as Loki answers it.
type fussyLoki struct {
	loki
	closed string // guarded by loki.mu; the tenant
}

func (l *fussyLoki) start(t *testing.T, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		closed := l.closed != "" && r.Header.Get("X-Scope-OrgID") == l.closed
		l.mu.Unlock()
		switch {
		case r.Method == http.MethodGet: // A job asks for the limits.
			_, _ = fmt.Fprintln(w, "auth_enabled: true")
		case closed:
			http.Error(w, "the account is closed", http.StatusForbidden)
		case r.ContentLength < 4:
			http.Error(w, "error at least one valid stream is required for ingestion", http.StatusUnprocessableEntity)
		default:
			l.push(w, r)
		}
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
}

// missing names the first of n lines of prefix that Loki doesn't have.
func (l *fussyLoki) missing(prefix string, n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range n {
		if id := fmt.Sprint(prefix, i); l.ids[id] == 0 {
			return fmt.Errorf("%s is missing", id)
		}
	}
	return nil
}

func lineOf(tenant, body string) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "shop")
	rl.Resource().Attributes().PutStr("tenant.id", tenant)
	l := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	l.Body().SetStr(body)
	now := time.Now()
	l.SetTimestamp(pcommon.NewTimestampFromTime(now))
	l.SetObservedTimestamp(pcommon.NewTimestampFromTime(now))
	return ld
}

// Loki refuses one tenant of several. The others' lines wait for the patience, no longer; the tenant's go to the dead letter, counted, and when the account is open
// again a job replays them, and new ones are delivered.
func TestOneRefusedTenantDoesNotStopTheOthers(t *testing.T) {
	address := process.FreePorts(t, 1)[0]
	l := &fussyLoki{loki: loki{ids: map[string]int{}}, closed: "bad"}
	l.start(t, address)
	p := process.Start(t, process.Settings{
		Env: map[string]string{"PENSTOCK_LOKI_URL": "http://" + address},
		Args: []string{
			"--set=exporters::loki::tenant_patience=2s", "--set=exporters::loki::retry_on_failure::initial_interval=200ms",
			"--set=exporters::loki::retry_on_failure::max_interval=500ms",
		},
	})
	const lines = 20
	for i := range lines {
		for _, tenant := range []string{"bad", "good"} {
			answer, err := send.Logs(p.HTTP(), lineOf(tenant, fmt.Sprintf("%s-%d line", tenant, i)))
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, answer.Status, answer.Body)
		}
	}
	ask.Eventually(t, func() error { return l.missing("good-", lines) })
	ask.Eventually(t, func() error {
		n, err := ask.Metric(p.Telemetry(), "otelcol_exporter_loki_refused_entries", `reason="tenant_patience"`)
		if err == nil && n < lines {
			err = fmt.Errorf("%v entries are counted", n)
		}
		return err
	})
	n, err := ask.Metric(p.Telemetry(), "otelcol_receiver_kafka_replay_dead_letters", `reason="tenant_patience"`, `signal="logs"`)
	require.NoError(t, err)
	assert.Positive(t, n)
	assert.Equal(t, 1, errorLines(p, "Loki has refused a tenant", "bad", "403"))

	l.mu.Lock()
	l.closed = ""
	l.mu.Unlock()
	id := replay(t, p, `{"signal":"logs","from":"-1h","source":"deadletter","tenants":["bad"],"headers":{"penstock-reason":"tenant_patience*"}}`)
	ask.Eventually(t, func() error { return ended(p, id) })
	require.NoError(t, l.missing("bad-", lines))
	ask.Eventually(t, func() error { // The exporter looks from time to time whether Loki takes the tenant again.
		answer, err := send.Logs(p.HTTP(), lineOf("bad", fmt.Sprintf("new-0 %d", time.Now().UnixNano())))
		if err == nil && answer.Status != http.StatusOK {
			err = fmt.Errorf("%d %s", answer.Status, answer.Body)
		}
		if err == nil {
			err = l.missing("new-", 1)
		}
		return err
	})
	ask.Eventually(t, func() error { // the server has the line a moment before the exporter has its answer
		if !strings.Contains(p.Log(), "Loki accepts the entries of a tenant again") {
			return errors.New("the log does not say that the tenant is accepted again")
		}
		return nil
	})
}

// The same for metrics by remote write, in one partition: the tenant stands in front of the others until the patience is over.
func TestOneRefusedTenantDoesNotStopTheMetricsOfOthers(t *testing.T) {
	var mu sync.Mutex
	refused, taken := 0, map[string]int{}
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch tenant := r.Header.Get("X-Scope-OrgID"); {
		case tenant == "bad":
			refused++
			http.Error(w, "the account is closed", http.StatusForbidden)
			return
		case r.ContentLength > 64: // else it is a question
			taken[tenant]++
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(store.Close)
	p := process.Start(t, process.Settings{
		Env: map[string]string{"PENSTOCK_REMOTE_WRITE_URL": store.URL},
		Args: []string{
			"--set=processors::kafka_replay::topics::partitions=1", "--set=receivers::host_metrics::initial_delay=1h",
			"--set=exporters::prometheus_tsdb/remote_write::tenant_header=X-Scope-OrgID", "--set=exporters::prometheus_tsdb/remote_write::tenant_patience=2s",
			"--set=exporters::prometheus_tsdb/remote_write::retry_on_failure::initial_interval=200ms",
			"--set=exporters::prometheus_tsdb/remote_write::retry_on_failure::max_interval=500ms",
		},
	})
	level := func(tenant string) pmetric.Metrics {
		md := pmetric.NewMetrics()
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", "shop")
		rm.Resource().Attributes().PutStr("tenant.id", tenant)
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("stock")
		dp := m.SetEmptyGauge().DataPoints().AppendEmpty()
		dp.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		dp.SetIntValue(7)
		return md
	}
	answer, err := send.Metrics(p.HTTP(), level("bad"))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	ask.Eventually(t, func() error {
		mu.Lock()
		defer mu.Unlock()
		if refused == 0 {
			return errors.New("the tenant was not tried yet")
		}
		return nil
	})
	answer, err = send.Metrics(p.HTTP(), level("good"))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	ask.Eventually(t, func() error {
		mu.Lock()
		defer mu.Unlock()
		if taken["good"] == 0 {
			return fmt.Errorf("good waits; bad was refused %d times", refused)
		}
		return nil
	})
	ask.Eventually(t, func() error { // one push can have both, and the letter follows what was sent
		n, err := ask.Metric(p.Telemetry(), "otelcol_receiver_kafka_replay_dead_letters", `reason="tenant_patience"`, `signal="metrics"`)
		if err == nil && n < 1 {
			err = errors.New("no dead letter is counted")
		}
		return err
	})
}
