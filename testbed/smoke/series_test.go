package smoke

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// manySeries is one request with a gauge of n series, from the first on.
func manySeries(first, n int) []byte {
	var points []string
	for i := first; i < first+n; i++ {
		points = append(points, fmt.Sprintf(`{"asInt":"1","timeUnixNano":"%d","attributes":[{"key":"user","value":{"stringValue":"u%d"}}]}`, time.Now().UnixNano(), i))
	}
	return fmt.Appendf(nil, `{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeMetrics":[{"metrics":[{"name":"users","gauge":{"dataPoints":[%s]}}]}]}]}`,
		strings.Join(points, ","))
}

// What the file of keys says of series holds in the guard: for a key's tenant, and for one under tenants; a number that is changed counts within
// seconds, and what is past it is folded.
func TestKeysHaveBudgetsOfSeries(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	acme := newKey(t, keys, "--tenant", "acme", "--scope", "ingest,read", "--series", "5")
	free := newKey(t, keys, "--tenant", "free", "--scope", "ingest,read")
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_KEYS_FILE": keys}, Args: []string{"--set=processors::cardinality_guard/tsdb::flush_interval=1s"}})
	post := func(key string, first, n int) {
		answer, err := send.Post(p.HTTP(), "/v1/metrics", manySeries(first, n), "Content-Type", jsonType, "X-API-Key", key)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	}
	count := func(key, query string) string {
		status, text := callAs(t, http.MethodGet, "http://"+p.TSDB()+"/api/v1/query?query="+query, key, "")
		require.Equal(t, http.StatusOK, status, text)
		return text
	}
	await := func(key, query, want string) {
		t.Helper()
		ask.Eventually(t, func() error {
			if text := count(key, query); !strings.Contains(text, `,"`+want+`"]`) {
				return fmt.Errorf("%s is %s", query, text)
			}
			return nil
		})
	}
	const admitted, folded = `count(users{otel_metric_overflow!="true"})`, `count(users{otel_metric_overflow="true"})>bool+0`
	query := func(s string) string {
		return strings.NewReplacer("{", "%7B", "}", "%7D", "!", "%21", "\"", "%22", ">", "%3E").Replace(s)
	}
	post(free, 0, 20)
	post(acme, 0, 20)
	await(free, query(admitted), "20")
	await(acme, query(admitted), "5")

	content, err := os.ReadFile(keys)
	require.NoError(t, err)
	changed := append(bytes.ReplaceAll(content, []byte("series: 5"), []byte("series: 1")), "tenants:\n- {tenant: acme, limits: {series: 8}}\n"...)
	require.NotContains(t, string(changed), "series: 5")
	require.NoError(t, os.WriteFile(keys, changed, 0o600))
	ask.Eventually(t, func() error {
		post(acme, 0, 20)
		if text := count(acme, query(admitted)); !strings.Contains(text, `,"8"]`) {
			return fmt.Errorf("with the new budget: %s", text)
		}
		return nil
	})
	await(acme, query(folded), "1")
	p.Terminate(t)
	assert.NotContains(t, p.Log(), "panic")
}
