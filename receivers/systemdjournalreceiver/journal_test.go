package systemdjournalreceiver

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/penstockhq/penstock/internal/handover/handovertest"
	"github.com/penstockhq/penstock/internal/readmetest"
	"github.com/penstockhq/penstock/receivers/systemdjournalreceiver/internal/metadatatest"
)

// fakeJournal is the variable that turns this program into a journalctl that reads the file it names: an entry per line, whose cursor is
// its number. It follows the file until it is ended, and exits after an entry {"fake":"end"}.
const fakeJournal = "PENSTOCK_TEST_FAKE_JOURNAL"

func TestJournalctl(t *testing.T) {
	path := os.Getenv(fakeJournal)
	if path == "" {
		t.Skip("only for journals")
	}
	var args []string
	for i, arg := range os.Args {
		if arg == "--" {
			args = os.Args[i+1:]
		}
	}
	after := 0
	if i := slices.Index(args, "--after-cursor"); i >= 0 {
		_, err := fmt.Sscanf(args[i+1], "s=fake;i=%d", &after)
		require.NoError(t, err)
	}
	file, err := os.Open(path)
	require.NoError(t, err)
	if !slices.Contains(args, "--follow") { // the last entry
		text, err := io.ReadAll(file)
		require.NoError(t, err)
		if n := strings.Count(string(text), "\n"); n > 0 {
			fmt.Printf(`{"MESSAGE":"last","__CURSOR":"s=fake;i=%d"}`+"\n", n)
		}
		os.Exit(0)
	}
	require.False(t, slices.Contains(args, "--lines=0"), "the end can be later than it was")
	r := bufio.NewReader(file)
	var unread []byte
	for n := 1; ; {
		part, err := r.ReadBytes('\n')
		unread = append(unread, part...)
		if err != nil {
			time.Sleep(time.Millisecond) // a journal that is followed
			continue
		}
		line := unread
		unread = nil
		if n++; n-1 <= after {
			continue
		}
		if strings.Contains(string(line), `"fake":"end"`) {
			os.Exit(1)
		}
		var fields map[string]any
		if json.Unmarshal(line, &fields) == nil {
			fields["__CURSOR"] = fmt.Sprintf("s=fake;i=%d", n-1)
			for name, value := range fields {
				if text, ok := value.(string); ok && len(text) > 4096 && !slices.Contains(args, "--all") {
					fields[name] = nil
				}
			}
			line, err = json.Marshal(fields)
			require.NoError(t, err)
			line = append(line, '\n')
		}
		if _, err := os.Stdout.Write(line); err != nil {
			os.Exit(0)
		}
	}
}

// fake is a journal with its journalctl.
type fake struct{ file, program string }

func newFake(t *testing.T) *fake {
	t.Helper()
	own, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	f := &fake{filepath.Join(dir, "journal"), filepath.Join(dir, "journalctl")}
	script := fmt.Sprintf("#!/bin/sh\n%s='%s' exec '%s' -test.run '^TestJournalctl$' -- \"$@\"\n", fakeJournal, f.file, own)
	require.NoError(t, os.WriteFile(f.program, []byte(script), 0o700))
	f.write(t)
	return f
}

func (f *fake) write(t *testing.T, entries ...string) {
	t.Helper()
	file, err := os.OpenFile(f.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	for _, e := range entries {
		_, err = file.WriteString(e + "\n")
		require.NoError(t, err)
	}
	require.NoError(t, file.Close())
}

// disk is a storage extension in memory.
type disk struct {
	component.StartFunc
	component.ShutdownFunc
	mu   sync.Mutex
	text map[string]string // guarded by mu
}

func (d *disk) GetClient(_ context.Context, _ component.Kind, id component.ID, _ string) (storage.Client, error) {
	return &drawer{d, id.String() + "/"}, nil
}

type drawer struct {
	disk   *disk
	prefix string
}

func (c *drawer) Get(_ context.Context, key string) ([]byte, error) {
	c.disk.mu.Lock()
	defer c.disk.mu.Unlock()
	return []byte(c.disk.text[c.prefix+key]), nil
}

func (c *drawer) Set(_ context.Context, key string, value []byte) error {
	c.disk.mu.Lock()
	defer c.disk.mu.Unlock()
	c.disk.text[c.prefix+key] = string(value)
	return nil
}

func (c *drawer) Delete(context.Context, string) error               { return errors.New("not used") }
func (c *drawer) Batch(context.Context, ...*storage.Operation) error { return errors.New("not used") }
func (c *drawer) Close(context.Context) error                        { return nil }

type host struct {
	extensions map[component.ID]component.Component
}

func (h host) GetExtensions() map[component.ID]component.Component { return h.extensions }

var diskID = component.MustNewID("disk")

func start(t *testing.T, f *fake, d *disk, next consumer.Logs) (*journal, *componenttest.Telemetry) {
	t.Helper()
	return startAt(t, "beginning", f, d, next)
}

func startAt(t *testing.T, at string, f *fake, d *disk, next consumer.Logs) (*journal, *componenttest.Telemetry) {
	t.Helper()
	tel := componenttest.NewTelemetry()
	cfg := createDefaultConfig().(*Config)
	cfg.JournalctlPath, cfg.Storage, cfg.StartAt = f.program, &diskID, at
	require.NoError(t, cfg.Validate())
	set := metadatatest.NewSettings(tel)
	set.ID = component.MustNewID("systemd_journal")
	r, err := NewFactory().CreateLogs(t.Context(), set, cfg, next)
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), host{map[component.ID]component.Component{diskID: d}}))
	return r.(*journal), tel
}

func await(t *testing.T, sink *consumertest.LogsSink, n int) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) { assert.GreaterOrEqual(c, sink.LogRecordCount(), n) }, time.Minute, time.Millisecond)
}

func stop(t *testing.T, j *journal) {
	t.Helper()
	require.NoError(t, j.Shutdown(context.Background()))
	require.NoError(t, j.Shutdown(context.Background()))
}

func bodies(sink *consumertest.LogsSink) map[string]int {
	all := map[string]int{}
	for _, logs := range sink.AllLogs() {
		for _, rl := range logs.ResourceLogs().All() {
			for _, r := range rl.ScopeLogs().At(0).LogRecords().All() {
				all[r.Body().AsString()]++
			}
		}
	}
	return all
}

func counted(tel *componenttest.Telemetry, name string) (n int64) {
	m, err := tel.GetMetric("otelcol_receiver_systemd_journal_" + name)
	if err != nil {
		return 0
	}
	for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
		n += p.Value
	}
	return n
}

// Entries survive restarts of the receiver and of journalctl, each once.
func TestRestarts(t *testing.T) {
	f, d, sink := newFake(t), &disk{text: map[string]string{}}, new(consumertest.LogsSink)
	const rounds, each = 4, 50
	more := 0
	for round := range rounds {
		for i := range each {
			f.write(t, fmt.Sprintf(`{"MESSAGE":"id %d","_SYSTEMD_UNIT":"shop.service","_HOSTNAME":"web-1","PRIORITY":"4"}`, round*each+i))
		}
		j, tel := start(t, f, d, sink)
		await(t, sink, round*each+each+more)
		if round == 1 {
			f.write(t, `{"fake":"end"}`, `{"MESSAGE":"behind the end"}`)
			require.EventuallyWithT(t, func(c *assert.CollectT) { assert.NotZero(c, counted(tel, "restarts")) }, time.Minute, time.Millisecond)
			// The entry that ended the journal is not passed on, so journalctl would end at it forever.
			text, err := os.ReadFile(f.file)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(f.file, []byte(strings.Replace(string(text), `{"fake":"end"}`, `{"MESSAGE":"ended"}`, 1)), 0o600))
			more = 2
			await(t, sink, round*each+each+more)
		}
		stop(t, j)
	}
	got := bodies(sink)
	for i := range rounds * each {
		assert.Equal(t, 1, got[fmt.Sprintf("id %d", i)], "id %d", i)
	}
	assert.Equal(t, 1, got["behind the end"])
	resource := sink.AllLogs()[0].ResourceLogs().At(0)
	assert.Equal(t, map[string]any{"service.name": "shop", "host.name": "web-1"}, resource.Resource().Attributes().AsRaw())
	assert.Equal(t, plog.SeverityNumberWarn, resource.ScopeLogs().At(0).LogRecords().At(0).SeverityNumber())
}

// Messages of any size are complete, and a line that is not an entry is passed on unchanged.
func TestEntriesComeWhole(t *testing.T) {
	f, sink := newFake(t), new(consumertest.LogsSink)
	long := strings.Repeat("0123456789", 100_000)
	f.write(t, fmt.Sprintf(`{"MESSAGE":%q,"LONG":%q}`, long, long), `{"MESSAGE":[27,91,109,104,105],"BINARY":[0,255]}`, "no entry \xff", `{"MESSAGE":"last"}`)
	j, tel := start(t, f, &disk{text: map[string]string{}}, sink)
	await(t, sink, 4)
	stop(t, j)
	assert.Equal(t, map[string]int{long: 1, "\x1b[mhi": 1, "no entry \uFFFD": 1, "last": 1}, bodies(sink))
	assert.Equal(t, int64(1), counted(tel, "unparsed_entries"))
}

// The position does not move past entries that the pipeline has not accepted.
func TestARefusalMovesNoPosition(t *testing.T) {
	f, d, refusing := newFake(t), &disk{text: map[string]string{}}, handovertest.Refuse(errors.New("full"))
	f.write(t, `{"MESSAGE":"one"}`, `{"MESSAGE":"two"}`)
	j, _ := start(t, f, d, refusing)
	refusing.AwaitTries(t, 1)
	j.stopDelivering() // as the end of a stop's patience does
	stop(t, j)
	assert.Empty(t, d.text)
	sink := new(consumertest.LogsSink)
	j, _ = start(t, f, d, sink)
	await(t, sink, 2)
	stop(t, j)
	assert.Equal(t, map[string]int{"one": 1, "two": 1}, bodies(sink))
	assert.Equal(t, "s=fake;i=2", d.text["systemd_journal/cursor"])
}

// A first start begins after the last entry at that time, and a later one continues from there even if no entries came in between.
func TestFirstStart(t *testing.T) {
	for name, before := range map[string][]string{"entries": {`{"MESSAGE":"old"}`, `{"MESSAGE":"older"}`}, "none": nil} {
		t.Run(name, func(t *testing.T) {
			f, d, sink := newFake(t), &disk{text: map[string]string{}}, new(consumertest.LogsSink)
			f.write(t, before...)
			j, _ := startAt(t, "end", f, d, sink)
			require.EventuallyWithT(t, func(c *assert.CollectT) {
				d.mu.Lock()
				defer d.mu.Unlock()
				assert.NotEmpty(c, d.text["systemd_journal/cursor"])
			}, time.Minute, time.Millisecond)
			stop(t, j)
			f.write(t, `{"MESSAGE":"came while it was stopped"}`)
			j, _ = startAt(t, "end", f, d, sink)
			f.write(t, `{"MESSAGE":"new"}`)
			await(t, sink, 2)
			stop(t, j)
			assert.Equal(t, map[string]int{"came while it was stopped": 1, "new": 1}, bodies(sink))
		})
	}
}

// The position of contrib's receiver is imported.
func TestLegacyPosition(t *testing.T) {
	f, sink := newFake(t), new(consumertest.LogsSink)
	f.write(t, `{"MESSAGE":"read before"}`, `{"MESSAGE":"new"}`)
	j, _ := start(t, f, &disk{text: map[string]string{"journald/" + legacyKey: "s=fake;i=1"}}, sink)
	await(t, sink, 1)
	stop(t, j)
	assert.Equal(t, map[string]int{"new": 1}, bodies(sink))
}

func TestNext(t *testing.T) {
	r := bufio.NewReaderSize(strings.NewReader("a\n"+strings.Repeat("x", maxLine+1)+"\nb\nc"), rest)
	for _, want := range []struct {
		length int
		reason string
	}{{1, ""}, {rest, tooLarge}, {1, ""}, {1, ""}} {
		line, reason, _ := next(r)
		assert.Len(t, line, want.length)
		assert.Equal(t, want.reason, reason)
	}
}

// The README's examples are valid, and each wrong value is named by its key.
func TestConfig(t *testing.T) {
	readmetest.Load(t, "receivers", NewFactory(), nil)
	for key, change := range map[string]func(*Config){
		"journalctl_path": func(c *Config) { c.JournalctlPath = " " },
		"start_at":        func(c *Config) { c.StartAt = "middle" },
		"directory":       func(c *Config) { c.Directory = "--vacuum-size=1" },
		"priority":        func(c *Config) { c.Priority = "-1" },
		"service_name":    func(c *Config) { c.ServiceName = "" },
	} {
		cfg := createDefaultConfig().(*Config)
		change(cfg)
		assert.ErrorContains(t, cfg.Validate(), key)
	}
}
