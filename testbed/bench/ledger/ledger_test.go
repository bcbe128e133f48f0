package ledger

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/measure"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	requestsPerRun    = 500
	recordsPerRequest = 200
)

// config is a journal in the process, followed by a lake; %s are further extensions.
const config = `
extensions:
  health_check: {endpoint: "${env:PENSTOCK_HEALTH_ENDPOINT}"}
  embedded_kafka: {endpoint: "${env:PENSTOCK_KAFKA_ENDPOINT}", directory: "${env:PENSTOCK_DATA_DIR}/kafka"}
  ledger:
receivers:
  otlp: {protocols: {http: {endpoint: "${env:PENSTOCK_OTLP_HTTP_ENDPOINT}"}}}
  kafka_replay: {brokers: ["${env:PENSTOCK_KAFKA_ENDPOINT}"], follow: {group: lake, range: {recorded: true, max_records: 100000, max_wait: 1s, max_bytes: 8388608}}}
processors:
  kafka_replay:
    brokers: ["${env:PENSTOCK_KAFKA_ENDPOINT}"]
    topics: {partitions: 1, replication_factor: 1, min_insync_replicas: 1, allow_weak_durability: true}
exporters:
  nop:
  parquet: {url: "${env:PENSTOCK_DATA_DIR}/lake"}
service:
  extensions: [health_check, embedded_kafka%s]
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
    logs: {receivers: [otlp], processors: [kafka_replay], exporters: [nop]}
    logs/lake: {receivers: [kafka_replay], exporters: [parquet]}
`

// BenchmarkLedger compares the CPU for each log record, in interleaved pairs.
func BenchmarkLedger(b *testing.B) {
	all := map[string]*gateway{}
	for name, further := range map[string]string{"off": "", "on": ", ledger"} {
		path := filepath.Join(b.TempDir(), "pipeline.yaml")
		require.NoError(b, os.WriteFile(path, []byte(fmt.Sprintf(config, further)), 0o600))
		// The same garbage collection for both, whatever lives.
		g := &gateway{Process: process.Start(b, process.Settings{Configs: []string{path}, Env: map[string]string{"GOGC": "off", "GOMEMLIMIT": "500MiB"}})}
		ask.Eventually(b, func() error { return g.post(1) }) // topics have to be made
		g.spend(b)                                           // warm
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
	measure.Report(b, spent["off"], "off-ns/record")
	measure.Report(b, spent["on"], "on-ns/record")
	measure.Report(b, ratios, "on/off")
	b.ReportMetric(0, "ns/op")
}

type gateway struct {
	*process.Process
	sent int
}

// post sends a request of n records that were never sent before.
func (g *gateway) post(n int) error {
	body, err := plogotlp.NewExportRequestFromLogs(send.LogBatch("load", g.sent, n)).MarshalProto()
	if err != nil {
		return err
	}
	a, err := send.Post(g.HTTP(), "/v1/logs", body, "Content-Type", "application/x-protobuf")
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("status %d: %s", a.Status, a.Body)
	}
	if err == nil {
		g.sent += n
	}
	return err
}

// spend sends a run's requests and returns the CPU for each record, in nanoseconds, when the lake has them.
func (g *gateway) spend(b *testing.B) float64 {
	b.Helper()
	before := g.CPUSoFar(b)
	for range requestsPerRun {
		require.NoError(b, g.post(recordsPerRequest))
	}
	ask.Eventually(b, func() error {
		if have := ask.LakeRows(b, g.Lake(), "logs"); have != int64(g.sent) {
			return fmt.Errorf("the lake has %d of %d", have, g.sent)
		}
		return nil
	})
	return float64(g.CPUSoFar(b)-before) / (requestsPerRun * recordsPerRequest)
}
