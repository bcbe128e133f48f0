package wal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/wal"
)

// disk opens files, remembers how much of each was fsynced, and fails on demand.
type disk struct {
	mu     sync.Mutex
	synced map[string]int64
	fail   error
}

type diskFile struct {
	wal.File
	disk *disk
	name string
}

func (d *disk) open(name string) (wal.File, error) {
	f, err := wal.Open(name)
	if err != nil {
		return nil, err
	}
	return &diskFile{f, d, name}, nil
}

func (f *diskFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.fail != nil {
		return f.disk.fail
	}
	size, err := f.Size()
	if err != nil {
		return err
	}
	f.disk.synced[filepath.Base(f.name)] = size
	return nil
}

func newDisk() *disk { return &disk{synced: map[string]int64{}} }

// log is one that Prometheus writes, with small segments.
func log(t *testing.T, dir string) *wlog.WL {
	t.Helper()
	w, err := wlog.NewSize(nil, nil, dir, 64<<10, compression.None)
	require.NoError(t, err)
	return w
}

func records(t *testing.T, dir string) (all []string) {
	t.Helper()
	damage, err := wal.Scan(dir, 0, func(rec []byte) error {
		all = append(all, string(rec))
		return nil
	})
	require.NoError(t, err)
	require.Nil(t, damage)
	return all
}

func TestSyncCoversEverySegment(t *testing.T) {
	dir, d := t.TempDir(), newDisk()
	w := log(t, dir)
	l, err := wal.Follow(dir, d.open)
	require.NoError(t, err)
	for range 100 {
		require.NoError(t, w.Log(make([]byte, 10<<10)))
	}
	require.NoError(t, l.Measure())
	require.NoError(t, l.Sync())
	end, err := wal.End(dir)
	require.NoError(t, err)
	assert.Equal(t, end, l.End())
	require.Greater(t, end.Segment, 10)
	for n := range end.Segment + 1 {
		info, err := os.Stat(filepath.Join(dir, fmt.Sprintf("%08d", n)))
		require.NoError(t, err)
		assert.Equal(t, info.Size(), d.synced[fmt.Sprintf("%08d", n)], n)
	}
	assert.Contains(t, d.synced, filepath.Base(dir), "the directory's entries")
	require.NoError(t, l.Close())
	require.NoError(t, w.Close())
}

func TestAFailedSyncMovesNoEnd(t *testing.T) {
	dir, d := t.TempDir(), newDisk()
	w := log(t, dir)
	l, err := wal.Follow(dir, d.open)
	require.NoError(t, err)
	require.NoError(t, w.Log([]byte("durable")))
	require.NoError(t, l.Measure())
	require.NoError(t, l.Sync())
	good := l.End()
	require.NoError(t, w.Log([]byte("lost")))
	d.fail = errors.New("input/output error")
	require.NoError(t, l.Measure())
	require.ErrorIs(t, l.Sync(), d.fail)
	assert.Equal(t, good, l.End())
	require.NoError(t, l.Close())
	require.NoError(t, w.Close())

	removed, err := wal.Cut(dir, good, "")
	require.NoError(t, err)
	assert.Positive(t, removed.Bytes)
	assert.Equal(t, []string{"durable"}, records(t, dir))
}

// TestScanFindsTheFirstDamage writes logs, damages one byte or cuts a file, and reads all records before the damage, none after it.
func TestScanFindsTheFirstDamage(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		w := log(t, dir)
		var written []string
		for range 1 + rng.IntN(60) {
			rec := fmt.Sprintf("%d%s", len(written), strings.Repeat("x", rng.IntN(1+rng.IntN(40<<10))))
			require.NoError(t, w.Log([]byte(rec)))
			written = append(written, rec)
		}
		if rng.IntN(2) == 0 {
			require.NoError(t, w.Close())
		}
		require.Equal(t, written, records(t, dir), seed)
		end, err := wal.End(dir)
		require.NoError(t, err)
		n := rng.IntN(end.Segment + 1)
		file := filepath.Join(dir, fmt.Sprintf("%08d", n))
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		if len(content) == 0 {
			continue
		}
		at := rng.IntN(len(content))
		if rng.IntN(2) == 0 {
			content[at] ^= 1 << rng.IntN(8)
		} else {
			content = content[:at]
		}
		require.NoError(t, os.WriteFile(file, content, 0o600))
		var before []string
		keep := func(rec []byte) error { before = append(before, string(rec)); return nil }
		damage, err := wal.Scan(dir, 0, keep)
		require.NoError(t, err)
		if damage == nil {
			// Padding was hit, or a segment ends between two records: nothing says that there were more.
			continue
		}
		require.Equal(t, written[:len(before)], append([]string{}, before...), seed)
		aside := filepath.Join(dir, "aside")
		_, err = wal.Cut(dir, damage.At, aside)
		require.NoError(t, err)
		require.Equal(t, before, records(t, dir), "seed %d: %v", seed, damage)
		if n < end.Segment {
			left, err := os.ReadDir(aside)
			require.NoError(t, err)
			require.NotEmpty(t, left, "seed %d: later segments are kept", seed)
		}
	}
}

func TestScanStopsWhereItIsTold(t *testing.T) {
	dir := t.TempDir()
	w := log(t, dir)
	for i := range 10 {
		require.NoError(t, w.Log([]byte{byte(i)}))
	}
	require.NoError(t, w.Close())
	damage, err := wal.Scan(dir, 0, func(rec []byte) error {
		if rec[0] == 7 {
			return wal.ErrUnwanted
		}
		return nil
	})
	require.NoError(t, err)
	require.NotNil(t, damage)
	_, err = wal.Cut(dir, damage.At, "")
	require.NoError(t, err)
	assert.Len(t, records(t, dir), 7)
}

func TestAMissingSegmentIsADamage(t *testing.T) {
	dir := t.TempDir()
	w := log(t, dir)
	for range 20 {
		require.NoError(t, w.Log(make([]byte, 20<<10)))
	}
	require.NoError(t, w.Close())
	require.NoError(t, os.Remove(filepath.Join(dir, "00000002")))
	damage, err := wal.Scan(dir, 0, nil)
	require.NoError(t, err)
	require.NotNil(t, damage)
	assert.Equal(t, 1, damage.At.Segment)
	assert.ErrorContains(t, damage.Cause, "the next segment is 3")
}

func TestALogNeverBeginsAnew(t *testing.T) {
	segments := func(dir string) (all []string) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			info, err := e.Info()
			require.NoError(t, err)
			all = append(all, fmt.Sprint(e.Name(), " ", info.Size()))
		}
		return all
	}
	dir := t.TempDir()
	write := func(n, size int) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%08d", n)), make([]byte, size), 0o600))
	}
	write(6, 0)
	write(7, 5)
	write(8, 0)
	write(9, 0)
	end, err := wal.End(dir)
	require.NoError(t, err)
	require.Equal(t, wal.Position{Segment: 7, Offset: 5}, end)
	require.NoError(t, wal.DropEmpty(dir))
	assert.Equal(t, []string{"00000006 0", "00000007 5"}, segments(dir))
	_, err = wal.Cut(dir, wal.None(), "")
	require.NoError(t, err)
	assert.Equal(t, []string{"00000006 0"}, segments(dir))
	require.NoError(t, wal.DropEmpty(dir))
	assert.Equal(t, []string{"00000006 0"}, segments(dir))
	end, err = wal.End(dir)
	require.NoError(t, err)
	assert.Equal(t, wal.Position{Segment: 6}, end, "what was before was complete, and needed no more")
	l, err := wal.Follow(dir, wal.Open)
	require.NoError(t, err)
	require.NoError(t, l.Measure())
	require.NoError(t, l.Sync())
	assert.Equal(t, end, l.End())
	require.NoError(t, l.Close())
}

func TestCallersOfAGroupShareRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var begun, runs atomic.Int64
		g := wal.NewGroup(func() error {
			begun.Add(1)
			<-release
			return fmt.Errorf("run %d", runs.Add(1))
		})
		first := make(chan error, 1)
		go func() { first <- g.Do(context.Background()) }()
		synctest.Wait()
		require.EqualValues(t, 1, begun.Load(), "at once: nobody waits for others")
		const callers = 50
		rest := make(chan error, callers)
		for range callers {
			go func() { rest <- g.Do(context.Background()) }()
		}
		synctest.Wait()
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, g.Do(canceled), context.Canceled)
		close(release)
		require.EqualError(t, <-first, "run 1")
		for range callers {
			require.EqualError(t, <-rest, "run 2")
		}
	})
}
