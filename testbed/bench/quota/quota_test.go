package quota

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/measure"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	requestsPerRun   = 2000
	pointsPerRequest = 100
)

// config is a listener with keys before a journal in the process; the %s put quotas there.
const config = `
extensions:
  health_check: {endpoint: "${env:PENSTOCK_HEALTH_ENDPOINT}"}
  embedded_kafka: {endpoint: "${env:PENSTOCK_KAFKA_ENDPOINT}", directory: "${env:PENSTOCK_DATA_DIR}/kafka"}
  api_key_auth: {file: "%s"}
  quota:
    defaults:
      key: {bytes_per_second: 1000000000, items_per_second: 100000000, bytes_per_day: 1000000000000}
      tenant: {bytes_per_second: 1000000000, items_per_second: 100000000, bytes_per_day: 1000000000000}
      service: {bytes_per_second: 1000000000, items_per_second: 100000000, bytes_per_day: 1000000000000}
receivers:
  otlp: {protocols: {http: {endpoint: "${env:PENSTOCK_OTLP_HTTP_ENDPOINT}", auth: {authenticator: api_key_auth}%s}}}
processors:
  quota:
  kafka_replay:
    brokers: ["${env:PENSTOCK_KAFKA_ENDPOINT}"]
    topics: {partitions: 1, replication_factor: 1, min_insync_replicas: 1, allow_weak_durability: true}
exporters:
  nop:
service:
  extensions: [health_check, embedded_kafka, api_key_auth%s]
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
    metrics: {receivers: [otlp], processors: [%skafka_replay], exporters: [nop]}
`

// BenchmarkQuota compares the CPU of the whole binary for each request that it appends to the journal, in interleaved pairs: with quotas of the key,
// its tenant and the service, and without.
func BenchmarkQuota(b *testing.B) {
	keys := filepath.Join(b.TempDir(), "keys.yaml")
	out, err := exec.Command(process.Binary(b), "keys", "new", "--file", keys, "--tenant", "acme", "--scope", "ingest").CombinedOutput()
	require.NoError(b, err, "%s", out)
	words := strings.Fields(string(out))
	body, err := pmetricotlp.NewExportRequestFromMetrics(points()).MarshalProto()
	require.NoError(b, err)
	all := map[string]*gateway{}
	for name, parts := range map[string][]any{"off": {keys, "", "", ""}, "on": {keys, ", middlewares: [{id: quota}]", ", quota", "quota, "}} {
		path := filepath.Join(b.TempDir(), name+".yaml")
		require.NoError(b, os.WriteFile(path, fmt.Appendf(nil, config, parts...), 0o600))
		// The same garbage collection for both, whatever lives.
		g := &gateway{process.Start(b, process.Settings{Configs: []string{path}, Env: map[string]string{"GOGC": "off", "GOMEMLIMIT": "400MiB"}}), words[len(words)-1], body}
		ask.Eventually(b, g.post) // topics have to be made
		g.spend(b)                // warm
		all[name] = g
	}
	spent, ratios := map[string][]float64{}, []float64{}
	for i := 0; b.Loop(); i++ {
		round := map[string]float64{}
		order := []string{"off", "on"}
		if i%2 == 1 {
			order = []string{"on", "off"}
		}
		for _, name := range order {
			round[name] = all[name].spend(b)
			spent[name] = append(spent[name], round[name])
		}
		ratios = append(ratios, round["on"]/round["off"])
	}
	measure.Report(b, spent["off"], "off-ns/request")
	measure.Report(b, spent["on"], "on-ns/request")
	measure.Report(b, ratios, "on/off")
	b.ReportMetric(0, "ns/op")
}

func points() pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "checkout")
	metrics := rm.ScopeMetrics().AppendEmpty().Metrics()
	for i := range pointsPerRequest {
		m := metrics.AppendEmpty()
		m.SetName("http.server.requests." + fmt.Sprint(i%10))
		dp := m.SetEmptyGauge().DataPoints().AppendEmpty()
		dp.SetTimestamp(1_795_910_400_000_000_000)
		dp.SetDoubleValue(float64(i))
		for j := range 5 {
			dp.Attributes().PutStr(fmt.Sprint("attribute.", j), fmt.Sprint("value-", i*j))
		}
	}
	return md
}

type gateway struct {
	*process.Process
	key  string
	body []byte
}

func (g *gateway) post() error {
	a, err := send.Post(g.HTTP(), "/v1/metrics", g.body, "Content-Type", "application/x-protobuf", "X-API-Key", g.key)
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("status %d: %s", a.Status, a.Body)
	}
	return err
}

// spend sends a run's requests and returns the CPU for each, in nanoseconds.
func (g *gateway) spend(b *testing.B) float64 {
	b.Helper()
	before := g.CPUSoFar(b)
	for range requestsPerRun {
		require.NoError(b, g.post())
	}
	return float64(g.CPUSoFar(b)-before) / requestsPerRun
}
