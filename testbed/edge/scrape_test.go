package edge

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/gateway"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// PENSTOCK_SCRAPE_CONFIG: a target that a file names is scraped. Kubernetes discovery is in the binary: its configuration is read.
func TestTheAgentScrapes(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = fmt.Fprint(w, "# TYPE kettles_total counter\nkettles_total 7\n")
	}))
	defer target.Close()
	dir := t.TempDir()
	targets := filepath.Join(dir, "targets.json")
	require.NoError(t, os.WriteFile(targets, []byte(`[{"targets":["`+strings.TrimPrefix(target.URL, "http://")+`"]}]`), 0o600))
	file := filepath.Join(dir, "scrape.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`scrape_configs:
  - job_name: files
    scrape_interval: 1s # and as long for an answer
    scrape_timeout: 1s
    file_sd_configs: [{files: ["`+targets+`"]}]
  - job_name: pods
    kubernetes_sd_configs: [{role: pod, api_server: "http://127.0.0.1:1"}]
`), 0o600))
	g := gateway.New(t)
	p := process.Start(t, process.Settings{Configs: []string{"profile:agent"}, Args: []string{"--set=exporters::otlp_grpc/gateway::compression=gzip"},
		Env: map[string]string{"PENSTOCK_GATEWAY_ENDPOINT": g.Address, "PENSTOCK_STATSD_ENDPOINT": freeport.One(t), "PENSTOCK_SCRAPE_CONFIG": file}})
	ask.Eventually(t, func() error {
		if n := g.Metrics()["kettles_total"]; n < 2 {
			return fmt.Errorf("%d scrapes", n)
		}
		return nil
	})
	p.Terminate(t)
}

// A file of targets that is not there stops the start: the receiver would take its name for a pattern that fits nothing.
func TestAStartWithoutItsScrapeFileFails(t *testing.T) {
	p := process.New(t, process.Settings{Configs: []string{"profile:agent"}, Env: map[string]string{
		"PENSTOCK_STATSD_ENDPOINT": freeport.One(t), "PENSTOCK_SCRAPE_CONFIG": filepath.Join(t.TempDir(), "none.yaml")}})
	p.Begin(t)
	require.NotZero(t, p.Wait(t))
	require.Contains(t, p.Log(), "PENSTOCK_SCRAPE_CONFIG: there is no file")
}
