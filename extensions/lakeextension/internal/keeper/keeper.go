// Package keeper merges the small files of a lake, and removes what is too old. lakestore's documentation says how a change of files is made, so that readers
// have each row once, and so that a worker which died, or woke up late, at any step does no harm.
package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/penstockhq/penstock/internal/columnar"
	"github.com/penstockhq/penstock/internal/lakestore"
)

// Signals are the tables of a lake.
var Signals = []string{"logs", "metrics", "traces"}

// Settings say what is done.
type Settings struct {
	// Delay is how long after the end of its hour a partition is closed: most of its rows have come.
	Delay time.Duration
	// Quiet is how long few small files wait for more.
	Quiet time.Duration
	// Target is the size that merged files come near to, in bytes.
	Target int64
	// Memory bounds what the files that are merged at once take while they are read, in bytes.
	Memory int64
	// Level is zstd's for merged files; those of partitions that are RecompressAfter old are written once more with RecompressLevel. 0: they are not.
	Level, RecompressLevel int
	RecompressAfter        time.Duration
	// Overlap is how long files stay beside the one that they were merged into.
	Overlap time.Duration
	// Retention says what is too old.
	Retention Retention
}

// Table takes changes over: in one commit, once for each Change.ID, however often it comes. An error keeps the files of Remove, and the change comes again.
type Table interface {
	Apply(ctx context.Context, c lakestore.Change) error
}

// Events are told what was done. All methods are called from Pass.
type Events interface {
	// Changed: a change is done, with the files that were removed.
	Changed(signal string, c lakestore.Change)
	// Expired: a partition, or some files of it, were removed.
	Expired(signal string, files int)
	// Orphans: files that were merged before, had come again and were removed.
	Orphans(signal string, files int)
	// Failed: a partition is left as it is until the next pass. Reason is storage, damaged, incompatible, raced or table.
	Failed(partition, reason string, err error)
}

// Keeper makes passes over a lake. It is for one goroutine.
type Keeper struct {
	store  lakestore.Store
	set    Settings
	tables []Table
	events Events
	// held returns an error when the lease is over; epoch numbers it.
	held  func() error
	epoch func() int64

	changes map[string]lakestore.Change // by their path; they never change. At most maxCached
	applied map[string]bool             // changes that all tables have, by their ID. At most maxCached
	bad     map[string]string           // files that can't be merged, and why, by path. At most maxCached

	mergeFiles func(w io.Writer, inputs []input, dropped []string, set columnar.MergeSettings) (columnar.Merged, error) // mergeInputs, but in tests
}

const maxCached = 20_000

// New returns a keeper. held is asked before each step that others see.
func New(store lakestore.Store, set Settings, tables []Table, events Events, held func() error, epoch func() int64) *Keeper {
	return &Keeper{store: store, set: set, tables: tables, events: events, held: held, epoch: epoch,
		changes: map[string]lakestore.Change{}, applied: map[string]bool{}, bad: map[string]string{}, mergeFiles: mergeInputs}
}

// State is what a pass has seen of a signal.
type State struct {
	Files, Partitions int
	Bytes             int64
	// Pending are closed partitions that still have work, and Oldest the end of the first one's hour.
	Pending int
	Oldest  time.Time
	// Newest are the newest partitions, at most MaxNewest, in the order of their paths: by hour, then by tenant.
	Newest []PartitionState
}

// MaxNewest is how many partitions of a signal a State names.
const MaxNewest = 100

// PartitionState is what a pass has seen of one partition.
type PartitionState struct {
	Hour    time.Time
	Tenant  string
	Files   int
	Bytes   int64
	Pending bool // it has work
}

// partition is what a pass knows of one.
type partition struct {
	lakestore.Partition
	signal, dir string
	files       []lakestore.File
	last        int // sequence of its last change
	staged      []lakestore.File
}

// mergedName is the name of a file that a change added: its sequence, the epoch of the worker and zstd's level. It begins with z, so that a listing comes to it
// behind the files that it takes the place of.
var mergedName = regexp.MustCompile(`^z(\d{8})-e(\d+)-l(\d+)\.parquet$`)

func nameOf(sequence int, epoch int64, level int) string {
	return fmt.Sprintf("z%08d-e%d-l%d", sequence, epoch, level)
}

// parse reads a merged file's name.
func parse(f lakestore.File) (sequence, level int, ok bool) {
	m := mergedName.FindStringSubmatch(f.Name())
	if m == nil {
		return 0, 0, false
	}
	sequence, _ = strconv.Atoi(m[1])
	level, _ = strconv.Atoi(m[3])
	return sequence, level, true
}

// Pass looks at all partitions of a signal and does what is to be done. A partition that fails is reported and left; an error ends the pass.
func (k *Keeper) Pass(ctx context.Context, signal string, now time.Time) (s State, err error) {
	last, err := k.sequences(ctx, signal)
	if err != nil {
		return s, err
	}
	staged, err := k.stagedFiles(ctx, signal)
	if err != nil {
		return s, err
	}
	p := &partition{signal: signal}
	done := func() error {
		if len(p.files) == 0 {
			return nil
		}
		p.last, p.staged = last[p.dir], staged[p.dir]
		delete(staged, p.dir)
		delete(last, p.dir)
		return k.visit(ctx, p, now, &s)
	}
	err = k.store.List(ctx, signal, func(f lakestore.File) error {
		dir := path.Dir(f.Path)
		at, ok := lakestore.ParsePartition(dir)
		if !ok || path.Ext(f.Path) != lakestore.Extension {
			return nil
		}
		if dir != p.dir {
			if err := done(); err != nil {
				return err
			}
			p = &partition{Partition: at, signal: signal, dir: dir}
		}
		p.files = append(p.files, f)
		return nil
	})
	if err == nil {
		err = done()
	}
	if err != nil {
		return s, err
	}
	return s, k.empty(ctx, signal, last, staged, now)
}

// empty looks at partitions that have no file any more: what was staged for them goes, and when they are too old their changes.
func (k *Keeper) empty(ctx context.Context, signal string, last map[string]int, staged map[string][]lakestore.File, now time.Time) error {
	for dir, files := range staged {
		at, _ := lakestore.ParsePartition(dir)
		p := &partition{Partition: at, signal: signal, dir: dir, last: last[dir], staged: files}
		work := func() error {
			if _, err := k.resolve(ctx, p); err != nil { // its only file can be a staged one
				return err
			}
			return nil
		}
		if err := k.guard(ctx, dir, work()); err != nil {
			return err
		}
		delete(last, dir)
	}
	for dir, n := range last {
		at, ok := lakestore.ParsePartition(dir)
		if _, whole := dropped(k.set.Retention.classes(signal, at.Tenant), now.Sub(at.Hour.Add(time.Hour))); !ok || !whole || at.Undated() {
			continue
		}
		if err := k.guard(ctx, dir, k.forget(ctx, &partition{signal: signal, dir: dir, last: n})); err != nil {
			return err
		}
	}
	return nil
}

// visit works on one partition and counts what it has afterwards.
func (k *Keeper) visit(ctx context.Context, p *partition, now time.Time, s *State) error {
	if err := k.guard(ctx, p.dir, k.work(ctx, p, now)); err != nil {
		return err
	}
	if len(p.files) == 0 {
		return nil
	}
	s.Partitions++
	s.Files += len(p.files)
	one := PartitionState{Hour: p.Hour, Tenant: p.Tenant, Files: len(p.files)}
	for _, f := range p.files {
		one.Bytes += f.Bytes
	}
	s.Bytes += one.Bytes
	defer func() {
		if s.Newest = append(s.Newest, one); len(s.Newest) > MaxNewest { // the listing is in the order of time
			s.Newest = append(s.Newest[:0], s.Newest[1:]...)
		}
	}()
	if end := p.Hour.Add(time.Hour); !p.Undated() && k.closed(p, now) && len(k.set.Plan(p.files, now)) > 0 {
		one.Pending = true
		s.Pending++
		if s.Oldest.IsZero() || end.Before(s.Oldest) {
			s.Oldest = end
		}
	}
	return nil
}

// guard reports what failed in a partition, and returns what ends the pass: a lost lease, a context that is over.
func (k *Keeper) guard(ctx context.Context, dir string, err error) error {
	if err == nil {
		return nil
	}
	if held := k.held(); held != nil {
		return held
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	reason := "storage"
	var f *failure
	switch {
	case errors.As(err, &f):
		reason = f.reason
	case errors.Is(err, errRaced), errors.Is(err, fs.ErrNotExist):
		reason = "raced"
	}
	k.events.Failed(dir, reason, err)
	return nil
}

// failure is an error with a reason.
type failure struct {
	reason string
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// errRaced: another worker has changed the partition meanwhile.
var errRaced = errors.New("another worker has changed the partition")

// closed says whether most rows of a partition have come.
func (k *Keeper) closed(p *partition, now time.Time) bool {
	return p.Undated() || now.Sub(p.Hour.Add(time.Hour)) >= k.set.Delay
}

// sequences reads from a listing which change is the last of each partition.
func (k *Keeper) sequences(ctx context.Context, signal string) (map[string]int, error) {
	last := map[string]int{}
	err := k.store.List(ctx, path.Join(lakestore.ChangesDir, signal), func(f lakestore.File) error {
		if n, err := strconv.Atoi(strings.TrimSuffix(f.Name(), ".json")); err == nil {
			dir := lakestore.PartitionOf(f.Path)
			last[dir] = max(last[dir], n)
		}
		return nil
	})
	return last, err
}

// stagedFiles lists the files that wait for the commit of a change, or for its completion.
func (k *Keeper) stagedFiles(ctx context.Context, signal string) (map[string][]lakestore.File, error) {
	all := map[string][]lakestore.File{}
	err := k.store.List(ctx, path.Join(lakestore.StagingDir, signal), func(f lakestore.File) error {
		dir := lakestore.PartitionOf(f.Path)
		all[dir] = append(all[dir], f)
		return nil
	})
	return all, err
}

// relist reads again which files the partition has.
func (k *Keeper) relist(ctx context.Context, p *partition) error {
	p.files = nil
	return k.store.List(ctx, p.dir, func(f lakestore.File) error {
		if path.Ext(f.Path) == lakestore.Extension {
			p.files = append(p.files, f)
		}
		return nil
	})
}
