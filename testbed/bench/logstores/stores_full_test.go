//go:build full

package logstores

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/backends/loki"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// logStore is a store of logs that runs as a child.
type logStore interface {
	// begin starts it, on the data that it has.
	begin(t testing.TB)
	// end makes all rows durable, ends it, and returns the CPU time that it has used since begin.
	end(t testing.TB) time.Duration
	// intake is the URL for OTLP over HTTP.
	intake() string
	// stored returns how many rows it has taken.
	stored() (int, error)
	// pid is the child's.
	pid() int
	// rows is the directory of rows and indexes, log of what was written first; empty: none.
	rows() string
	log() string
	// ask answers a question.
	ask(q question, c corpus) (string, error)
}

// makers make the stores, in directories.
var makers = map[string]func(t testing.TB, directory string) logStore{
	"standalone": func(t testing.TB, directory string) logStore { return newPenstock(t, directory, "profile:standalone") },
	"unscrubbed": func(t testing.TB, directory string) logStore {
		return newPenstock(t, directory, "profile:standalone", unscrubbed)
	},
	"nojournal":    func(t testing.TB, directory string) logStore { return newPenstock(t, directory, direct) },
	"victorialogs": newVictoriaLogs,
	"loki":         newLoki,
}

const (
	// unscrubbed is added to the profile: the pipeline has no pii_scrubber then.
	unscrubbed = `service: {pipelines: {logs: {processors: [memory_limiter, quota]}}}`
	// direct has no journal, and nothing of the profile but the store.
	direct = `
receivers:
  otlp: {protocols: {http: {endpoint: "${env:PENSTOCK_OTLP_HTTP_ENDPOINT}", max_request_body_size: 33554432}}}
exporters:
  embedded_logs: {store: embedded_logs}
extensions:
  health_check: {endpoint: "${env:PENSTOCK_HEALTH_ENDPOINT}"}
  embedded_logs: {endpoint: "${env:PENSTOCK_QUERY_ENDPOINT}", directory: "${env:PENSTOCK_DATA_DIR}/logs"}
service:
  extensions: [health_check, embedded_logs]
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
    logs: {receivers: [otlp], exporters: [embedded_logs]}
`
)

type penstock struct{ *process.Process }

// newPenstock prepares Penstock with configurations: a profile, or YAML.
func newPenstock(t testing.TB, directory string, configs ...string) logStore {
	for i, c := range configs {
		if !strings.HasPrefix(c, "profile:") {
			file := filepath.Join(directory, fmt.Sprint("config-", i, ".yaml"))
			require.NoError(t, os.WriteFile(file, []byte(c), 0o600))
			configs[i] = "file:" + file
		}
	}
	return &penstock{process.New(t, process.Settings{DataDir: directory, Configs: configs, Env: map[string]string{"PENSTOCK_LAKE_URL": "off"}})}
}

func (p *penstock) begin(t testing.TB) {
	p.Begin(t)
	p.AwaitHealthy(t)
	ask.Eventually(t, func() error { _, err := p.stored(); return err })
}

func (p *penstock) end(t testing.TB) time.Duration {
	p.Terminate(t)
	return p.CPU()
}

func (p *penstock) intake() string { return "http://" + p.HTTP() + "/v1/logs" }

func (p *penstock) stored() (int, error) { return storedOf("http://" + p.Query()) }

func (p *penstock) pid() int { return p.Pid() }

func (p *penstock) rows() string { return filepath.Join(p.DataDir(), "logs") }

func (p *penstock) log() string { return filepath.Join(p.DataDir(), "kafka") }

func (p *penstock) ask(q question, c corpus) (string, error) { return q.logsQL("http://"+p.Query(), c) }

type victoriaLogs struct {
	*peer
	address string
}

func newVictoriaLogs(t testing.TB, directory string) logStore {
	address := process.FreePorts(t, 1)[0]
	return &victoriaLogs{address: address, peer: &peer{
		binary: backend(t, "victoria-logs"), directory: directory, ready: "http://" + address + "/health",
		args: []string{"-httpListenAddr=" + address, "-storageDataPath=" + filepath.Join(directory, "data"), "-retentionPeriod=7d"},
	}}
}

func (v *victoriaLogs) begin(t testing.TB) { v.start(t) }

func (v *victoriaLogs) end(t testing.TB) time.Duration {
	v.terminate(t)
	return usedCPU(v.cmd.ProcessState)
}

func (v *victoriaLogs) intake() string {
	return "http://" + v.address + "/insert/opentelemetry/v1/logs"
}

func (v *victoriaLogs) stored() (int, error) { return storedOf("http://" + v.address) }

func (v *victoriaLogs) pid() int { return v.cmd.Process.Pid }

func (v *victoriaLogs) rows() string { return filepath.Join(v.directory, "data") }

func (v *victoriaLogs) log() string { return "" }

func (v *victoriaLogs) ask(q question, c corpus) (string, error) {
	return q.logsQL("http://"+v.address, c)
}

// storedOf asks for a number that the store may remember of its blocks' headers.
func storedOf(address string) (int, error) {
	_, body, err := get(address+"/select/logsql/query", url.Values{"query": {"* | stats count() n"}})
	if err != nil {
		return 0, err
	}
	var n int
	if _, err := fmt.Sscanf(body, `{"n":"%d"}`, &n); err != nil && body != "" {
		return 0, fmt.Errorf("%w in %q", err, body)
	}
	return n, nil
}

type lokiStore struct {
	*peer
	address string
}

func newLoki(t testing.TB, directory string) logStore {
	addresses := process.FreePorts(t, 2)
	var ports [2]int
	for i, a := range addresses {
		var err error
		ports[i], err = strconv.Atoi(a[strings.LastIndexByte(a, ':')+1:])
		require.NoError(t, err)
	}
	text := loki.Configuration(t, directory, ports[0], ports[1],
		`{ingestion_rate_mb: 10000, ingestion_burst_size_mb: 10000, per_stream_rate_limit: 10GB, per_stream_rate_limit_burst: 10GB, query_timeout: 10m}`)
	file := filepath.Join(directory, "loki.yaml")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(directory, "overrides.yaml"), []byte("overrides: {}\n"), 0o600))
	return &lokiStore{address: addresses[0], peer: &peer{
		binary: loki.Binary(t), directory: directory, ready: "http://" + addresses[0] + "/ready",
		args: []string{"-config.file", file, "-auth.enabled=false", "-server.http-write-timeout=10m", "-server.http-read-timeout=10m"},
	}}
}

func (l *lokiStore) begin(t testing.TB) { l.start(t) }

// end lets Loki write its chunks: SIGTERM alone leaves them to its log.
func (l *lokiStore) end(t testing.TB) time.Duration {
	resp, err := http.Post("http://"+l.address+"/ingester/prepare_shutdown", "", nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Less(t, resp.StatusCode, 300)
	l.terminate(t)
	return usedCPU(l.cmd.ProcessState)
}

func (l *lokiStore) intake() string { return "http://" + l.address + "/otlp/v1/logs" }

func (l *lokiStore) stored() (int, error) {
	_, body, err := get("http://"+l.address+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	n := 0.0
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "loki_distributor_lines_received_total{") {
			value, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64)
			if err != nil {
				return 0, err
			}
			n += value
		}
	}
	return int(n), nil
}

func (l *lokiStore) pid() int { return l.cmd.Process.Pid }

// rows are chunks and index. What Loki's log still has of them isn't counted twice.
func (l *lokiStore) rows() string { return filepath.Join(l.directory, "chunks") }

func (l *lokiStore) log() string { return filepath.Join(l.directory, "wal") }

func (l *lokiStore) ask(q question, c corpus) (string, error) { return q.logQL("http://"+l.address, c) }

// backend is the path of a program that testbed/backends builds.
func backend(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(process.Binary(t)), "backends", name)
	require.FileExists(t, path, "run `make backends` first")
	return path
}

func get(address string, query url.Values) (time.Duration, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	began := time.Now()
	status, body, err := process.Fetch(ctx, address+"?"+query.Encode())
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s answered %d: %s", address, status, body)
	}
	return time.Since(began), body, err
}

// sizeOf is how many bytes the files below a directory have.
func sizeOf(directory string) (size int64) {
	for _, path := range filesOf(directory) {
		if info, err := os.Stat(path); err == nil {
			size += info.Size()
		}
	}
	return size
}

// filesOf lists the files below a directory; none for no directory.
func filesOf(directory string) (all []string) {
	if directory == "" {
		return nil
	}
	_ = filepath.WalkDir(directory, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			all = append(all, path)
		}
		return nil
	})
	slices.Sort(all)
	return slices.Compact(all)
}
