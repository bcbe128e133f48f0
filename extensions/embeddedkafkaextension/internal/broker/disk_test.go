package broker_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk"
)

// badDisk is the operating system's file system with faults: an error for a flush or a write, a flush that is held up.
type badDisk struct {
	disk.OS
	syncs, directorySyncs atomic.Int64
	failSync, failWrite   atomic.Pointer[error]
	free                  atomic.Int64 // 0: as it is
	held                  atomic.Pointer[chan struct{}]
}

type badFile struct {
	disk.File
	d       *badDisk
	segment bool
}

func (d *badDisk) Open(name string, create bool) (disk.File, error) {
	f, err := d.OS.Open(name, create)
	if err != nil {
		return nil, err
	}
	return badFile{f, d, strings.HasSuffix(name, ".dat") && strings.Contains(name, topic+"-0")}, nil
}

func (d *badDisk) Free(name string) (int64, error) {
	if n := d.free.Load(); n != 0 {
		return n, nil
	}
	return d.OS.Free(name)
}

func (d *badDisk) SyncDirectory(name string) error {
	if strings.HasSuffix(name, topic+"-0") {
		d.directorySyncs.Add(1)
	}
	return d.OS.SyncDirectory(name)
}

func (f badFile) Sync() error {
	if !f.segment {
		return f.File.Sync()
	}
	if held := f.d.held.Load(); held != nil {
		<-*held
	}
	f.d.syncs.Add(1)
	if err := f.d.failSync.Load(); err != nil {
		return *err
	}
	return f.File.Sync()
}

func (f badFile) WriteAt(p []byte, at int64) (int, error) {
	if err := f.d.failWrite.Load(); err != nil && f.segment {
		n, _ := f.File.WriteAt(p[:len(p)/2], at)
		return n, *err
	}
	return f.File.WriteAt(p, at)
}

func onBadDisk(t *testing.T) (*running, *badDisk) {
	t.Helper()
	d := &badDisk{}
	set := settings(t.TempDir())
	set.FS = d
	return open(t, set), d
}

// A flush or a write that fails is never answered with success; when the disk works again, so does the topic, and nothing is
// twice.
func TestADiskThatFailsAcknowledgesNothing(t *testing.T) {
	for name, cause := range map[string]error{"EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC} {
		for _, where := range []string{"flush", "write"} {
			t.Run(where+" "+name, func(t *testing.T) {
				r, d := onBadDisk(t)
				r.create(t, nil)
				produce(t, r.client(t), "before")
				fail := &d.failSync
				if where == "write" {
					fail = &d.failWrite
				}
				fail.Store(&cause)
				c := r.client(t, kgo.RecordRetries(0))
				for i := range 3 {
					err := c.ProduceSync(t.Context(), record(fmt.Sprint("refused ", i))).FirstErr()
					require.ErrorIs(t, err, kerr.KafkaStorageError)
				}
				assert.Equal(t, []string{"before"}, r.read(t))
				patient := r.client(t)
				done := make(chan error, 1)
				go func() { done <- patient.ProduceSync(t.Context(), record("kept")).FirstErr() }()
				fail.Store(nil)
				require.NoError(t, <-done)
				set := r.set
				set.FS, set.Directory = nil, r.crash(t)
				again := open(t, set)
				assert.Equal(t, []string{"before", "kept"}, again.read(t))
				assert.Empty(t, again.findings())
			})
		}
	}
}

// Requests that arrive while a flush is under way share the next one.
func TestAppendsShareAFlush(t *testing.T) {
	r, d := onBadDisk(t)
	r.create(t, nil)
	produce(t, r.client(t), "first")
	hold := make(chan struct{})
	d.held.Store(&hold)
	before := d.syncs.Load()
	const writers = 20
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		c := r.client(t)
		_, _, err := c.ProducerID(t.Context())
		require.NoError(t, err)
		wg.Go(func() { errs[i] = c.ProduceSync(t.Context(), record(fmt.Sprint(i))).FirstErr() })
	}
	require.Eventually(t, func() bool { return r.Queued(topic, 0) >= writers-1 }, 30*time.Second, time.Millisecond)
	d.held.Store(nil)
	close(hold)
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	assert.LessOrEqual(t, d.syncs.Load()-before, int64(3))
}

// A new segment is a new name: its directory is flushed before anything in it is acknowledged.
func TestTheDirectoryOfANewSegmentIsFlushed(t *testing.T) {
	d := &badDisk{}
	set := settings(t.TempDir())
	set.FS, set.SegmentBytes = d, 1<<10
	r := open(t, set)
	r.create(t, nil)
	c := r.client(t)
	produce(t, c, strings.Repeat("x", 600))
	before := d.directorySyncs.Load()
	produce(t, c, strings.Repeat("y", 600))
	segments, err := filepath.Glob(filepath.Join(set.Directory, "partitions", topic+"-0", "*.dat"))
	require.NoError(t, err)
	assert.Len(t, segments, 2)
	assert.GreaterOrEqual(t, d.directorySyncs.Load()-before, int64(1))
}

func TestAFullDiskRefusesBeforeItIsFull(t *testing.T) {
	r, d := onBadDisk(t)
	r.create(t, nil)
	d.free.Store(1 << 20)
	c := r.client(t, kgo.RecordRetries(0))
	require.Eventually(t, func() bool {
		return errors.Is(c.ProduceSync(t.Context(), record("x")).FirstErr(), kerr.ThrottlingQuotaExceeded)
	}, 30*time.Second, time.Millisecond)
	assert.True(t, r.Room(topic, time.Now()).Disk)
	d.free.Store(0)
	require.Eventually(t, func() bool { return !r.Full() }, 30*time.Second, time.Millisecond)
	produce(t, r.client(t), "y")
}

// A log that was opened while the disk was nearly full may take more when the disk has more, and keeps that when others fill the disk.
func TestTheLimitGrowsWithTheFreeSpace(t *testing.T) {
	d := &badDisk{}
	d.free.Store(4 << 30)
	set := settings(t.TempDir())
	set.FS, set.Allowed = d, func(free int64) int64 { return free / 64 }
	r := open(t, set)
	assert.EqualValues(t, 64<<20, r.Limit())
	d.free.Store(8 << 30)
	require.Eventually(t, func() bool { return r.Limit() == 128<<20 }, 30*time.Second, time.Millisecond)
	r.create(t, nil)
	require.Eventually(t, func() bool { return r.Room(topic, time.Now()).Max == 128<<20 }, 30*time.Second, time.Millisecond)
	d.free.Store(5 << 30)
	produce(t, r.client(t), "y")
	assert.EqualValues(t, 128<<20, r.Limit())
}
