// Package process runs the built binary as a child process: free ports, its own data directory, its log kept, ended by
// signal, so that a test has the view of an operator.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/freeport"
)

// startTimeout is how long a start may take on a loaded two-core machine before a test fails.
const startTimeout = 2 * time.Minute

// Settings say how the child is started. The zero value is `penstock --config profile:standalone` in a new directory.
type Settings struct {
	// Binary is the path of the program. Default: the one of [Binary].
	Binary string
	// Configs are the values of --config, in order. Default: profile:standalone.
	Configs []string
	// Args follow the configurations, for example "--set=...".
	Args []string
	// Env is added to the variables that name free ports and the data directory, and wins over them.
	Env map[string]string
	// Under is what [Process].Under begins with. Default: nothing.
	Under []string
	// DataDir is PENSTOCK_DATA_DIR. Default: a directory that goes with the test.
	DataDir string
}

// Process is one run of the binary. Its ports stay the same over Restart.
type Process struct {
	// Under is a command that the next Begin starts the binary under, with its arguments: strace -D, for example. It must end by
	// replacing itself by the binary.
	Under []string

	settings Settings
	dir      string
	env      map[string]string
	log      *logBuffer

	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended; err is valid then
	err  error
}

// Binary returns the path of the binary under test: PENSTOCK_BINARY, or build/penstock of this checkout.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("PENSTOCK_BINARY"); path != "" {
		return path
	}
	dir, err := os.Getwd()
	require.NoError(t, err)
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "builder-config.yaml")); err == nil {
			path := filepath.Join(dir, "build", "penstock")
			require.FileExists(t, path, "run `make build` first")
			return path
		}
	}
	require.Fail(t, "no builder-config.yaml above the working directory")
	return ""
}

// Start starts the binary and returns when its health check answers 200. The child is killed when the test ends.
func Start(t testing.TB, settings Settings) *Process {
	t.Helper()
	p := New(t, settings)
	p.Begin(t)
	p.AwaitHealthy(t)
	return p
}

// New prepares a process without starting it.
func New(t testing.TB, settings Settings) *Process {
	t.Helper()
	if len(settings.Configs) == 0 {
		settings.Configs = []string{"profile:standalone"}
	}
	if settings.DataDir == "" {
		settings.DataDir = t.TempDir()
	}
	ports := freeport.Claim(t, 10)
	p := &Process{Under: settings.Under, settings: settings, dir: settings.DataDir, log: &logBuffer{}, env: map[string]string{
		"PENSTOCK_DATA_DIR":           settings.DataDir,
		"PENSTOCK_OTLP_GRPC_ENDPOINT": ports[0],
		"PENSTOCK_OTLP_HTTP_ENDPOINT": ports[1],
		"PENSTOCK_HEALTH_ENDPOINT":    ports[2],
		"PENSTOCK_TSDB_ENDPOINT":      ports[3],
		"PENSTOCK_ADMIN_ENDPOINT":     ports[4],
		"PENSTOCK_KAFKA_ENDPOINT":     ports[6],
		"PENSTOCK_INGEST_ENDPOINT":    ports[7],
		"PENSTOCK_QUERY_ENDPOINT":     ports[8],
		"PENSTOCK_STATSD_ENDPOINT":    ports[9], // of agents
		"PENSTOCK_TELEMETRY_PORT":     ports[5][strings.LastIndexByte(ports[5], ':')+1:],
	}}
	for k, v := range settings.Env {
		p.env[k] = v
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("the log of the process ends with:\n%s", tail(p.Log(), 60))
		}
	})
	return p
}

// Begin starts the child without waiting for anything.
func (p *Process) Begin(t testing.TB) {
	t.Helper()
	var args []string
	for _, c := range p.settings.Configs {
		args = append(args, "--config", c)
	}
	binary := p.settings.Binary
	if binary == "" {
		binary = Binary(t)
	}
	command := slices.Concat(p.Under, []string{binary}, args, p.settings.Args)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	for k, v := range p.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Dir = p.dir
	cmd.Stdout, cmd.Stderr = p.log, p.log
	// The child must not outlive a killed test.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() {
		p.err = cmd.Wait()
		close(done)
	}()
}

// AwaitHealthy waits until the health check answers 200, and fails the test when the child ends first.
func (p *Process) AwaitHealthy(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if status, _, err := Fetch(ctx, "http://"+p.Health()); err == nil && status == http.StatusOK {
			return
		}
		select {
		case <-tick.C:
		case <-p.done:
			require.Failf(t, "the process ended before it was healthy", "%v\n%s", p.err, p.Log())
		case <-ctx.Done():
			require.Failf(t, "not healthy in time", "%s", p.Log())
		}
	}
}

// Terminate sends SIGTERM and waits for a clean end.
func (p *Process) Terminate(t testing.TB) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.done:
	case <-time.After(startTimeout):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // then its log says what it waits for
		<-p.done
		require.Failf(t, "still running after SIGTERM", "%s", p.Log())
	}
	require.NoError(t, p.err, "SIGTERM must end in exit code 0")
}

// Kill ends the child with SIGKILL, as a crash would, and waits for it to be gone.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Wait waits until the child ends and returns its exit code.
func (p *Process) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(startTimeout):
		require.Failf(t, "still running", "%s", p.Log())
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		return exit.ExitCode()
	}
	require.NoError(t, p.err)
	return 0
}

// Restart starts the ended child again on the same ports and data, and waits for its health check.
func (p *Process) Restart(t testing.TB) {
	t.Helper()
	p.Begin(t)
	p.AwaitHealthy(t)
}

// Signal sends any other signal, SIGSTOP for example.
func (p *Process) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(s))
}

// Pid is the child's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// CPU is the user and system time of a child that has ended.
func (p *Process) CPU() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// GRPC is the OTLP/gRPC listener as host:port.
func (p *Process) GRPC() string { return p.env["PENSTOCK_OTLP_GRPC_ENDPOINT"] }

// HTTP is the OTLP/HTTP listener as host:port.
func (p *Process) HTTP() string { return p.env["PENSTOCK_OTLP_HTTP_ENDPOINT"] }

// Health is the health check's listener as host:port.
func (p *Process) Health() string { return p.env["PENSTOCK_HEALTH_ENDPOINT"] }

// TSDB is the embedded TSDB's listener as host:port.
func (p *Process) TSDB() string { return p.env["PENSTOCK_TSDB_ENDPOINT"] }

// Query is the address of LogsQL.
func (p *Process) Query() string { return p.env["PENSTOCK_QUERY_ENDPOINT"] }

// Admin is the listener of the admin extension as host:port.
func (p *Process) Admin() string { return p.env["PENSTOCK_ADMIN_ENDPOINT"] }

// Ingest is the address of plain JSON as host:port.
func (p *Process) Ingest() string { return p.env["PENSTOCK_INGEST_ENDPOINT"] }

// Telemetry is the address of the collector's own Prometheus endpoint as host:port.
func (p *Process) Telemetry() string { return "127.0.0.1:" + p.env["PENSTOCK_TELEMETRY_PORT"] }

// Variable is the value of a variable that was set for the child.
func (p *Process) Variable(name string) string { return p.env[name] }

// DataDir is the child's data directory.
func (p *Process) DataDir() string { return p.dir }

// AdminToken is the token that the admin extension created at the first start.
func (p *Process) AdminToken(t testing.TB) string {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(p.dir, "admin-token"))
	require.NoError(t, err)
	return strings.TrimSpace(string(token))
}

// Lake is the default lake directory.
func (p *Process) Lake() string { return filepath.Join(p.dir, "lake") }

// Log is everything that all runs of this process have printed.
func (p *Process) Log() string { return p.log.String() }

// Fetch returns status and body of a GET.
func Fetch(ctx context.Context, url string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// FreePorts is [freeport.Claim].
func FreePorts(t testing.TB, n int) []string { return freeport.Claim(t, n) }

// logBuffer collects a child's output; exec writes from its own goroutine.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(all) <= lines {
		return s
	}
	return fmt.Sprintf("(%d lines before)\n%s", len(all)-lines, strings.Join(all[len(all)-lines:], "\n"))
}
