package embeddedtsdbextension

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/database"
	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/metadata"
	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/wal"
	"github.com/penstockhq/penstock/internal/freespace"
)

// disk knows how much of each file was fsynced, and fails fsyncs on demand.
type disk struct {
	mu     sync.Mutex
	synced map[string]int64 // guarded by mu
	fails  int              // guarded by mu; so many of the next fsyncs fail
}

type diskFile struct {
	wal.File
	disk *disk
	name string
}

func (f *diskFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.fails > 0 {
		f.disk.fails--
		return syscall.EIO
	}
	size, err := f.Size()
	if err == nil {
		f.disk.synced[f.name] = size
	}
	return err
}

func (d *disk) open(name string) (wal.File, error) {
	f, err := wal.Open(name)
	if err != nil {
		return nil, err
	}
	return &diskFile{f, d, name}, nil
}

func (d *disk) fail(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails = n
}

// afterPowerCut copies dir as a power cut can leave it: of the logs the fsynced part, and a part of the rest or none of it; no chunk files of the
// head.
func (d *disk) afterPowerCut(t *testing.T, dir string, rng *rand.Rand) string {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	to := t.TempDir()
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		relative, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, relative), 0o750)
		}
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		switch strings.Split(relative, string(filepath.Separator))[0] {
		case "chunks_head":
			return nil
		case "wal", "wbl":
			safe := int(d.synced[path])
			content = content[:safe+rng.IntN(len(content)-safe+1)]
		}
		return os.WriteFile(filepath.Join(to, relative), content, 0o600)
	}))
	return to
}

// statuses is a host that records the status reports of the extension.
type statuses struct {
	component.Host
	heard chan *componentstatus.Event
}

func (s *statuses) Report(e *componentstatus.Event) { s.heard <- e }

func (s *statuses) await(t *testing.T, want componentstatus.Status) *componentstatus.Event {
	t.Helper()
	for e := range s.heard {
		if e.Status() == want {
			return e
		}
	}
	return nil
}

// faulty starts the extension on a disk, with a host that records reports.
func faulty(t *testing.T, dir string, d *disk, look func(string) (freespace.State, error)) (*server, *statuses) {
	t.Helper()
	cfg := testConfig(t, dir)
	cfg.OutOfOrderWindow = time.Hour
	tel := componenttest.NewTelemetry()
	set := extensiontest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = tel.NewTelemetrySettings()
	ext, err := NewFactory().Create(t.Context(), set, cfg)
	require.NoError(t, err)
	e := ext.(*tsdbExtension)
	if d != nil {
		e.openDatabase = func(s database.Settings, l *database.Loading) (*database.DB, error) {
			s.OpenFile = d.open
			return database.Open(s, l)
		}
	}
	if look != nil {
		e.stat, e.roomAge = look, 0
	}
	host := &statuses{componenttest.NewNopHost(), make(chan *componentstatus.Event, 100)}
	require.NoError(t, e.Start(t.Context(), host))
	s := &server{t: t, ext: e, url: "http://" + cfg.HTTP.NetAddr.Endpoint, tel: tel}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		require.NoError(t, e.Shutdown(context.Background())) // the test's own context has ended
		require.NoError(t, tel.Shutdown(context.Background()))
	})
	if look == nil {
		<-e.opened
	}
	return s, host
}

// load writes n requests of ten series each, in order and out of order, and returns how many samples were acknowledged.
func (s *server) load(n int, begin time.Time) (acknowledged int) {
	s.t.Helper()
	for i := range n {
		at := begin.Add(time.Duration(i) * time.Second)
		if i%5 == 4 {
			at = at.Add(-20*time.Minute - 500*time.Millisecond)
		}
		samples := map[string]float64{}
		for k := range 10 {
			samples[fmt.Sprintf("load_%d_%d", i/100, k)] = float64(i)
		}
		if code, _, _ := s.write(v1(at, samples), contentV1); code == http.StatusNoContent {
			acknowledged += len(samples)
		}
	}
	return acknowledged
}

// count is how many samples of load there are.
func (s *server) count() int {
	s.t.Helper()
	text := s.get("/api/v1/query?" + url.Values{"query": {`{__name__=~"load_.*"}[4h]`}, "time": {time.Now().Add(time.Hour).Format(time.RFC3339)}}.Encode())
	var answer struct {
		Data struct{ Result []struct{ Values [][]any } }
	}
	require.NoError(s.t, json.Unmarshal([]byte(text), &answer))
	n := 0
	for _, series := range answer.Data.Result {
		n += len(series.Values)
	}
	return n
}

// TestAPowerCutLosesNothingAcknowledged cuts the logs to the fsynced length, or to some byte after it.
func TestAPowerCutLosesNothingAcknowledged(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dir, d := t.TempDir(), &disk{synced: map[string]int64{}}
			s, _ := faulty(t, dir, d, nil)
			acknowledged := s.load(60, time.Now().Add(-10*time.Minute))
			require.Equal(t, 600, acknowledged)
			app, err := s.ext.Appender(t.Context()) // committed, never synced: it may go, and part of its record may stay
			require.NoError(t, err)
			_, err = app.Append(0, labels.FromStrings("__name__", "unsynced"), 0, time.Now().UnixMilli(), 1, nil, nil, storage.AppendV2Options{})
			require.NoError(t, err)
			require.NoError(t, app.Commit())
			left := d.afterPowerCut(t, dir, rand.New(rand.NewPCG(seed, 2)))

			s, _ = faulty(t, left, nil, nil)
			assert.Equal(t, 600, s.count())
			s.load(1, time.Now())
			assert.Equal(t, 610, s.count())
		})
	}
}

// TestAFailedFsyncIsNoAnswer: the client gets 503, and all acknowledged samples exist when the storage is open again.
func TestAFailedFsyncIsNoAnswer(t *testing.T) {
	d := &disk{synced: map[string]int64{}}
	s, host := faulty(t, t.TempDir(), d, nil)
	begin := time.Now().Add(-10 * time.Minute)
	require.Equal(t, 500, s.load(50, begin))
	run, err := s.ext.Run()
	require.NoError(t, err)
	position, err := s.ext.Sync(t.Context(), run)
	require.NoError(t, err)

	d.fail(1)
	code, header, text := s.write(v1(begin.Add(time.Hour-51*time.Minute), map[string]float64{"load_9_9": 1}), contentV1)
	assert.Equal(t, http.StatusServiceUnavailable, code)
	assert.Equal(t, "1", header.Get("Retry-After"))
	assert.Contains(t, text, "input/output error")

	require.ErrorIs(t, host.await(t, componentstatus.StatusRecoverableError).Err(), syscall.EIO)
	host.await(t, componentstatus.StatusOK)
	assert.Equal(t, 500, s.count(), "what was not acknowledged is gone, what was is there")
	_, err = s.ext.Sync(t.Context(), run)
	require.ErrorContains(t, err, "cut back", "a session of the run before must not go on")
	gone, err := s.ext.Holds(position)
	require.NoError(t, errors.Join(gone, err), "what was durable is still there")
	require.Equal(t, 10, s.load(1, time.Now()))
	assert.Equal(t, 510, s.count())
	assert.Contains(t, s.metric("otelcol_extension_embedded_tsdb_log_failures"), "1")
}

// TestAWriteThatFailsTearsNothing lets Prometheus write half of a record, as on a full disk, and then have space again. Without a cut, the next
// start found the incomplete record, and deleted everything after it.
func TestAWriteThatFailsTearsNothing(t *testing.T) {
	dir := t.TempDir()
	s, host := faulty(t, dir, nil, nil)
	require.Equal(t, 300, s.load(30, time.Now().Add(-10*time.Minute)))
	end, err := wal.End(filepath.Join(dir, "wal"))
	require.NoError(t, err)
	// Who uses the storage keeps it open: it must not be closed while its files can't grow.
	_, done, ok := s.ext.db.Load().Use(t.Context())
	require.True(t, ok)
	var old syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(end.Offset) + 20, Max: old.Max}))
	code, _, text := s.write(v1(time.Now(), map[string]float64{"load_9_9": 1}), contentV1)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old))
	done()
	assert.GreaterOrEqual(t, code, 500, text)
	require.ErrorIs(t, host.await(t, componentstatus.StatusRecoverableError).Err(), database.ErrBroken)
	host.await(t, componentstatus.StatusOK)
	require.Equal(t, 100, s.load(10, time.Now().Add(-5*time.Minute)))
	assert.Equal(t, 400, s.count())
	require.NoError(t, s.ext.Shutdown(t.Context()), "in good order")
	s, _ = faulty(t, dir, nil, nil)
	assert.Equal(t, 400, s.count())
}

func (s *server) metric(name string) string {
	s.t.Helper()
	m, err := s.tel.GetMetric(name)
	require.NoError(s.t, err)
	return fmt.Sprintf("%+v", m.Data)
}

// full is a file system of 100 GiB.
type full struct {
	mu    sync.Mutex
	state freespace.State // guarded by mu
}

func (f *full) set(free uint64, readOnly bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = freespace.State{Free: free, Total: 100 << 30, ReadOnly: readOnly}
}

func (f *full) look(string) (freespace.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state, nil
}

func TestAStartOnAFullDiskWaitsForRoom(t *testing.T) {
	for name, c := range map[string]struct {
		readOnly bool
		says     string
	}{
		"full":      {says: "disk full: 12 MiB free of 100 GiB"},
		"read-only": {readOnly: true, says: "file system is read-only"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &full{}
			f.set(12<<20, c.readOnly)
			s, host := faulty(t, t.TempDir(), nil, f.look)
			assert.ErrorContains(t, host.await(t, componentstatus.StatusRecoverableError).Err(), c.says)
			code, _, text := s.write(v1(time.Now(), map[string]float64{"a": 1}), contentV1)
			assert.Equal(t, http.StatusServiceUnavailable, code)
			assert.Contains(t, text, c.says)
			_, err := s.ext.Appender(t.Context())
			require.ErrorContains(t, err, c.says)
			f.set(1<<30, false)
			host.await(t, componentstatus.StatusOK)
			require.Equal(t, 10, s.load(1, time.Now()))
		})
	}
}

func TestBelowTheReserveSamplesAreRefusedForTheTimeBeing(t *testing.T) {
	f := &full{}
	f.set(1<<30, false)
	s, _ := faulty(t, t.TempDir(), nil, f.look)
	<-s.ext.opened
	require.Equal(t, 10, s.load(1, time.Now()))
	app, err := s.ext.Appender(t.Context())
	require.NoError(t, err)
	_, err = app.Append(0, labels.FromStrings("__name__", "late"), 0, time.Now().UnixMilli(), 1, nil, nil, storage.AppendV2Options{})
	require.NoError(t, err)

	f.set(100<<20, false)
	code, header, text := s.write(v1(time.Now(), map[string]float64{"load_0_0": 1}), contentV1)
	assert.Equal(t, http.StatusServiceUnavailable, code)
	assert.Equal(t, "1", header.Get("Retry-After"))
	assert.Contains(t, text, "disk full: 100 MiB free of 100 GiB")
	require.ErrorIs(t, app.Commit(), freespace.ErrFull, "the transaction was begun before")
	_, err = s.ext.Appender(t.Context())
	require.ErrorIs(t, err, freespace.ErrFull)
	assert.Contains(t, s.metric("otelcol_extension_embedded_tsdb_refused_writes"), "disk_full")
	assert.Equal(t, 10, s.count(), "queries go on")
	f.set(1<<30, false)
	require.Equal(t, 10, s.load(1, time.Now()), "it goes on by itself")
}

// TestALogThatEndsBeforeAPositionIsNoticed damages the directory between two runs, as restored backups, tired disks and people do.
func TestALogThatEndsBeforeAPositionIsNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir, backup string)
		says   string // empty: nothing is gone
	}{
		"nothing": {damage: func(*testing.T, string, string) {}},
		"the log is cut": {damage: func(t *testing.T, dir, _ string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, "wal", "00000001"), 500))
		}, says: "write-ahead log ended at"},
		"the log is emptied":                         {damage: func(t *testing.T, dir, _ string) { require.NoError(t, os.RemoveAll(filepath.Join(dir, "wal"))) }, says: "write-ahead log ended at"},
		"the log of out-of-order samples is emptied": {damage: func(t *testing.T, dir, _ string) { require.NoError(t, os.RemoveAll(filepath.Join(dir, "wbl"))) }, says: "out-of-order samples"},
		"the directory is emptied":                   {damage: func(t *testing.T, dir, _ string) { require.NoError(t, os.RemoveAll(dir)) }, says: "the storage is not the same"},
		"a backup is restored": {damage: func(t *testing.T, dir, backup string) {
			require.NoError(t, os.RemoveAll(dir))
			require.NoError(t, os.CopyFS(dir, os.DirFS(backup)))
		}, says: "restored from a backup"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, backup := filepath.Join(t.TempDir(), "tsdb"), filepath.Join(t.TempDir(), "backup")
			s, _ := faulty(t, dir, nil, nil)
			s.load(20, time.Now().Add(-10*time.Minute))
			require.NoError(t, s.ext.Shutdown(t.Context()))
			require.NoError(t, os.CopyFS(backup, os.DirFS(dir)))

			s, _ = faulty(t, dir, nil, nil)
			s.load(20, time.Now().Add(-5*time.Minute))
			run, err := s.ext.Run()
			require.NoError(t, err)
			position, err := s.ext.Sync(t.Context(), run)
			require.NoError(t, err)
			require.NoError(t, s.ext.Shutdown(t.Context()))

			c.damage(t, dir, backup)
			s, _ = faulty(t, dir, nil, nil)
			for range 2 { // the second time after one more restart, and more samples
				gone, err := s.ext.Holds(position)
				require.NoError(t, err)
				if c.says == "" {
					require.NoError(t, gone)
				} else {
					require.ErrorContains(t, gone, c.says)
				}
				s.load(5, time.Now())
				require.NoError(t, s.ext.Shutdown(t.Context()))
				s, _ = faulty(t, dir, nil, nil)
			}
		})
	}
}
