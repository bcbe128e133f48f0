package edge

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/gateway"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// fakeJournal is the variable that makes this program a journalctl which follows the file that it names: an entry a line, whose cursor is its
// number.
const fakeJournal = "PENSTOCK_TEST_FAKE_JOURNAL"

func TestFakeJournalctl(t *testing.T) {
	path := os.Getenv(fakeJournal)
	if path == "" {
		t.Skip("only for agents")
	}
	args := os.Args[slices.Index(os.Args, "--")+1:]
	after := 0
	if i := slices.Index(args, "--after-cursor"); i >= 0 {
		_, err := fmt.Sscanf(args[i+1], "s=fake;i=%d", &after)
		require.NoError(t, err)
	}
	file, err := os.Open(path)
	require.NoError(t, err)
	r := bufio.NewReader(file)
	var line []byte
	for n := 0; ; {
		part, err := r.ReadBytes('\n')
		line = append(line, part...)
		if err != nil {
			time.Sleep(10 * time.Millisecond) // a journal that is followed
			continue
		}
		n++
		var fields map[string]any
		require.NoError(t, json.Unmarshal(line, &fields))
		line = nil
		if n <= after {
			continue
		}
		fields["__CURSOR"] = fmt.Sprintf("s=fake;i=%d", n)
		for name, value := range fields {
			if text, ok := value.(string); ok && len(text) > 4096 && !slices.Contains(args, "--all") {
				fields[name] = nil
			}
		}
		text, err := json.Marshal(fields)
		require.NoError(t, err)
		if _, err := os.Stdout.Write(append(text, '\n')); err != nil {
			os.Exit(0)
		}
	}
}

// journalOf puts a journalctl into a directory that follows the directory's file journal.
func journalOf(t *testing.T) (dir string) {
	t.Helper()
	own, err := os.Executable()
	require.NoError(t, err)
	dir = t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n%s='%s' exec '%s' -test.run '^TestFakeJournalctl$' -- \"$@\"\n", fakeJournal, filepath.Join(dir, "journal"), own)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "journalctl"), []byte(script), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "journal"), nil, 0o600))
	return dir
}

// sources writes ids into the journal and over the sockets of an agent.
type sources struct {
	t       *testing.T
	p       *process.Process
	journal string
	next    int // of the ids
	lines   int // of StatsD
}

func (s *sources) write(network, variable, text string) {
	s.t.Helper()
	conn, err := net.Dial(network, s.p.Variable(variable))
	require.NoError(s.t, err)
	_, err = conn.Write([]byte(text))
	require.NoError(s.t, err)
	require.NoError(s.t, conn.Close())
}

// send writes n ids in each way, n lines of StatsD over UDP and as many over TCP, and returns when the agent has passed everything on, because a
// kill costs the rest.
func (s *sources) send(n int) {
	s.t.Helper()
	before := map[string]float64{}
	for _, receiver := range []string{"syslog_server", "systemd_journal"} {
		before[receiver] = s.accepted("otelcol_receiver_accepted_log_records", receiver)
	}
	lines := s.accepted("otelcol_receiver_statsd_server_accepted_lines", "")
	var newline, counted strings.Builder
	file, err := os.OpenFile(s.journal, os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(s.t, err)
	for range n {
		s.write("udp", "PENSTOCK_SYSLOG_ENDPOINT", fmt.Sprintf("<13>1 2026-11-24T05:00:00Z h app 7 - - id %d", s.next))
		fmt.Fprintf(&newline, "<13>Nov 24 05:00:00 h app[7]: id %d\n", s.next+1)
		text := fmt.Sprintf("<13>1 - h app 7 - - id %d", s.next+2)
		fmt.Fprintf(&counted, "%d %s", len(text), text)
		_, err = fmt.Fprintf(file, `{"MESSAGE":"id %d","_SYSTEMD_UNIT":"app.service","_HOSTNAME":"h","PRIORITY":"5","LONG":%q}`+"\n", s.next+3, strings.Repeat("x", 5000))
		require.NoError(s.t, err)
		s.next += 4
		s.write("udp", "PENSTOCK_STATSD_ENDPOINT", "hits:1|c|@0.5")
	}
	require.NoError(s.t, file.Close())
	s.write("tcp", "PENSTOCK_SYSLOG_ENDPOINT", newline.String()+counted.String())
	s.write("tcp", "PENSTOCK_STATSD_ENDPOINT", strings.Repeat("hits:1|c|@0.5\n", n))
	s.lines += 2 * n
	ask.Eventually(s.t, func() error {
		syslog := s.accepted("otelcol_receiver_accepted_log_records", "syslog_server") - before["syslog_server"]
		journal := s.accepted("otelcol_receiver_accepted_log_records", "systemd_journal") - before["systemd_journal"]
		statsd := s.accepted("otelcol_receiver_statsd_server_accepted_lines", "") - lines
		if syslog < float64(3*n) || journal < float64(n) || statsd < float64(2*n) {
			return fmt.Errorf("%v of syslog, %v of the journal, %v of StatsD", syslog, journal, statsd)
		}
		return nil
	})
	// An interval has at most two points: three more belong to two intervals, of which the second began after the last line.
	points := s.accepted("otelcol_receiver_accepted_metric_points", "statsd_server")
	ask.Eventually(s.t, func() error {
		s.write("udp", "PENSTOCK_STATSD_ENDPOINT", "marker:1|c")
		if now := s.accepted("otelcol_receiver_accepted_metric_points", "statsd_server"); now < points+3 {
			return fmt.Errorf("%v points, %v before", now, points)
		}
		return nil
	})
}

func (s *sources) accepted(name, receiver string) float64 {
	var labels []string
	if receiver != "" {
		labels = append(labels, `receiver="`+receiver+`"`)
	}
	n, err := ask.Metric(s.p.Telemetry(), name, labels...)
	if err != nil {
		return 0 // nothing was counted yet
	}
	return n
}

// Syslog, StatsD and the journal through a gateway that answers each status, is away or slow, and kills of the agent: every id arrives, and
// the counts are right.
func TestEverySourceSurvivesTheGatewayAndKills(t *testing.T) {
	g := gateway.New(t)
	dir := journalOf(t)
	p := agentIn(t, g, map[string]string{"PENSTOCK_SYSLOG_ENDPOINT": freeport.One(t), "PENSTOCK_JOURNALD_DIRECTORY": dir,
		"PATH": dir + string(os.PathListSeparator) + os.Getenv("PATH")}, "--set=exporters::otlp_grpc/files::timeout=30s",
		"--set=receivers::systemd_journal::start_at=beginning", "--set=receivers::statsd_server::aggregation_interval=200ms")
	p.Begin(t)
	p.AwaitHealthy(t)
	s := &sources{t: t, p: p, journal: filepath.Join(dir, "journal")}
	const each = 10
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		if code == codes.InvalidArgument || code == codes.AlreadyExists { // verdicts on the data
			continue
		}
		g.Decide(func(context.Context, []string) error { return status.Error(code, "not now") })
		s.send(each)
		if code%4 == 0 {
			p.Kill()
			p.Restart(t)
		}
	}
	g.Decide(func(ctx context.Context, _ []string) error { // slow
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(300 * time.Millisecond):
			return nil
		}
	})
	s.send(each)
	g.Stop(t) // away
	s.send(each)
	p.Kill()
	p.Restart(t)
	s.send(each)
	p.Terminate(t)
	g.Decide(nil)
	g.Start(t)
	p.Begin(t)
	p.AwaitHealthy(t)
	doubled := whole(t, g, s.next)
	ask.Eventually(t, func() error {
		if hits := g.Sum("hits"); hits < float64(2*s.lines) {
			return fmt.Errorf("%v of %d hits", hits, 2*s.lines)
		}
		return nil
	})
	t.Logf("%d records, %d came twice; %v of %d hits", s.next, doubled, g.Sum("hits"), 2*s.lines)
	g.Records(func(resource plog.ResourceLogs, r plog.LogRecord) {
		a := resource.Resource().Attributes().AsRaw()
		assert.Equal(t, "app", a["service.name"], r.Body().AsString())
		assert.Equal(t, "h", a["host.name"], r.Body().AsString())
		assert.Equal(t, plog.SeverityNumberInfo2, r.SeverityNumber(), r.Body().AsString())
		if long, ok := r.Attributes().Get("LONG"); ok {
			assert.Len(t, long.Str(), 5000)
		}
	})
	assert.Empty(t, deadLetters(t, p))
	p.Terminate(t)
}
