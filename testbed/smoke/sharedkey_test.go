package smoke

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// oneBroker makes a gateway's topics on a Kafka that is one process.
const oneBroker = `
processors:
  kafka_replay: {topics: {partitions: 1, replication_factor: 1, min_insync_replicas: 1, allow_weak_durability: true}}
`

// Gateways behind one Kafka give a series one name, whichever its points came through: also those that start at once, that start again
// without their data, and that had a key of their own before.
func TestGatewaysBehindOneKafkaHashAlike(t *testing.T) {
	store := process.Start(t, process.Settings{Args: []string{"--set=receivers::host_metrics::initial_delay=1h"}})
	config := filepath.Join(t.TempDir(), "one.yaml")
	require.NoError(t, os.WriteFile(config, []byte(oneBroker), 0o600))
	gateway := func() *process.Process {
		return process.New(t, process.Settings{Configs: []string{"profile:gateway", config}, Env: map[string]string{
			"PENSTOCK_KAFKA_BROKERS": store.Variable("PENSTOCK_KAFKA_ENDPOINT"), "PENSTOCK_KAFKA_TOPIC_PREFIX": "shared", "PENSTOCK_LAKE_URL": "off",
			"PENSTOCK_REMOTE_WRITE_URL": "http://" + store.TSDB() + "/api/v1/write",
		}})
	}
	sent, begin := 0, time.Now().Add(-time.Minute)
	sendTo := func(p *process.Process) {
		t.Helper()
		md := pmetric.NewMetrics()
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", "logins")
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("logins")
		point := m.SetEmptyGauge().DataPoints().AppendEmpty()
		point.SetTimestamp(pcommon.NewTimestampFromTime(begin.Add(time.Duration(sent) * time.Second)))
		point.Attributes().PutStr("user", "jane@example.com")
		point.SetIntValue(int64(sent))
		answer, err := send.Metrics(p.HTTP(), md)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.Status, answer.Body)
		sent++
	}
	one, two := gateway(), gateway()
	one.Begin(t)
	two.Begin(t)
	one.AwaitHealthy(t)
	two.AwaitHealthy(t)
	sendTo(one)
	sendTo(two)

	one.Terminate(t)
	require.NoError(t, os.Remove(filepath.Join(one.DataDir(), "pii.key")))
	one.Restart(t)
	sendTo(one)

	// One that was alone before keeps its key in the file, uses the shared one, and says so.
	own := gateway()
	require.NoError(t, os.WriteFile(filepath.Join(own.DataDir(), "pii.key"), []byte("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"), 0o600))
	own.Begin(t)
	own.AwaitHealthy(t)
	sendTo(own)
	assert.Contains(t, own.Log(), "Remove the file: a copy of the shared key replaces it")
	assert.NotContains(t, one.Log()+two.Log(), "\twarn\t")

	ask.Eventually(t, func() error {
		got, err := ask.PromValue(store.TSDB(), "sum(count_over_time(logins[1h]))")
		if err == nil && got != float64(sent) {
			err = fmt.Errorf("%v of %d samples", got, sent)
		}
		return err
	})
	series, err := ask.PromValue(store.TSDB(), `count(last_over_time(logins{user=~"\\[HMAC:email:.*"}[1h]))`)
	require.NoError(t, err)
	assert.EqualValues(t, 1, series, "one series for one user")
	copied, err := os.ReadFile(filepath.Join(one.DataDir(), "pii.key"))
	require.NoError(t, err)
	kept, err := os.ReadFile(filepath.Join(two.DataDir(), "pii.key"))
	require.NoError(t, err)
	assert.Equal(t, kept, copied, "each has a copy")
}
