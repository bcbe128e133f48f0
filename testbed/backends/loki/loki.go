// Package loki runs a real Loki for tests: one process, its own directory, loopback only.
package loki

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/freeport"
)

// startTimeout is how long a start with a replay of the log may take on a loaded machine.
const startTimeout = 90 * time.Second

// The waiting that a cluster needs is turned off, and ingesters are asked for data of any age, because chunks are in
// the store only later (one process asks them for the last two and a half hours only, whatever query_ingesters_within says,
// unless query_store_max_look_back_period is negative). Everything that decides about what is accepted has Loki's defaults, unless a test sets it.
var config = template.Must(template.New("loki.yaml").Parse(`
auth_enabled: true
analytics: {reporting_enabled: false}
server:
  http_listen_address: 127.0.0.1
  http_listen_port: {{.HTTP}}
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: {{.GRPC}}
  log_level: warn
common:
  instance_addr: 127.0.0.1
  path_prefix: {{.Dir}}
  replication_factor: 1
  ring: {kvstore: {store: inmemory}}
  storage: {filesystem: {chunks_directory: {{.Dir}}/chunks, rules_directory: {{.Dir}}/rules}}
ingester:
  lifecycler: {min_ready_duration: 0s, final_sleep: 0s}
  query_store_max_look_back_period: -1ns
querier: {query_ingesters_within: 0s}
schema_config:
  configs: [{from: "2020-10-24", store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}]
limits_config: {{.Limits}}
runtime_config: {file: {{.Dir}}/overrides.yaml, period: 500ms}
`))

// Settings say how Loki is started.
type Settings struct {
	// Limits is the YAML flow mapping of limits_config, such as {ingestion_rate_mb: 1}. Default: Loki's.
	Limits string
	// Overrides are limits of single tenants, for [Server].Override. Default: none.
	Overrides string
}

// Server is one Loki. Address and directory stay the same when it is started again.
type Server struct {
	dir, address string
	log          *os.File
	cmd          *exec.Cmd
	done         chan struct{}
}

// Binary is where testbed/backends/loki/Makefile puts Loki.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("LOKI_BINARY"); path != "" {
		return path
	}
	dir, err := os.Getwd()
	require.NoError(t, err)
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		path := filepath.Join(dir, "build", "backends", "loki")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	require.Fail(t, "no build/backends/loki above the working directory: run `make backends` first")
	return ""
}

// Start starts Loki and returns when it is ready. It is killed when the test ends.
func Start(t testing.TB, settings Settings) *Server {
	t.Helper()
	if settings.Limits == "" {
		settings.Limits = "{}"
	}
	s := &Server{dir: t.TempDir()}
	ports := freePorts(t, 2)
	s.address = fmt.Sprintf("127.0.0.1:%d", ports[0])
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "loki.yaml"), Configuration(t, s.dir, ports[0], ports[1], settings.Limits), 0o600))
	s.Override(t, settings.Overrides)
	log, err := os.Create(filepath.Join(s.dir, "loki.log"))
	require.NoError(t, err)
	s.log = log
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			if text, err := os.ReadFile(log.Name()); err == nil {
				t.Logf("Loki's log ends with:\n%s", text[max(0, len(text)-4000):])
			}
		}
		_ = log.Close()
	})
	s.Run(t)
	return s
}

// Configuration is Loki's YAML, for a directory, its two ports on loopback, and limits as [Settings] has them.
func Configuration(t testing.TB, directory string, http, grpc int, limits string) []byte {
	t.Helper()
	var text bytes.Buffer
	require.NoError(t, config.Execute(&text, map[string]any{"HTTP": http, "GRPC": grpc, "Dir": directory, "Limits": limits}))
	return text.Bytes()
}

// Override replaces the limits of single tenants by a YAML flow mapping, such as {team-a: {ingestion_rate_mb: 1}}; empty: they have those of all.
// Loki reads it after half a second, and follows a changed rate after ten.
func (s *Server) Override(t testing.TB, overrides string) {
	t.Helper()
	text := []byte("overrides: " + cmp.Or(overrides, "{}") + "\n")
	next := filepath.Join(s.dir, "overrides.next")
	require.NoError(t, os.WriteFile(next, text, 0o600))
	require.NoError(t, os.Rename(next, filepath.Join(s.dir, "overrides.yaml")))
}

// Run starts the process, again after Kill, and waits until it is ready.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	cmd := exec.Command(Binary(t), "-config.file", filepath.Join(s.dir, "loki.yaml"))
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	done := make(chan struct{})
	s.cmd, s.done = cmd, done
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	deadline := time.After(startTimeout)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if status, _, err := s.get(context.Background(), "", "/ready", nil); err == nil && status == http.StatusOK {
			return
		}
		select {
		case <-tick.C:
		case <-done:
			require.Fail(t, "Loki ended before it was ready", "see %s", s.log.Name())
		case <-deadline:
			require.Fail(t, "Loki is not ready", "after %s", startTimeout)
		}
	}
}

// Kill ends the process with SIGKILL and waits for its end. It may be repeated.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.done
	s.cmd = nil
}

// URL is Loki's address, as exporters take it.
func (s *Server) URL() string { return "http://" + s.address }

// Entry is one line that a query returned.
type Entry struct {
	// Labels are the stream's labels and the structured metadata.
	Labels map[string]string
	Nanos  int64
	Line   string
}

// Query returns all lines of a LogQL selector between two times, oldest first: pages of 5000 are joined by time. Lines of one stream are in Loki's
// order.
func (s *Server) Query(ctx context.Context, tenant, logql string, from, to time.Time) ([]Entry, error) {
	const page = 5000
	var all []Entry
	start := from.UnixNano()
	for {
		entries, err := s.queryPage(ctx, tenant, logql, start, to.UnixNano(), page)
		if err != nil {
			return nil, err
		}
		if len(entries) < page {
			return append(all, entries...), nil
		}
		// The next page may have more lines of the last time: read it again from its beginning.
		last := entries[len(entries)-1].Nanos
		whole := len(entries)
		for whole > 0 && entries[whole-1].Nanos == last {
			whole--
		}
		if whole == 0 {
			return nil, fmt.Errorf("more than %d lines at %d", page, last)
		}
		all = append(all, entries[:whole]...)
		start = last
	}
}

func (s *Server) queryPage(ctx context.Context, tenant, logql string, from, to int64, limit int) ([]Entry, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Stream map[string]string
				Values [][2]string
			}
		}
	}
	err := s.ask(ctx, tenant, "/loki/api/v1/query_range", url.Values{
		"query": {logql}, "direction": {"forward"}, "limit": {strconv.Itoa(limit)},
		"start": {strconv.FormatInt(from, 10)}, "end": {strconv.FormatInt(to, 10)},
	}, &answer)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, r := range answer.Data.Result {
		for _, v := range r.Values {
			nanos, err := strconv.ParseInt(v[0], 10, 64)
			if err != nil {
				return nil, err
			}
			entries = append(entries, Entry{Labels: r.Stream, Nanos: nanos, Line: v[1]})
		}
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Nanos, b.Nanos) })
	return entries, nil
}

// Count evaluates a LogQL metric query at a time, summed over its series.
func (s *Server) Count(ctx context.Context, tenant, logql string, at time.Time) (float64, error) {
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := s.ask(ctx, tenant, "/loki/api/v1/query", url.Values{"query": {logql}, "time": {strconv.FormatInt(at.UnixNano(), 10)}}, &answer); err != nil {
		return 0, err
	}
	var sum float64
	for _, r := range answer.Data.Result {
		v, err := strconv.ParseFloat(fmt.Sprint(r.Value[1]), 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}

// Streams lists the label sets of all streams.
func (s *Server) Streams(ctx context.Context, tenant string, from, to time.Time) ([]map[string]string, error) {
	var answer struct{ Data []map[string]string }
	err := s.ask(ctx, tenant, "/loki/api/v1/series", url.Values{
		"match[]": {`{service_name=~".+"}`},
		"start":   {strconv.FormatInt(from.UnixNano(), 10)}, "end": {strconv.FormatInt(to.UnixNano(), 10)},
	}, &answer)
	return answer.Data, err
}

func (s *Server) ask(ctx context.Context, tenant, path string, query url.Values, answer any) error {
	status, body, err := s.get(ctx, tenant, path, query)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s answered %d: %s", path, status, body)
	}
	return json.Unmarshal(body, answer)
}

func (s *Server) get(ctx context.Context, tenant, path string, query url.Values) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+path+"?"+query.Encode(), nil)
	if err != nil {
		return 0, nil, err
	}
	if tenant != "" {
		req.Header.Set("X-Scope-OrgID", tenant)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i, address := range freeport.Claim(t, n) {
		_, port, err := net.SplitHostPort(address)
		require.NoError(t, err)
		ports[i], err = strconv.Atoi(port)
		require.NoError(t, err)
	}
	return ports
}
