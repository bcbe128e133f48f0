package smoke

import (
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/gateway"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// agent prepares an agent that reads dir/*.log and dir/pods and sends to g.
func agent(t *testing.T, g *gateway.Gateway, dir string, args ...string) *process.Process {
	t.Helper()
	return process.New(t, process.Settings{
		Configs: []string{"profile:agent"},
		// The gateway stands in for one, and knows gzip only.
		Args: append([]string{"--set=exporters::otlp_grpc/files::compression=gzip", "--set=exporters::otlp_grpc/gateway::compression=gzip",
			"--set=receivers::statsd_server::aggregation_interval=1s"}, args...),
		Env: map[string]string{
			"PENSTOCK_GATEWAY_ENDPOINT": g.Address,
			"PENSTOCK_LOG_FILES":        filepath.Join(dir, "*.log*") + "," + filepath.Join(dir, "pods/*/*/*.log"),
			"PENSTOCK_STATSD_ENDPOINT":  freeport.One(t),
			"PENSTOCK_ENVIRONMENT":      "test",
		},
	})
}

// Whatever wrote a line, its time, level and ids are where they belong, and its message is the body.
func TestAgentUnderstandsLogFiles(t *testing.T) {
	const trace, span = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		return parsed
	}
	none := time.Unix(0, 0)
	lines := []struct {
		line, body  string
		time        time.Time
		severity    plog.SeverityNumber
		trace, span string
		attributes  map[string]any // these at least
		absent      []string
	}{
		{line: `{"time":"2026-11-24T05:00:01.123456789Z","level":"WARN","msg":"json","trace_id":"` + trace + `","span_id":"` + span + `","user":"u1","n":5}`,
			body: "json", time: at("2026-11-24T05:00:01.123456789Z"), severity: plog.SeverityNumberWarn, trace: trace, span: span,
			attributes: map[string]any{"user": "u1", "n": int64(5)}, absent: []string{"time", "level", "msg", "trace_id", "span_id"}},
		{line: `{"ts":1795496530.25,"level":"info","message":"zap","error":"boom"}`,
			body: "zap", time: time.Unix(1795496530, 250e6), severity: plog.SeverityNumberInfo,
			attributes: map[string]any{"exception.message": "boom"}, absent: []string{"ts", "error"}},
		{line: `{"level":60,"time":1795496530123,"msg":"pino"}`, body: "pino", time: time.Unix(1795496530, 123e6), severity: plog.SeverityNumberFatal},
		{line: `{"level":"weird","time":"yesterday","msg":"kept"}`, body: "kept", time: none,
			attributes: map[string]any{"level": "weird", "time": "yesterday"}},
		{line: `{"trace_id":"short","msg":"ids"}`, body: "ids", time: none, attributes: map[string]any{"trace_id": "short"}},
		{line: `{not json`, body: `{not json`, time: none},
		{line: `2026-11-24 05:00:02,345+0100 ERROR [main] trace_id=` + trace + ` span_id=` + span,
			body: `2026-11-24 05:00:02,345+0100 ERROR [main] trace_id=` + trace + ` span_id=` + span,
			time: at("2026-11-24T04:00:02.345Z"), severity: plog.SeverityNumberError, trace: trace, span: span},
		{line: `[2026-11-24T05:00:03Z] debugging is not a level but TRACE is`, body: `[2026-11-24T05:00:03Z] debugging is not a level but TRACE is`,
			time: at("2026-11-24T05:00:03Z"), severity: plog.SeverityNumberTrace},
		{line: `time="2026-11-24T05:00:05Z" level=debug msg="logfmt"`, body: `time="2026-11-24T05:00:05Z" level=debug msg="logfmt"`,
			time: at("2026-11-24T05:00:05Z"), severity: plog.SeverityNumberDebug},
		{line: `  just text  `, body: `  just text  `, time: none},
	}
	containers := map[string]string{
		"docker.log": `{"log":"2026-11-24T05:00:10Z INFO docker\n","stream":"stdout","time":"2026-11-24T05:00:10.5Z"}` + "\n",
		"pods/ns_pod-1_0aa1b2c3-0000-1111-2222-333344445555/app/0.log": `2026-11-24T05:00:06.123456789Z stdout F {"level":"error","msg":"cri"}` + "\n" +
			"2026-11-24T05:00:07Z stderr P part one, \n2026-11-24T05:00:08Z stderr F part two\n",
	}
	dir := t.TempDir()
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(l.line + "\n")
	}
	containers["app.log"] = text.String()
	for name, content := range containers {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	g := gateway.New(t)
	p := agent(t, g, dir)
	p.Begin(t)
	p.AwaitHealthy(t)

	total := len(lines) + 3
	ask.Eventually(t, func() error {
		if n := len(g.Bodies()); n < total {
			return fmt.Errorf("%d of %d records", n, total)
		}
		return nil
	})
	records := map[string]plog.LogRecord{}
	resources := map[string]map[string]any{}
	g.Records(func(resource plog.ResourceLogs, record plog.LogRecord) {
		records[record.Body().AsString()] = record
		resources[record.Body().AsString()] = resource.Resource().Attributes().AsRaw()
	})
	for _, l := range lines {
		record, ok := records[l.body]
		if !assert.True(t, ok, "no record for %s", l.line) {
			continue
		}
		assert.Equal(t, l.time.UTC(), record.Timestamp().AsTime(), l.line)
		assert.Equal(t, l.severity, record.SeverityNumber(), l.line)
		assert.Equal(t, l.trace, record.TraceID().String(), l.line)
		assert.Equal(t, l.span, record.SpanID().String(), l.line)
		attributes := record.Attributes().AsRaw()
		assert.Subset(t, attributes, l.attributes, l.line)
		for _, key := range l.absent {
			assert.NotContains(t, attributes, key, l.line)
		}
	}
	assert.Equal(t, plog.SeverityNumberInfo, records["2026-11-24T05:00:10Z INFO docker"].SeverityNumber())
	assert.Equal(t, at("2026-11-24T05:00:06.123456789Z"), records["cri"].Timestamp().AsTime())
	assert.Contains(t, records, "part one, part two")
	host, err := os.Hostname()
	require.NoError(t, err)
	assert.Subset(t, resources["cri"], map[string]any{"k8s.pod.name": "pod-1", "k8s.namespace.name": "ns", "k8s.container.name": "app",
		"host.name": host, "deployment.environment.name": "test", "os.type": "linux"})
	p.Terminate(t)
}

// A file is written and rotated while the gateway is down, the agent is killed again and again, then the gateway comes back.
func TestAgentKilledWhileItReadsLosesNoLine(t *testing.T) {
	dir := t.TempDir()
	g := gateway.New(t)
	p := agent(t, g, dir)
	const perRound, rounds = 2000, 5
	path := filepath.Join(dir, "app.log")
	for round := range rounds {
		if round == 1 {
			g.Stop(t)
		}
		p.Begin(t)
		p.AwaitHealthy(t)
		file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		require.NoError(t, err)
		for i := range perRound {
			_, err = fmt.Fprintf(file, "line %d\n", round*perRound+i)
			require.NoError(t, err)
			if i == perRound/2 {
				require.NoError(t, os.Rename(path, fmt.Sprintf("%s.%d", path, round)))
				require.NoError(t, file.Close())
				file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
				require.NoError(t, err)
			}
		}
		require.NoError(t, file.Close())
		if round%2 == 0 { // in the middle of reading, or when something has been read
			ask.Eventually(t, func() error { return accepted(p, 1) })
		}
		p.Kill()
	}
	g.Start(t)
	p.Begin(t)
	p.AwaitHealthy(t)
	var missing, doubled int
	ask.Eventually(t, func() error {
		missing, doubled = reconcile(g.Bodies(), perRound*rounds)
		if missing > 0 {
			return fmt.Errorf("%d lines are missing", missing)
		}
		return nil
	})
	t.Logf("%d lines, %d kills: %d lost, %d doubled", perRound*rounds, rounds, missing, doubled)
	p.Terminate(t)
}

// SIGTERM while the queue is full and the gateway away: nothing goes.
func TestAgentStoppedWithAFullQueueLosesNothing(t *testing.T) {
	dir := t.TempDir()
	g := gateway.New(t)
	g.Stop(t)
	p := agent(t, g, dir, "--set=exporters::otlp_grpc/files::sending_queue::queue_size=100000",
		"--set=exporters::otlp_grpc/files::sending_queue::batch::min_size=1000",
		"--set=exporters::otlp_grpc/files::sending_queue::batch::max_size=50000")
	const lines = 5000
	var text strings.Builder
	for i := range lines {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app.log"), []byte(text.String()), 0o600))
	p.Begin(t)
	p.AwaitHealthy(t)
	ask.Eventually(t, func() error { // full: the size no longer grows with a batch of 100 lines below capacity
		size, err := ask.Metric(p.Telemetry(), "otelcol_exporter_queue_size", `exporter="otlp_grpc/files"`)
		if err == nil && size < 85000 {
			err = fmt.Errorf("the queue holds %v bytes", size)
		}
		return err
	})
	p.Terminate(t)
	g.Start(t)
	p.Begin(t)
	p.AwaitHealthy(t)
	var missing, doubled int
	ask.Eventually(t, func() error {
		missing, doubled = reconcile(g.Bodies(), lines)
		if missing > 0 {
			return fmt.Errorf("%d lines are missing", missing)
		}
		return nil
	})
	t.Logf("%d lines: %d lost, %d doubled", lines, missing, doubled)
	p.Terminate(t)
}

// StatsD over UDP: what arrives at the gateway and what the kernel dropped make up what was sent.
func TestAgentCountsLostDatagrams(t *testing.T) {
	g := gateway.New(t)
	p := agent(t, g, t.TempDir())
	p.Begin(t)
	p.AwaitHealthy(t)
	conn, err := net.Dial("udp", p.Variable("PENSTOCK_STATSD_ENDPOINT"))
	require.NoError(t, err)
	defer conn.Close()
	const sent = 100_000
	for range sent {
		_, err := conn.Write([]byte("hits:1|c"))
		require.NoError(t, err)
	}
	ask.Eventually(t, func() error {
		drops, err := ask.Metric(p.Telemetry(), "otelcol_extension_udp_drops_datagrams")
		if got := g.Sum("hits"); err == nil && got+drops != sent {
			err = fmt.Errorf("%v arrived and %v were dropped of %d", got, drops, sent)
		}
		return err
	})
	p.Terminate(t)
}

// accepted says whether the log file receiver has passed on at least n lines in this run.
func accepted(p *process.Process, n float64) error {
	got, err := ask.Metric(p.Telemetry(), "otelcol_receiver_accepted_log_records", `receiver="log_files"`)
	if err == nil && got < n {
		err = fmt.Errorf("%v lines accepted", got)
	}
	return err
}

// reconcile compares the bodies that arrived with "line 0" to "line n-1".
func reconcile(bodies map[string]int, n int) (missing, doubled int) {
	for i := range n {
		switch count := bodies[fmt.Sprintf("line %d", i)]; count {
		case 0:
			missing++
		default:
			doubled += count - 1
		}
	}
	return missing, doubled
}

// CRI splits long lines. A crash between the parts can cost those that were read, never the rest.
func TestAgentKilledBetweenThePartsOfALine(t *testing.T) {
	dir := t.TempDir()
	g := gateway.New(t)
	p := agent(t, g, dir)
	p.Begin(t)
	p.AwaitHealthy(t)
	path := filepath.Join(dir, "cri.log")
	appendTo(t, path, "2026-11-24T05:00:06Z stdout F whole\n2026-11-24T05:00:07Z stdout P first,\n")
	ask.Eventually(t, func() error {
		if g.Bodies()["whole"] == 0 {
			return fmt.Errorf("the line before is not there")
		}
		return nil
	})
	p.Kill()
	appendTo(t, path, "2026-11-24T05:00:08Z stdout F second\n")
	p.Begin(t)
	p.AwaitHealthy(t)
	ask.Eventually(t, func() error {
		for body := range g.Bodies() {
			if strings.HasSuffix(body, "second") {
				t.Logf("after a kill between the parts: %q", body)
				return nil
			}
		}
		return fmt.Errorf("the last part is not there")
	})
	p.Terminate(t)
}

// A stop hands over what StatsD has counted since the last interval.
func TestAgentStoppedHandsStatsDOver(t *testing.T) {
	g := gateway.New(t)
	p := agent(t, g, t.TempDir(), "--set=receivers::statsd_server::aggregation_interval=1h")
	p.Begin(t)
	p.AwaitHealthy(t)
	conn, err := net.Dial("udp", p.Variable("PENSTOCK_STATSD_ENDPOINT"))
	require.NoError(t, err)
	defer conn.Close()
	for range 100 {
		_, err = conn.Write([]byte("hits:1|c|@0.7\nhalf:0.5|c"))
		require.NoError(t, err)
	}
	ask.Eventually(t, func() error { // what is still in the socket is lost with it
		n, err := ask.Metric(p.Telemetry(), "otelcol_receiver_statsd_server_accepted_lines")
		if err == nil && n < 200 {
			err = fmt.Errorf("%v of 200 lines are counted", n)
		}
		return err
	})
	p.Terminate(t)
	p.Begin(t) // what was on its way waits in the queue
	p.AwaitHealthy(t)
	ask.Eventually(t, func() error {
		if hits, half := g.Sum("hits"), g.Sum("half"); math.Abs(hits-100/0.7) > 1e-6 || half != 50 {
			return fmt.Errorf("%v hits, %v halves", hits, half)
		}
		return nil
	})
	p.Terminate(t)
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(t, err)
	_, err = file.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}
