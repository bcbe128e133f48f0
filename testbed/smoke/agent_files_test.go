package smoke

import (
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/gateway"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// arrived waits until a record with each of the bodies is there.
func arrived(t *testing.T, g *gateway.Gateway, bodies ...string) {
	t.Helper()
	ask.Eventually(t, func() error {
		have := g.Bodies()
		for _, body := range bodies {
			if have[body] == 0 {
				return fmt.Errorf("no record %q among %d", body, len(have))
			}
		}
		return nil
	})
}

// Files that begin with the same text are all read, however long it is.
func TestAgentReadsFilesThatBeginAlike(t *testing.T) {
	dir := t.TempDir()
	g := gateway.New(t)
	banner := strings.Repeat(strings.Repeat("=", 127)+"\n", 160) // 20 KiB
	for i := range 20 {
		var text strings.Builder
		text.WriteString(banner)
		for line := range 10 {
			fmt.Fprintf(&text, "line %d\n", 10*i+line)
		}
		appendTo(t, filepath.Join(dir, fmt.Sprintf("%d.log", i)), text.String())
	}
	p := agent(t, g, dir)
	p.Begin(t)
	p.AwaitHealthy(t)
	ask.Eventually(t, func() error {
		if missing, _ := reconcile(g.Bodies(), 200); missing > 0 {
			return fmt.Errorf("%d of 200 lines are missing", missing)
		}
		return nil
	})
	p.Terminate(t)
	_, doubled := reconcile(g.Bodies(), 200)
	assert.Zero(t, doubled)
}

// The positions of file_log, which agents had before, are taken over: nothing is read again, nothing is left out.
func TestAgentGoesOnWhereFileLogWas(t *testing.T) {
	dir := t.TempDir()
	g := gateway.New(t)
	p := agent(t, g, dir)
	before := filepath.Join(t.TempDir(), "before.yaml")
	require.NoError(t, os.WriteFile(before, []byte(fmt.Sprintf(`
extensions: {queue_storage/offsets: {directory: "${env:PENSTOCK_DATA_DIR}/offsets"}}
receivers: {file_log: {include: [%q], start_at: beginning, include_file_path: true, storage: queue_storage/offsets}}
exporters: {otlp_grpc: {endpoint: %q, tls: {insecure: true}}}
service: {extensions: [queue_storage/offsets], pipelines: {logs: {receivers: [file_log], exporters: [otlp_grpc]}}}
`, filepath.Join(dir, "*.log"), g.Address)), 0o600))
	old := process.New(t, process.Settings{Configs: []string{before}, DataDir: p.DataDir()})
	banner := strings.Repeat("#", 1999) + "\n"
	appendTo(t, filepath.Join(dir, "a.log"), banner+"a 1\n")
	appendTo(t, filepath.Join(dir, "c.log"), "c 1\n")
	old.Begin(t)
	arrived(t, g, "a 1", "c 1")
	old.Terminate(t)
	appendTo(t, filepath.Join(dir, "a.log"), "a 2\n")
	appendTo(t, filepath.Join(dir, "b.log"), banner+"b 1\n") // what file_log never read: it begins as a.log does
	appendTo(t, filepath.Join(dir, "c.log"), "c 2\n")
	p.Begin(t)
	p.AwaitHealthy(t)
	arrived(t, g, "a 2", "b 1", "c 2")
	p.Terminate(t)
	for body, want := range map[string]int{"a 1": 1, "a 2": 1, "b 1": 1, "c 1": 1, "c 2": 1} {
		assert.Equal(t, want, g.Bodies()[body], body)
	}
}

const javaTrace = "java.lang.IllegalStateException: outer\n\tat com.example.A.a(A.java:1)\nCaused by: java.io.IOException: inner\n\tat com.example.B.b(B.java:2)\n\t... 1 more"

// A stack trace is one record with the exception's fields, in a plain file, in CRI between lines of the other stream, and in Docker's JSON.
func TestAgentJoinsStackTraces(t *testing.T) {
	dir := t.TempDir()
	g := gateway.New(t)
	traces := map[string][2]string{ // by text: type and message
		javaTrace: {"java.lang.IllegalStateException", "outer"},
		"Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nKeyError: 'k'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"a.py\", line 3, in g\nValueError: bad": {"ValueError", "bad"},
		"panic: boom [recovered]\n\tpanic: again\n\ngoroutine 1 [running]:\nmain.main()\n\t/srv/main.go:3 +0x11\nexit status 2":                                                                                                                         {"panic", "again"},
		"TypeError: no\n    at f (/srv/a.js:1:2)\n    at async g (/srv/a.js:3:4)":                                                                                                                                                                       {"TypeError", "no"},
		"Unhandled exception. System.InvalidOperationException: out\n ---> System.Exception: in\n   at N.M() in /a.cs:line 5\n   --- End of inner exception stack trace ---\n   at N.Main()":                                                            {"System.InvalidOperationException", "out"},
	}
	i := 0
	for text := range traces {
		appendTo(t, filepath.Join(dir, fmt.Sprintf("plain-%d.log", i)), "2026-11-24T05:00:00Z INFO before\n"+text+"\n2026-11-24T05:00:00Z INFO after\n")
		var cri, docker strings.Builder
		for line := range strings.SplitSeq(text, "\n") {
			fmt.Fprintf(&cri, "2026-11-24T05:00:06Z stderr F %s\n2026-11-24T05:00:06Z stdout F other stream\n", line)
			fmt.Fprintf(&docker, "{\"log\":%q,\"stream\":\"stderr\",\"time\":\"2026-11-24T05:00:10.5Z\"}\n", line+"\n")
		}
		appendTo(t, filepath.Join(dir, fmt.Sprintf("cri-%d.log", i)), cri.String())
		appendTo(t, filepath.Join(dir, fmt.Sprintf("docker-%d.log", i)), docker.String())
		i++
	}
	p := agent(t, g, dir)
	p.Begin(t)
	p.AwaitHealthy(t)
	ask.Eventually(t, func() error {
		for text := range traces {
			if n := g.Bodies()[text]; n != 3 {
				return fmt.Errorf("%d of 3 records %q", n, text)
			}
		}
		return nil
	})
	g.Records(func(_ plog.ResourceLogs, r plog.LogRecord) {
		if want, ok := traces[r.Body().Str()]; ok {
			attributes := r.Attributes().AsRaw()
			assert.Equal(t, want[0], attributes["exception.type"])
			assert.Equal(t, want[1], attributes["exception.message"])
			assert.Equal(t, r.Body().Str(), attributes["exception.stacktrace"])
		}
	})
	p.Terminate(t)
}

// Integers stay integers, the reader's attributes are the reader's, formats have OpenTelemetry's names, and service.name is there.
func TestAgentLiftsFields(t *testing.T) {
	dir := t.TempDir()
	g := gateway.New(t)
	const jsonLine = `{"msg":"json","id":1234567890123456789,"http.response.status_code":404,"took":1.5,"whole":404.0,"huge":1e400,"log.file.path":"/etc/passwd"}`
	const access = `192.0.2.1 - - [24/Nov/2026:05:00:00 +0000] "GET /a?b=c HTTP/1.1" 404 2326 "-" "curl/8.0"`
	const klog = `E1124 05:00:00.123456       1 main.go:12] failed`
	const syslog = `<34>1 2026-11-24T05:00:00Z web-1 su 77 - - text`
	appendTo(t, filepath.Join(dir, "app.log"), jsonLine+"\n"+access+"\n"+klog+"\n"+syslog+"\n")
	p := agent(t, g, dir, "--set=receivers::log_files::include_original=true")
	p.Begin(t)
	p.AwaitHealthy(t)
	arrived(t, g, "json", klog)
	ask.Eventually(t, func() error {
		if len(g.Bodies()) < 4 {
			return fmt.Errorf("%d of 4 records", len(g.Bodies()))
		}
		return nil
	})
	g.Records(func(resource plog.ResourceLogs, r plog.LogRecord) {
		attributes := r.Attributes().AsRaw()
		assert.Equal(t, filepath.Join(dir, "app.log"), attributes["log.file.path"])
		assert.Contains(t, attributes, "log.record.original")
		service, _ := resource.Resource().Attributes().Get("service.name")
		switch body := r.Body().Str(); {
		case body == "json":
			assert.Equal(t, "app", service.Str())
			assert.Subset(t, attributes, map[string]any{"id": int64(1234567890123456789), "http.response.status_code": int64(404), "took": 1.5, "whole": 404.0,
				"huge": "1e400", "app.log.file.path": "/etc/passwd"})
		case body == klog:
			assert.Equal(t, plog.SeverityNumberError, r.SeverityNumber())
		case strings.HasPrefix(body, "<34>"):
			assert.Equal(t, "su", service.Str())
			assert.Equal(t, plog.SeverityNumberError2, r.SeverityNumber())
		default:
			assert.Subset(t, attributes, map[string]any{"http.request.method": "GET", "url.path": "/a", "http.response.status_code": int64(404), "http.response.body.size": int64(2326),
				"user_agent.original": "curl/8.0"})
			assert.EqualValues(t, 1795496400, r.Timestamp().AsTime().Unix())
		}
	})
	p.Terminate(t)
}

// Encodings, parts of streams, links and compressed files, and what is not read is counted.
func TestAgentReadsWhateverFilesHold(t *testing.T) {
	dir := t.TempDir()
	g := gateway.New(t)
	var wide []byte
	for _, unit := range utf16.Encode([]rune("\ufeffwide äöü 三行目\r\n")) {
		wide = append(wide, byte(unit), byte(unit>>8))
	}
	appendTo(t, filepath.Join(dir, "wide.log"), string(wide))
	appendTo(t, filepath.Join(dir, "bom.log"), "\ufeff{\"msg\":\"bom\"}\nunended")
	appendTo(t, filepath.Join(dir, "cri.log"), "2026-11-24T05:00:06Z stderr P E1;\n2026-11-24T05:00:06Z stdout P:x O1;\n2026-11-24T05:00:06Z stderr F E2.\n2026-11-24T05:00:06Z stdout F:x O2.\n")
	require.NoError(t, os.Symlink(filepath.Join(dir, "bom.log"), filepath.Join(dir, "link.log")))
	packed, err := os.Create(filepath.Join(dir, "old.log.1.gz"))
	require.NoError(t, err)
	zip := gzip.NewWriter(packed)
	_, err = zip.Write([]byte("packed line\n"))
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	require.NoError(t, packed.Close())
	p := agent(t, g, dir)
	p.Begin(t)
	p.AwaitHealthy(t)
	arrived(t, g, "wide äöü 三行目", "bom", "unended", "E1;E2.", "O1;O2.")
	for _, reason := range []string{"compressed", "duplicate"} {
		ask.Eventually(t, func() error {
			n, err := ask.Metric(p.Telemetry(), "otelcol_receiver_log_files_skipped_files", `reason="`+reason+`"`)
			if err == nil && n != 1 {
				err = fmt.Errorf("%v files skipped: %s", n, reason)
			}
			return err
		})
	}
	p.Terminate(t)
	assert.Len(t, g.Bodies(), 5)
}

// kill -9 in the middle of stack traces and parts of lines, with rotation by rename and by copytruncate: each trace arrives whole.
func TestAgentKilledAmongTracesLosesNone(t *testing.T) {
	dir := t.TempDir()
	g := gateway.New(t)
	p := agent(t, g, dir)
	const rounds, perRound = 4, 200
	path := filepath.Join(dir, "app.log")
	trace := func(i int) string {
		return fmt.Sprintf("2026-11-24T05:00:00Z ERROR request %d failed\n%s", i, javaTrace)
	}
	for round := range rounds {
		p.Begin(t)
		p.AwaitHealthy(t)
		for i := range perRound {
			whole := trace(round*perRound+i) + "\n"
			appendTo(t, path, whole[:len(whole)/2])
			if i == perRound/2 && round%2 == 0 {
				ask.Eventually(t, func() error { return accepted(p, 1) })
				p.Kill()
			}
			appendTo(t, path, whole[len(whole)/2:])
		}
		if round%2 == 0 {
			require.NoError(t, os.Rename(path, fmt.Sprintf("%s.%d", path, round)))
			continue
		}
		arrived(t, g, trace(round*perRound+perRound-2))
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(fmt.Sprintf("%s.%d", path, round), text, 0o600))
		require.NoError(t, os.Truncate(path, 0))
		p.Terminate(t)
	}
	p.Begin(t)
	p.AwaitHealthy(t)
	ask.Eventually(t, func() error {
		bodies := g.Bodies()
		for i := range rounds * perRound {
			if bodies[trace(i)] == 0 {
				return fmt.Errorf("trace %d is missing", i)
			}
		}
		return nil
	})
	p.Terminate(t)
}
