package smoke

import (
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

// counters is one request of a shop that has a cumulative counter at total and has counted clicks more as deltas.
func counters(started, at time.Time, total, clicks int) string {
	return fmt.Sprintf(`{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeMetrics":[{"metrics":[
		{"name":"orders","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"asInt":"%d","startTimeUnixNano":"%d","timeUnixNano":"%d"}]}},
		{"name":"clicks","sum":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{"asInt":"%d","startTimeUnixNano":"%d","timeUnixNano":"%d"}]}}]}]}]}`,
		total, started.UnixNano(), at.UnixNano(), clicks, at.Add(-time.Millisecond).UnixNano(), at.UnixNano())
}

// sold is one request of the shop that has a cumulative counter since it started.
func sold(started time.Time, total int) string {
	return fmt.Sprintf(`{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeMetrics":[{"metrics":[
		{"name":"sold","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"asInt":"%d","startTimeUnixNano":"%d","timeUnixNano":"%d"}]}}]}]}]}`,
		total, started.UnixNano(), time.Now().UnixNano())
}

// windowsOfASecond lets a test see rollups soon.
const windowsOfASecond = `--set=processors::window_rollup/tsdb::rules=[{match: {metric: sold}, windows: [{size: 1s}], by: [service.name], aggregates: [increase]}]`

// increases is what the rollups have of that counter.
const increases = "sum(sum_over_time(sold_increase%5B10m%5D))"

// soonInTheLake makes files of few rows, so that a test need not wait.
const soonInTheLake = "--set=receivers::kafka_replay/lake::follow::range::max_wait=200ms"

// awaitRows waits until the lake has that many log records of the tenants, and none of others.
func awaitRows(t *testing.T, p *process.Process, want map[string]int64) {
	t.Helper()
	ask.Eventually(t, func() error {
		all := int64(0)
		for tenant, n := range want {
			if got := rowsOf(t, p, tenant); got != n {
				return fmt.Errorf("%s has %d rows, not %d", tenant, got, n)
			}
			all += n
		}
		if got := ask.LakeRows(t, p.Lake(), "logs"); got != all {
			return fmt.Errorf("the lake has %d rows, not %d", got, all)
		}
		return nil
	})
}

// Keys that are switched on move a sender from the tenant default to its own: its series and running totals begin anew, what was counted stays
// where it was, and nothing is in both.
func TestSwitchingKeysOnMovesASender(t *testing.T) {
	keys, dir := filepath.Join(t.TempDir(), "keys.yaml"), t.TempDir()
	acme := newKey(t, keys, "--tenant", "acme", "--scope", "ingest,read")
	settings := process.Settings{DataDir: dir, Args: []string{"--set=receivers::host_metrics::initial_delay=1h", soonInTheLake, windowsOfASecond, "--set=processors::window_rollup/tsdb::allowed_lateness=1s", "--set=processors::window_rollup/tsdb::idle_timeout=2s"}}
	started := time.Now().Add(-time.Hour)
	post := func(p *process.Process, path, key, body string) {
		t.Helper()
		status, text := callAs(t, http.MethodPost, "http://"+p.HTTP()+path, key, body)
		require.Equal(t, http.StatusOK, status, text)
	}
	value := func(p *process.Process, query, key string) (float64, error) {
		status, text := callAs(t, http.MethodGet, "http://"+p.TSDB()+"/api/v1/query?query="+query, key, "")
		if status != http.StatusOK {
			return 0, fmt.Errorf("%d %s", status, text)
		}
		_, rest, ok := strings.Cut(text, `"value":[`)
		if !ok {
			return 0, fmt.Errorf("no value: %s", text)
		}
		_, rest, _ = strings.Cut(rest, `,"`)
		var v float64
		_, err := fmt.Sscanf(rest, "%g", &v)
		return v, err
	}
	await := func(p *process.Process, query, key string, want float64) {
		t.Helper()
		ask.Eventually(t, func() error {
			got, err := value(p, query, key)
			if err == nil && got != want {
				err = fmt.Errorf("%s is %v, not %v", query, got, want)
			}
			return err
		})
	}

	// Windows close when later points come, so the last one is sent again and again.
	awaitIncreases := func(p *process.Process, key string, again func(), want float64) {
		t.Helper()
		ask.Eventually(t, func() error {
			again()
			got, err := value(p, increases, key)
			if err == nil && got != want {
				err = fmt.Errorf("%v, not %v, were sold", got, want)
			}
			return err
		})
	}

	before := process.Start(t, settings)
	post(before, "/v1/metrics", "", counters(started, time.Now(), 100, 5))
	post(before, "/v1/metrics", "", counters(started, time.Now(), 110, 7))
	post(before, "/v1/logs", "", `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeLogs":[{"logRecords":[{"body":{"stringValue":"before"}}]}]}]}`)
	await(before, "clicks_total", "", 12)
	await(before, "orders_total", "", 110)
	newer := time.Now() // a process that starts behind the gateway: all that it counts is news
	post(before, "/v1/metrics", "", sold(newer, 40))
	awaitIncreases(before, "", func() { post(before, "/v1/metrics", "", sold(newer, 50)) }, 50)
	before.Terminate(t)

	settings.Env = map[string]string{"PENSTOCK_KEYS_FILE": keys}
	after := process.Start(t, settings)
	post(after, "/v1/metrics", acme, sold(newer, 57)) // the baseline: the tenant default has counted up to 50 of it
	awaitIncreases(after, acme, func() { post(after, "/v1/metrics", acme, sold(newer, 60)) }, 3)
	await(after, increases, after.AdminToken(t), 53)
	post(after, "/v1/metrics", acme, counters(started, time.Now(), 130, 4))
	post(after, "/v1/logs", acme, `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeLogs":[{"logRecords":[{"body":{"stringValue":"after"}}]}]}]}`)
	await(after, "clicks_total", acme, 4) // not 16: the running total of default is not acme's
	await(after, "orders_total", acme, 130)
	boss := after.AdminToken(t)
	await(after, "sum(clicks_total)", boss, 16) // all that was sent, once
	await(after, "count(clicks_total)", boss, 2)
	await(after, "count(orders_total)", boss, 2)
	await(after, `sum(last_over_time(clicks_total{tenant_id=""}[1h]))`, boss, 12)
	awaitRows(t, after, map[string]int64{"default": 1, "acme": 1})
}

// The clients of an agent have keys of its own; whose what they send is reaches the gateway through a key that may forward, also where their
// requests wait on disk together.
func TestAnAgentForwardsTheTenantsOfItsClients(t *testing.T) {
	dir := t.TempDir()
	agentKeys, gatewayKeys := filepath.Join(dir, "agent.yaml"), filepath.Join(dir, "gateway.yaml")
	acme := newKey(t, agentKeys, "--tenant", "acme", "--scope", "ingest")
	beta := newKey(t, agentKeys, "--tenant", "beta", "--scope", "ingest")
	forward := newKey(t, gatewayKeys, "--scope", "forward")
	gateway := process.New(t, process.Settings{Args: []string{soonInTheLake}, Env: map[string]string{"PENSTOCK_KEYS_FILE": gatewayKeys}})
	agent := process.Start(t, process.Settings{Configs: []string{"profile:agent"}, Env: map[string]string{
		"PENSTOCK_KEYS_FILE": agentKeys, "PENSTOCK_GATEWAY_ENDPOINT": gateway.GRPC(), "PENSTOCK_GATEWAY_KEY": forward,
	}})
	status, _ := callAs(t, http.MethodPost, "http://"+agent.HTTP()+"/v1/logs", "", string(logOf("shop", "nobody")))
	assert.Equal(t, http.StatusUnauthorized, status)
	for i := range 5 { // they wait: there is no gateway yet
		for _, key := range []string{acme, beta, beta} {
			status, text := callAs(t, http.MethodPost, "http://"+agent.HTTP()+"/v1/logs", key, string(logOf("shop", fmt.Sprint("line ", i))))
			require.Equal(t, http.StatusOK, status, text)
		}
	}
	agent.Kill()
	gateway.Begin(t)
	gateway.AwaitHealthy(t)
	agent.Restart(t)
	awaitRows(t, gateway, map[string]int64{"acme": 5, "beta": 10}) // what resources say of tenants does not count
}
