package logfilesreceiver_test

import (
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/penstockhq/penstock/receivers/logfilesreceiver"
)

// sink keeps the records that arrive, and refuses them while fail is set.
type sink struct {
	mu    sync.Mutex
	fail  bool
	got   []plog.LogRecord
	where []map[string]any // resources
	grown chan struct{}
}

func (s *sink) consume(_ context.Context, logs plog.Logs) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail {
		return errors.New("not now")
	}
	copied := plog.NewLogs()
	logs.CopyTo(copied)
	for _, resource := range copied.ResourceLogs().All() {
		for _, record := range resource.ScopeLogs().At(0).LogRecords().All() {
			s.got = append(s.got, record)
			s.where = append(s.where, resource.Resource().Attributes().AsRaw())
		}
	}
	select {
	case s.grown <- struct{}{}:
	default:
	}
	return nil
}

func (s *sink) bodies() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.got {
		all = append(all, r.Body().AsString())
	}
	return all
}

// memory is a storage extension whose contents outlive the receiver.
type memory struct {
	component.StartFunc
	component.ShutdownFunc
	mu     sync.Mutex
	values map[string][]byte
}

func (m *memory) GetClient(_ context.Context, _ component.Kind, id component.ID, _ string) (storage.Client, error) {
	return &memoryClient{m, id.String()}, nil
}

type memoryClient struct {
	m  *memory
	id string
}

func (c *memoryClient) Get(ctx context.Context, key string) ([]byte, error) {
	op := storage.GetOperation(key)
	err := c.Batch(ctx, op)
	return op.Value, err
}
func (c *memoryClient) Set(ctx context.Context, key string, value []byte) error {
	return c.Batch(ctx, storage.SetOperation(key, value))
}
func (c *memoryClient) Delete(ctx context.Context, key string) error {
	return c.Batch(ctx, storage.DeleteOperation(key))
}
func (c *memoryClient) Close(context.Context) error { return nil }
func (c *memoryClient) Batch(_ context.Context, ops ...*storage.Operation) error {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	for _, op := range ops {
		switch key := c.id + "/" + op.Key; op.Type {
		case storage.Get:
			op.Value = c.m.values[key]
		case storage.Set:
			c.m.values[key] = op.Value
		case storage.Delete:
			delete(c.m.values, key)
		}
	}
	return nil
}

type host struct {
	component.Host
	extensions map[component.ID]component.Component
}

func (h host) GetExtensions() map[component.ID]component.Component { return h.extensions }

// bench is a directory of log files and a receiver's environment.
type bench struct {
	*sink
	t         *testing.T
	dir       string
	memory    *memory
	telemetry *componenttest.Telemetry
	receiver  receiver.Logs
	adjust    func(*logfilesreceiver.Config)
}

func newBench(t *testing.T) *bench {
	b := &bench{sink: &sink{grown: make(chan struct{}, 1)}, t: t, dir: t.TempDir(), memory: &memory{values: map[string][]byte{}},
		telemetry: componenttest.NewTelemetry(), adjust: func(*logfilesreceiver.Config) {}}
	t.Cleanup(func() { require.NoError(t, b.telemetry.Shutdown(context.Background())) })
	return b
}

func (b *bench) start() {
	b.t.Helper()
	id := component.MustNewID("memory")
	factory := logfilesreceiver.NewFactory()
	cfg := factory.CreateDefaultConfig().(*logfilesreceiver.Config)
	cfg.Include, cfg.Storage = []string{filepath.Join(b.dir, "**", "*.log*")}, &id
	cfg.PollInterval, cfg.FlushTimeout = 5*time.Millisecond, 50*time.Millisecond
	b.adjust(cfg)
	require.NoError(b.t, cfg.Validate())
	next, err := consumer.NewLogs(b.consume)
	require.NoError(b.t, err)
	set := receivertest.NewNopSettings(factory.Type())
	set.ID, set.TelemetrySettings = component.NewID(factory.Type()), b.telemetry.NewTelemetrySettings()
	b.receiver, err = factory.CreateLogs(b.t.Context(), set, cfg, next)
	require.NoError(b.t, err)
	require.NoError(b.t, b.receiver.Start(b.t.Context(), host{componenttest.NewNopHost(), map[component.ID]component.Component{id: b.memory}}))
}

func (b *bench) stop() {
	b.t.Helper()
	require.NoError(b.t, b.receiver.Shutdown(context.Background()))
}

// await waits until the received records satisfy done.
func (b *bench) await(done func(bodies []string) bool) []string {
	b.t.Helper()
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	for {
		if bodies := b.bodies(); done(bodies) {
			return bodies
		}
		select {
		case <-b.grown:
		case <-deadline.C:
			bodies := b.bodies()
			b.t.Fatalf("not there; %d records, the last are %.2000q", len(bodies), bodies[max(0, len(bodies)-20):])
		}
	}
}

func (b *bench) awaitLines(n int) []string {
	b.t.Helper()
	return b.await(func(bodies []string) bool { return len(bodies) >= n })
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name, text string) {
	b.t.Helper()
	require.NoError(b.t, os.MkdirAll(filepath.Dir(b.path(name)), 0o700))
	file, err := os.OpenFile(b.path(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(b.t, err)
	_, err = file.WriteString(text)
	require.NoError(b.t, err)
	require.NoError(b.t, file.Close())
}

// counter sums a counter up over its attributes, or over those that have value.
func (b *bench) counter(name, value string) (total int64) {
	b.t.Helper()
	got, err := b.telemetry.GetMetric(name)
	if err != nil {
		return 0
	}
	return sumOf(got, value)
}

func numbered(prefix string, from, to int) string {
	var text strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&text, "%s %d\n", prefix, i)
	}
	return text.String()
}

// Files that begin alike are different files: whatever header they share, none of their lines is missing.
func TestFilesThatBeginAlikeAreRead(t *testing.T) {
	for _, size := range []int{1000, 17 << 10, 300 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			b := newBench(t)
			banner := strings.Repeat(strings.Repeat("#", 99)+"\n", size/100)
			for i := range 10 {
				b.write(fmt.Sprintf("%d.log", i), banner+numbered(fmt.Sprintf("file %d line", i), 0, 20))
			}
			b.start()
			want := 200 + 10*strings.Count(banner, "\n")
			seen := map[string]int{}
			for _, body := range b.awaitLines(want) {
				seen[body]++
			}
			for i := range 10 {
				for line := range 20 {
					assert.Equal(t, 1, seen[fmt.Sprintf("file %d line %d", i, line)])
				}
			}
			b.write("late.log", banner+"late 0\n") // begins as those do that have been read
			b.awaitLines(want + 1 + strings.Count(banner, "\n"))
			assert.Contains(t, b.bodies(), "late 0")
			b.stop()
		})
	}
}

// Two files with the same text are two files.
func TestFilesThatAreEqualAreRead(t *testing.T) {
	b := newBench(t)
	b.write("a.log", "started\n")
	b.write("b.log", "started\n")
	b.start()
	b.awaitLines(2)
	b.stop()
}

func TestRotationLosesNothing(t *testing.T) {
	for name, rotate := range map[string]func(b *bench, part int){
		"rename": func(b *bench, part int) {
			require.NoError(b.t, os.Rename(b.path("app.log"), b.path(fmt.Sprintf("app.log.%d", part))))
		},
		"rename away": func(b *bench, part int) {
			require.NoError(b.t, os.Rename(b.path("app.log"), b.path(fmt.Sprintf("away.%d", part))))
		},
		"copytruncate": func(b *bench, part int) {
			text, err := os.ReadFile(b.path("app.log"))
			require.NoError(b.t, err)
			require.NoError(b.t, os.WriteFile(b.path(fmt.Sprintf("app.log.%d", part)), text, 0o600))
			require.NoError(b.t, os.Truncate(b.path("app.log"), 0))
		},
	} {
		for _, away := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/away=%v", name, away), func(t *testing.T) {
				b := newBench(t)
				b.start()
				const parts, lines = 4, 500
				for part := range parts {
					from := part * lines
					b.write("app.log", numbered("header", 0, 20)+numbered("line", from, from+lines/2))
					b.await(func(bodies []string) bool { // only after reading can a copy be recognized
						return strings.Contains(strings.Join(bodies, "\n")+"\n", fmt.Sprintf("line %d\n", from+lines/2-1))
					})
					if away {
						b.stop()
					}
					b.write("app.log", numbered("line", from+lines/2, from+lines))
					rotate(b, part)
					if away {
						b.start()
					}
				}
				seen := map[string]int{}
				b.await(func(bodies []string) bool {
					clear(seen)
					for _, body := range bodies {
						seen[body]++
					}
					return len(seen) == parts*lines+20
				})
				b.stop()
				for i := range parts * lines {
					assert.Equal(t, 1, seen[fmt.Sprintf("line %d", i)], "line %d", i)
				}
			})
		}
	}
}

// A file that is deleted while the pipeline refuses is read to its end through the open handle.
func TestADeletedFileIsReadToItsEnd(t *testing.T) {
	b := newBench(t)
	b.fail = true
	b.write("app.log", numbered("line", 0, 5000))
	b.start()
	require.Eventually(t, func() bool { return b.counter("otelcol_receiver_log_files_events", "started") == 1 }, 30*time.Second, time.Millisecond)
	require.NoError(t, os.Remove(b.path("app.log")))
	b.mu.Lock()
	b.fail = false
	b.mu.Unlock()
	b.awaitLines(5000)
	b.stop()
	assert.Len(t, b.bodies(), 5000)
}

// Stopped while the pipeline refuses: nothing is lost, what it had not accepted is read again.
func TestAStopWhileThePipelineRefusesLosesNothing(t *testing.T) {
	b := newBench(t)
	b.write("app.log", numbered("line", 0, 100))
	b.start()
	b.awaitLines(100)
	b.mu.Lock()
	b.fail = true
	b.mu.Unlock()
	b.write("app.log", numbered("line", 100, 4000))
	b.stop()
	b.fail = false
	b.start()
	b.awaitLines(4000)
	b.stop()
	assert.Len(t, b.bodies(), 4000)
}

// Lines that are held back for the rest of a trace are read again if they were not delivered.
func TestAHeldTraceOutlivesAKill(t *testing.T) {
	b := newBench(t)
	b.adjust = func(c *logfilesreceiver.Config) { c.FlushTimeout = time.Hour }
	const head = "2026-11-24T05:00:00Z ERROR failed\njava.lang.Exception: boom\n\tat A.a(A.java:1)\n"
	b.write("app.log", "2026-11-24T05:00:00Z INFO first\n"+head)
	b.start()
	b.awaitLines(1)
	killed := &memory{values: map[string][]byte{}}
	require.Eventually(t, func() bool { // what is on disk when the process is killed
		b.memory.mu.Lock()
		defer b.memory.mu.Unlock()
		clear(killed.values)
		for key, value := range b.memory.values {
			killed.values[key] = value
		}
		return len(killed.values) > 0
	}, 30*time.Second, time.Millisecond)
	b.stop()
	b.memory, b.got = killed, nil
	b.write("app.log", "\tat A.b(A.java:2)\n2026-11-24T05:00:00Z INFO next\n")
	b.start()
	b.await(func(bodies []string) bool { return strings.Contains(strings.Join(bodies, "\n"), "A.b") })
	assert.Contains(t, b.bodies(), head+"\tat A.b(A.java:2)")
	b.stop()
}

// Parts of a line belong to their stream and file, and survive a stop.
func TestPartsOfContainersLines(t *testing.T) {
	b := newBench(t)
	const stamp = "2026-11-24T05:00:06.123456789Z "
	b.write("0.log", stamp+"stderr P E1;\n"+stamp+"stdout P:x O1;\n"+stamp+"stderr F E2.\n"+stamp+"stdout F:x O2.\n"+stamp+"stdout F \n"+stamp+"stdout P waits,\n")
	b.write("docker.log", `{"log":"part, ","stream":"stdout","time":"2026-11-24T05:00:10.5Z"}`+"\n"+`{"log":"other\n","stream":"stderr","time":"2026-11-24T05:00:10.5Z"}`+"\n"+
		`{"log":"end\n","stream":"stdout","time":"2026-11-24T05:00:10.6Z","attrs":{"app.kubernetes.io/name":"shop"}}`+"\n")
	b.start()
	b.awaitLines(4)
	b.stop()
	b.write("0.log", stamp+"stdout F comes\n")
	b.start()
	b.awaitLines(5)
	b.stop()
	streams := map[string]string{}
	for _, r := range b.got {
		stream, _ := r.Attributes().Get("log.iostream")
		streams[r.Body().Str()] = stream.Str()
	}
	assert.Equal(t, map[string]string{"E1;E2.": "stderr", "O1;O2.": "stdout", "waits,comes": "stdout", "part, end": "stdout", "other": "stderr"}, streams)
}

func TestTextsOfOtherEncodings(t *testing.T) {
	b := newBench(t)
	utf16Text := func(order binary.AppendByteOrder, text string) (out string) {
		var raw []byte
		for _, unit := range utf16.Encode([]rune(text)) {
			raw = order.AppendUint16(raw, unit)
		}
		return string(raw)
	}
	const text = "first line\r\nzweite Zeile: äöü\n三行目 ਅਊ Ċ\n"
	b.write("le.log", utf16Text(binary.LittleEndian, "\ufeff"+text))
	b.write("be.log", utf16Text(binary.BigEndian, "\ufeff"+text))
	b.write("nomark.log", utf16Text(binary.LittleEndian, "plain ASCII in UTF-16, without a mark\n"))
	b.write("bom.log", "\ufeff"+`{"msg":"json","level":"info"}`+"\n")
	b.write("crlf.log", "one\r\ntwo\r\n")
	b.write("nul.log", strings.Repeat("\x00", 5000)+"after a hole\nin\x00side\n")
	b.write("invalid.log", "bad \xff byte\n")
	b.write("empty.log", "")
	b.start()
	bodies := b.awaitLines(13)
	b.write("le.log", utf16Text(binary.LittleEndian, "later\n"))
	b.awaitLines(14)
	b.stop()
	assert.ElementsMatch(t, []string{"first line", "zweite Zeile: äöü", "三行目 ਅਊ Ċ", "first line", "zweite Zeile: äöü", "三行目 ਅਊ Ċ",
		"plain ASCII in UTF-16, without a mark", "json", "one", "two", "after a hole", "in\x00side", "bad \ufffd byte", "later"}, append(bodies, "later"))
}

// A line longer than max_record_size is delivered in numbered pieces; the end of a file without a newline is delivered.
func TestLongAndUnendedLines(t *testing.T) {
	b := newBench(t)
	b.adjust = func(c *logfilesreceiver.Config) { c.MaxRecordSize = 1 << 20 }
	long := strings.Repeat("äöü", 1<<19) // 3 MiB
	b.write("app.log", "before\n"+long+"\nafter\nunended")
	b.start()
	b.await(func(bodies []string) bool { return len(bodies) > 0 && bodies[len(bodies)-1] == "unended" })
	b.stop()
	var joined strings.Builder
	part := int64(0)
	for _, r := range b.got {
		if n, ok := r.Attributes().Get("log.file.record_part"); ok {
			part++
			assert.Equal(t, part, n.Int())
			assert.LessOrEqual(t, len(r.Body().Str()), 1<<20)
			joined.WriteString(r.Body().Str())
		}
	}
	assert.Equal(t, long, joined.String())
	assert.Equal(t, part, b.counter("otelcol_receiver_log_files_cut_lines", ""))
	assert.Equal(t, "before", b.bodies()[0])
}

// A record is complete up to max_record_size, and everything derived from it adds at most 4 MiB: with the default of 16 MiB the next hop
// accepts 20.
func TestLargeRecordsAreWholeAndFit(t *testing.T) {
	b := newBench(t)
	assert.Equal(t, 16<<20, logfilesreceiver.NewFactory().CreateDefaultConfig().(*logfilesreceiver.Config).MaxRecordSize)
	const most = 5 << 20
	b.adjust = func(c *logfilesreceiver.Config) { c.IncludeOriginal, c.MaxRecordSize = true, most }
	frame := "\tat com.example.A.b(A.java:12)\n"
	inputs := map[string]string{
		"a line":          strings.Repeat("x", most-1) + "\n",
		"logfmt":          `level=error msg="` + strings.Repeat("y ", 2<<20+1<<18) + `" n=1` + "\n",
		"json":            `{"level":"error","msg":"` + strings.Repeat("z", most-100) + `","n":1}` + "\n",
		"a stack trace":   "java.lang.IllegalStateException: " + strings.Repeat("m", 1<<20) + "\n" + strings.Repeat(frame, (most-2<<20)/len(frame)),
		"a longer line":   strings.Repeat("l", most+10) + "\n",
		"a longer trace":  "java.lang.IllegalStateException: boom\n" + strings.Repeat(frame, (most+1<<20)/len(frame)),
		"bytes, no text":  strings.Repeat("\xff1", most/2-1) + "\n",
		"a small message": "2026-11-24T05:00:00Z ERROR small\n",
	}
	for name, text := range inputs {
		b.write(strings.ReplaceAll(name, " ", "-")+".log", text)
	}
	b.start()
	b.awaitLines(len(inputs) + 2)
	b.stop()
	pieces := map[string]int{}
	for _, r := range b.got {
		name, _ := r.Attributes().Get("log.file.name")
		pieces[name.Str()]++
		logs := plog.NewLogs()
		r.CopyTo(logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty())
		assert.LessOrEqual(t, (&plog.ProtoMarshaler{}).LogsSize(logs), most+4<<20, name.Str())
		if part, cut := r.Attributes().Get("log.file.record_part"); cut {
			assert.Contains(t, []string{"a-longer-line.log", "a-longer-trace.log"}, name.Str())
			assert.LessOrEqual(t, part.Int(), int64(2))
		}
	}
	assert.Equal(t, map[string]int{"a-line.log": 1, "logfmt.log": 1, "json.log": 1, "a-stack-trace.log": 1, "a-longer-line.log": 2, "a-longer-trace.log": 2,
		"bytes,-no-text.log": 1, "a-small-message.log": 1}, pieces)
	assert.Equal(t, int64(4), b.counter("otelcol_receiver_log_files_cut_lines", ""))
	assert.Positive(t, b.counter("otelcol_receiver_log_files_unlifted_records", ""))
}

// Rotated twice while the pipeline accepts nothing, with a pattern that matches only the first name: no line is missing.
func TestRotatedTwiceWhileThePipelineRefuses(t *testing.T) {
	b := newBench(t)
	b.adjust = func(c *logfilesreceiver.Config) { c.Include = []string{b.path("app.log")} }
	b.fail = true
	b.write("app.log", numbered("line", 0, 100))
	b.start()
	held := func(n int64) {
		require.Eventually(t, func() bool { return b.counter("otelcol_receiver_log_files_events", "held") == n }, 60*time.Second, 5*time.Millisecond)
	}
	require.Eventually(t, func() bool { return b.counter("otelcol_receiver_log_files_events", "started") == 1 }, 60*time.Second, 5*time.Millisecond)
	for generation := range 2 {
		require.NoError(t, os.Rename(b.path("app.log"), b.path("app.log.1")))
		b.write("app.log", numbered("line", 100*(generation+1), 100*(generation+2)))
		held(int64(generation + 1))
	}
	require.NoError(t, os.Remove(b.path("app.log.1")))
	b.mu.Lock()
	b.fail = false
	b.mu.Unlock()
	b.awaitLines(300)
	b.stop()
	seen := map[string]int{}
	for _, body := range b.bodies() {
		seen[body]++
	}
	assert.Len(t, seen, 300)
}

// Files that are not read are counted and logged; links are read once.
func TestWhatIsNotReadIsCounted(t *testing.T) {
	b := newBench(t)
	var packed strings.Builder
	zip := gzip.NewWriter(&packed)
	_, err := zip.Write([]byte("old line\n"))
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	b.write("app.log.2.gz", packed.String())
	b.write("app.log", "line\n")
	require.NoError(t, os.Symlink(b.path("app.log"), b.path("link.log")))
	require.NoError(t, os.Symlink(b.path("nowhere"), b.path("dangling.log")))
	b.start()
	b.awaitLines(1)
	b.write("app.log", "line 2\n")
	b.awaitLines(2)
	b.stop()
	assert.Equal(t, []string{"line", "line 2"}, b.bodies())
	assert.Equal(t, int64(1), b.counter("otelcol_receiver_log_files_skipped_files", "compressed"))
	assert.Equal(t, int64(1), b.counter("otelcol_receiver_log_files_skipped_files", "duplicate"))
}

// A file that was deleted while nothing read it is counted as lost.
func TestAFileThatIsGoneIsCounted(t *testing.T) {
	b := newBench(t)
	b.write("app.log", "line\n")
	b.start()
	b.awaitLines(1)
	b.stop()
	require.NoError(t, os.Remove(b.path("app.log")))
	b.write("other.log", "x\n")
	b.start()
	b.awaitLines(2)
	b.stop()
	assert.Equal(t, int64(1), b.counter("otelcol_receiver_log_files_lost_files", ""))
}

func TestServiceNameIsNeverAbsent(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for name, want := range map[string]string{
		"ns_checkout-7d9f8b6c5d-x2x4z_0aa1b2c3-0000-1111-2222-333344445555/app/0.log": "checkout",
		"ns_db-0_0aa1b2c3-0000-1111-2222-333344445555/app/0.log":                      "db",
		"ns_node-exporter-x2x4z_0aa1b2c3/app/0.log":                                   "node-exporter",
		"ns_web_0aa1b2c3/app/0.log.20261124-050000":                                   "web",
		id + "/" + id + "-json.log":                                                   "shop",
		"app.log":                                                                     "app",
		"app.log.3":                                                                   "app",
		"api-2026-11-24.log":                                                          "api",
		"billing.2026112405.log":                                                      "billing",
	} {
		for configured, label := range map[string]string{"": "com.docker.compose.service", "mine": "app"} {
			b := newBench(t)
			b.adjust = func(c *logfilesreceiver.Config) { c.ServiceName = configured }
			b.write(id+"/config.v2.json", `{"Name":"/shop-1","Config":{"Image":"shop:1","Labels":{"`+label+`":"shop"}}}`)
			b.write(name, "line\n")
			b.start()
			b.awaitLines(1)
			b.stop()
			service := want
			if configured != "" && !strings.Contains(name, "/") {
				service = configured
			}
			assert.Equal(t, service, b.where[0]["service.name"], name)
		}
	}
	b := newBench(t)
	b.adjust = func(c *logfilesreceiver.Config) { c.IncludeOriginal = true }
	b.write("syslog.log", "Nov 24 05:00:00 web-1 sshd[99]: Accepted\n")
	b.start()
	b.awaitLines(1)
	b.stop()
	assert.Equal(t, "sshd", b.where[0]["service.name"])
	assert.Equal(t, "web-1", b.where[0]["host.name"])
	original, _ := b.got[0].Attributes().Get("log.record.original")
	assert.Equal(t, "Nov 24 05:00:00 web-1 sshd[99]: Accepted", original.Str())
}

// Thousands of files at once.
func TestManyFiles(t *testing.T) {
	b := newBench(t)
	const files = 3000
	for i := range files {
		b.write(fmt.Sprintf("%d.log", i), "banner\n"+fmt.Sprintf("file %d\n", i))
	}
	b.start()
	b.awaitLines(2 * files)
	b.stop()
	assert.Len(t, b.bodies(), 2*files)
}
