package gateway

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/process"
)

// Stock returns the settings of a stock collector with a queue on disk that sends to address; `make -C testbed/backends otelcol` builds it.
// storage is added to the settings of file_storage.
func Stock(t testing.TB, address, storage string) process.Settings {
	t.Helper()
	binary := filepath.Join(filepath.Dir(process.Binary(t)), "backends", "otelcol")
	require.FileExists(t, binary, "run `make -C testbed/backends otelcol` first")
	config := filepath.Join(t.TempDir(), "stock.yaml")
	require.NoError(t, os.WriteFile(config, []byte(`
extensions:
  health_check: {endpoint: "${env:PENSTOCK_HEALTH_ENDPOINT}"}
  file_storage: {directory: "${env:PENSTOCK_DATA_DIR}/queue", create_directory: true`+storage+`}
receivers:
  otlp: {protocols: {http: {endpoint: "${env:PENSTOCK_OTLP_HTTP_ENDPOINT}"}}}
exporters:
  otlp_grpc:
    endpoint: "`+address+`"
    tls: {insecure: true}
    compression: gzip
    timeout: 2s
    retry_on_failure: {initial_interval: 100ms, max_interval: 200ms, max_elapsed_time: 0}
    sending_queue: {storage: file_storage, queue_size: 1000000}
service:
  extensions: [health_check, file_storage]
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [otlp], exporters: [otlp_grpc]}
    traces: {receivers: [otlp], exporters: [otlp_grpc]}
    metrics: {receivers: [otlp], exporters: [otlp_grpc]}
`), 0o600))
	return process.Settings{Binary: binary, Configs: []string{config}}
}
