package smoke

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// newKey makes a key with the binary: the last word that it prints.
func newKey(t *testing.T, file string, args ...string) string {
	t.Helper()
	out, err := exec.Command(process.Binary(t), append([]string{"keys", "new", "--file", file}, args...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	words := strings.Fields(string(out))
	return words[len(words)-1]
}

func logOf(service, body string) []byte {
	return fmt.Appendf(nil, `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":%q}},{"key":"tenant.id","value":{"stringValue":"mallory"}}]},
		"scopeLogs":[{"logRecords":[{"timeUnixNano":"%d","body":{"stringValue":%q}}]}]}]}`, service, time.Now().UnixNano(), body)
}

// With PENSTOCK_KEYS_FILE nobody without a key gets in, a key names the tenant whatever the client says, and revoking one is seen while
// others go on.
func TestKeys(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	acme := newKey(t, keys, "--tenant", "acme", "--scope", "ingest")
	narrow := newKey(t, keys, "--tenant", "beta", "--scope", "ingest", "--signal", "logs", "--service", "shop")
	forward := newKey(t, keys, "--scope", "forward")
	reader := newKey(t, keys, "--tenant", "acme", "--scope", "read")
	both := newKey(t, keys, "--tenant", "acme", "--scope", "read,ingest")
	boss := newKey(t, keys, "--tenant", "acme", "--scope", "admin")
	p := process.Start(t, process.Settings{Args: []string{soonInTheLake}, Env: map[string]string{"PENSTOCK_KEYS_FILE": keys}})

	post := func(endpoint, path string, body []byte, header ...string) int {
		answer, err := send.Post(endpoint, path, body, append([]string{"Content-Type", jsonType}, header...)...)
		require.NoError(t, err)
		return answer.Status
	}
	get := func(endpoint, path, key string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+endpoint+path, nil)
		require.NoError(t, err)
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return answer.StatusCode
	}
	ask.Eventually(t, func() error { // the stores open beside the rest of the start
		if got := get(p.TSDB(), "/-/ready", reader); got != http.StatusOK {
			return fmt.Errorf("the TSDB is not open: %d", got)
		}
		return nil
	})
	const hec = "/services/collector"
	for name, got := range map[string][2]int{
		"no key":                     {401, post(p.HTTP(), "/v1/logs", logOf("a", "no"))},
		"a wrong key":                {401, post(p.HTTP(), "/v1/logs", logOf("a", "no"), "X-API-Key", acme+"0")},
		"a reader's key":             {401, post(p.HTTP(), "/v1/logs", logOf("a", "no"), "X-API-Key", reader)},
		"its own tenant":             {200, post(p.HTTP(), "/v1/logs", logOf("a", "acme 1"), "X-API-Key", acme)},
		"another's tenant":           {200, post(p.HTTP(), "/v1/logs", logOf("a", "acme 2"), "Authorization", "Bearer "+acme, "X-Scope-OrgID", "mallory")},
		"its service":                {200, post(p.HTTP(), "/v1/logs", logOf("shop", "beta 1"), "X-API-Key", narrow)},
		"another service":            {403, post(p.HTTP(), "/v1/logs", logOf("a", "no"), "X-API-Key", narrow)},
		"another signal":             {403, post(p.HTTP(), "/v1/metrics", []byte(`{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"asInt":"1","timeUnixNano":"1795910400000000000"}]}}]}]}]}`), "X-API-Key", narrow)},
		"a forwarder's header":       {200, post(p.HTTP(), "/v1/logs", logOf("a", "gamma 1"), "X-API-Key", forward, "X-Scope-OrgID", "gamma")},
		"a forwarder's attribute":    {200, post(p.HTTP(), "/v1/logs", logOf("a", "mallory 1"), "X-API-Key", forward)},
		"JSON without":               {401, post(p.Ingest(), "/api/v1/logs/ingest", []byte(`{"message":"no"}`))},
		"JSON":                       {202, post(p.Ingest(), "/api/v1/logs/ingest", []byte(`{"message":"acme 3"}`), "Authorization", "Bearer "+acme)},
		"Loki":                       {204, post(p.Ingest(), "/loki/api/v1/push", fmt.Appendf(nil, `{"streams":[{"stream":{"app":"a"},"values":[["%d","acme 4"]]}]}`, time.Now().UnixNano()), "X-API-Key", acme, "X-Scope-OrgID", "mallory")},
		"Elasticsearch":              {200, post(p.Ingest(), "/_bulk", []byte("{\"index\":{}}\n{\"message\":\"acme 5\"}\n"), "Authorization", "ApiKey "+acme)},
		"Elasticsearch without":      {401, post(p.Ingest(), "/_bulk", []byte("{\"index\":{}}\n{\"message\":\"no\"}\n"))},
		"Splunk":                     {200, post(p.Ingest(), hec, []byte(`{"event":"acme 6"}`), "Authorization", "Splunk "+acme)},
		"Splunk without":             {401, post(p.Ingest(), hec, []byte(`{"event":"no"}`))},
		"Splunk with a wrong one":    {403, post(p.Ingest(), hec, []byte(`{"event":"no"}`), "Authorization", "Splunk x")},
		"PromQL without":             {401, get(p.TSDB(), "/api/v1/query?query=up", "")},
		"PromQL to who sends":        {403, get(p.TSDB(), "/api/v1/query?query=up", acme)},
		"PromQL":                     {200, get(p.TSDB(), "/api/v1/query?query=up", reader)},
		"remote write by who reads":  {403, post(p.TSDB(), "/api/v1/write", []byte("x"), "X-API-Key", reader)},
		"remote write by both":       {400, post(p.TSDB(), "/api/v1/write", []byte("x"), "X-API-Key", both, "Content-Type", "application/x-protobuf")},
		"pages without":              {401, get(p.Admin(), "/", "")},
		"pages to who reads":         {200, get(p.Admin(), "/", reader)},
		"pages":                      {200, get(p.Admin(), "/", boss)},
		"pages with the admin token": {200, get(p.Admin(), "/", p.AdminToken(t))},
		"liveness":                   {200, get(p.Health(), "/", "")},
	} {
		assert.Equal(t, got[0], got[1], name)
	}

	// An agent with a key of the scope forward reaches the gateway over gRPC; its own clients need none.
	agent := process.Start(t, process.Settings{Configs: []string{"profile:agent"}, Env: map[string]string{"PENSTOCK_GATEWAY_ENDPOINT": p.GRPC(), "PENSTOCK_GATEWAY_KEY": forward}})
	require.Equal(t, 200, post(agent.HTTP(), "/v1/logs", logOf("a", "mallory 2")))
	ask.Eventually(t, func() error {
		sent, err := ask.Metric(agent.Telemetry(), "otelcol_exporter_sent_log_records")
		if err == nil && sent < 1 {
			err = fmt.Errorf("the agent has sent %v records", sent)
		}
		return err
	})

	id := strings.Split(acme, "_")[1]
	out, err := exec.Command(process.Binary(t), "keys", "revoke", "--file", keys, id).CombinedOutput()
	require.NoError(t, err, "%s", out)
	ask.Eventually(t, func() error {
		if got := post(p.HTTP(), "/v1/logs", []byte(`{"resourceLogs":[]}`), "X-API-Key", acme); got != 401 {
			return fmt.Errorf("a revoked key is answered with %d", got)
		}
		return nil
	})
	assert.Equal(t, 200, post(p.HTTP(), "/v1/logs", logOf("shop", "beta 2"), "X-API-Key", narrow))
	refused, err := ask.Metric(p.Telemetry(), "otelcol_extension_api_key_auth_refused_requests", `reason="missing"`)
	require.NoError(t, err)
	assert.EqualValues(t, 6, refused)

	awaitRows(t, p, map[string]int64{"acme": 6, "beta": 2, "gamma": 1, "mallory": 2})
	p.Terminate(t)
	_, metrics, err := process.Fetch(context.Background(), "http://"+agent.Telemetry()+"/metrics")
	require.NoError(t, err)
	assert.NotContains(t, metrics, forward)
	for _, log := range []string{p.Log(), agent.Log()} {
		for _, key := range []string{acme, narrow, forward, reader, boss} {
			assert.NotContains(t, log, key[len("penstock_12345678_"):], "no key is in a log")
		}
	}
}

// rowsOf is how many log records of a tenant the lake has.
func rowsOf(t *testing.T, p *process.Process, tenant string) (rows int64) {
	t.Helper()
	for _, path := range ask.LakeFiles(t, p.Lake(), "logs") {
		if strings.Contains(path, "/tenant="+tenant+"/") {
			r, err := file.OpenParquetFile(path, false)
			require.NoError(t, err, path)
			rows += r.NumRows()
			require.NoError(t, r.Close())
		}
	}
	return rows
}
