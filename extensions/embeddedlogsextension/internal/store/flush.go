package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/penstockhq/penstock/internal/durable"
)

const (
	flushesName    = "flushes.json"
	flushesVersion = 1
	// settleEvery is the pause before another look whether all is on disk: a merge in memory may be under way, whose rows no flush finds.
	settleEvery = 2 * time.Millisecond
)

// flushes knows how far the store is durable. open is called before all else; the rest is safe for concurrent use.
type flushes struct {
	path string

	mu      sync.Mutex // held by who flushes
	file    flushesFile
	durable int64 // guarded by mu; additions that are
}

// flushesFile is the content of a file that each flush writes anew. A store that was emptied, replaced or copied back is told from the one that
// was there by it.
type flushesFile struct {
	Version int    `json:"version"`
	Store   string `json:"store"`
	Number  int64  `json:"number"`
}

func (f *flushes) open(directory string) error {
	f.path = filepath.Join(directory, flushesName)
	data, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		f.file = flushesFile{Version: flushesVersion, Store: rand.Text()}
		return f.write()
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &f.file); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	if f.file.Version != flushesVersion {
		return fmt.Errorf("%s: version %d is not known", f.path, f.file.Version)
	}
	return nil
}

func (f *flushes) write() error {
	data, err := json.Marshal(f.file)
	if err != nil {
		return err
	}
	return durable.WriteFile(f.path, data, 0o600)
}

func (f *flushes) position() string { return f.file.Store + "/" + strconv.FormatInt(f.file.Number, 10) }

// Flush returns when all rows are durable, streams included, that were added before the call. Callers share a flush. position is for
// [Store.Holds].
func (s *Store) Flush(ctx context.Context) (err error) {
	_, err = s.Sync(ctx)
	return err
}

// Sync is Flush, and returns the position that it reached.
func (s *Store) Sync(ctx context.Context) (position string, err error) {
	ctx, done, err := s.use(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	f := &s.flushes
	wanted := s.added.Load()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.durable >= wanted {
		return f.position(), nil
	}
	s.settleBuffers()
	s.flushOnce() // most of it, beside additions
	reached, err := s.settle(ctx)
	if err != nil {
		return "", err
	}
	f.file.Number++
	if err := f.write(); err != nil {
		f.file.Number--
		return "", fmt.Errorf("write %s: %w", f.path, err)
	}
	f.durable = reached
	return f.position(), nil
}

// settle lets nothing be added until all that was is on disk. It returns the number of additions.
func (s *Store) settle(ctx context.Context) (int64, error) {
	s.adding.Lock()
	defer s.adding.Unlock()
	s.handOver()
	for !s.settled() {
		s.flushOnce()
		if s.settled() {
			break
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("flush: %w", ctx.Err())
		case <-time.After(settleEvery):
		}
	}
	s.touched.forget()
	return s.added.Load(), nil
}

// flushOnce writes what is in memory, of the days that got rows. A snapshot is the engine's one way to do that; it is removed at once. What
// takes part in a merge is left out.
func (s *Store) flushOnce() {
	s.engine.DebugFlush()
	for _, n := range s.touched.list() {
		for _, path := range s.engine.PartitionSnapshotMustCreate(dayName(n)) {
			_ = s.engine.PartitionSnapshotDelete(path) // the retention may have dropped the day; else it goes at the next start
		}
	}
}

// settled says whether nothing is in memory alone. Nothing may be added meanwhile. It moves rows from the engine's buffers into parts first: the
// engine counts the buffered rows of its newest day alone, and no entry of an index that is on its way from a buffer to a part.
func (s *Store) settled() bool {
	s.engine.DebugFlush()
	before := s.indexParts()
	var of logstorage.StorageStats
	s.engine.UpdateStats(&of)
	if of.PendingRows+of.InmemoryRowsCount+of.IndexdbPendingItems > 0 {
		return false
	}
	// The engine tells the number of all parts of its indexes, those in memory among them. Names of parts are never used again: the same list of
	// those on disk before and after says that none was made or merged between.
	after := s.indexParts()
	return before == after && int(of.IndexdbPartsCount) == strings.Count(after, "\n")
}

// indexParts lists the parts of all days' indexes that are on disk, each on a line.
func (s *Store) indexParts() string {
	var all strings.Builder
	for _, name := range s.engine.PartitionList() {
		data, err := os.ReadFile(filepath.Join(s.set.Directory, dataName, partitionsName, name, "indexdb", "parts.json"))
		if err != nil {
			continue // none yet, or the day was dropped
		}
		var parts []string
		if json.Unmarshal(data, &parts) != nil {
			return ""
		}
		for _, p := range parts {
			all.WriteString(name + "/" + p + "\n")
		}
	}
	return all.String()
}

// GoneError says that the store has less than it had.
type GoneError struct{ Why string }

func (e *GoneError) Error() string { return e.Why }

// Holds returns a *GoneError if the store doesn't have what was durable at position: it was emptied, or an older copy of it was put back.
// What was deleted inside it is not noticed.
func (s *Store) Holds(position string) error {
	f := &s.flushes
	f.mu.Lock()
	defer f.mu.Unlock()
	id, n, _ := strings.Cut(position, "/")
	number, err := strconv.ParseInt(n, 10, 64)
	switch {
	case err != nil:
		return &GoneError{fmt.Sprintf("position %q is none", position)}
	case id != f.file.Store:
		return &GoneError{"the storage is another one than the checkpoint was made with"}
	case number > f.file.Number:
		return &GoneError{fmt.Sprintf("the storage was flushed %d times, and the checkpoint saw flush %d", f.file.Number, number)}
	}
	return nil
}
