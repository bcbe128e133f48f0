package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/gofrs/flock"
	"go.uber.org/zap"
)

const (
	// day is what the engine partitions by.
	day = 24 * time.Hour
	// maxFuture is how far in the future a row may lie. The engine takes a day at least.
	maxFuture = day
	// flushInterval is when the engine makes rows durable by itself.
	flushInterval = 5 * time.Second
	// retentionMargin keeps rows away from the bound at which the engine drops them and counts nothing.
	retentionMargin = time.Minute

	dataName = "data"
	lockName = "lock"
)

var (
	// ErrClosed says that the store is closed, or closing.
	ErrClosed = errors.New("the storage is shut down")
	// ErrInUse says that another process, or another store of this one, works in the directory.
	ErrInUse = errors.New("in use by another process (or by another embedded_logs of this one)")
)

// Signal tells log records from spans: no query sees both.
type Signal uint32

// The signals. The numbers are on disk.
const (
	Logs   Signal = 0
	Traces Signal = 1
)

// Settings of a store. Directory, Retention, MaxTenants, Memory and Log are required.
type Settings struct {
	// Directory is made if it is missing, and used by one store at a time.
	Directory string
	// Retention is how old a row may be, a day at least. Whole days are dropped.
	Retention time.Duration
	// MaxBytes is how large the store may be before its oldest days are dropped; the last two stay. 0: no bound.
	MaxBytes int64
	// MaxTenants bounds the tenants that have rows, for ever: rows of further ones are refused.
	MaxTenants int
	// StreamFields are resource attributes that make a stream, beside service.name. Their values should be few.
	StreamFields []string
	// Memory bounds the engine's caches, in bytes. A query's pipes may hold two fifths of it each.
	Memory int64
	// Readers is how many goroutines read for one query; 0: as many as there are CPUs.
	Readers int
	// Calm says whether a query may read with as many goroutines as there are CPUs, if that is more; nil: never.
	Calm func() bool
	// Room returns an error while nothing may be written for lack of room; nil: there is always room.
	Room func() error
	// Log gets the engine's warnings.
	Log *zap.Logger
}

// Store is an open store. It is safe for concurrent use.
//
// The engine ends the process when the file system fails it. So nothing is added while Room says that there is none.
type Store struct {
	set     Settings
	engine  *logstorage.Storage
	unlock  func() error
	tenants *tenants
	rows    *rowMaker

	closing context.Context
	close   context.CancelFunc
	using   sync.RWMutex // held for reading by whoever uses the engine

	adding  sync.RWMutex // held for reading while rows go into buffers and from there into the engine; for writing while a flush makes sure of all
	buffers *buffers
	added   atomic.Int64 // counts additions
	touched days         // days that got rows since the last flush
	flushes flushes
	dropped droppedDays
	refused refusals
	erased  erasures
}

// Open opens the store in set.Directory. An error tells what is wrong with it; where files of the engine are damaged it ends the process.
func Open(set Settings) (_ *Store, err error) {
	if err := os.MkdirAll(set.Directory, 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(set.Directory, lockName), flock.SetPermissions(0o600))
	switch locked, err := lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("lock %q: %w", set.Directory, err)
	case !locked:
		return nil, fmt.Errorf("%q is %w", set.Directory, ErrInUse)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Unlock())
		}
	}()
	if set.Room == nil {
		set.Room = func() error { return nil }
	}
	if err := set.Room(); err != nil {
		return nil, err
	}
	prepare(set.Memory, set.Log)
	s := &Store{set: set, unlock: lock.Unlock, rows: newRowMaker(set.StreamFields), buffers: newBuffers(set.Memory)}
	s.rows.names = newNameBudget(s.namesBefore)
	s.closing, s.close = context.WithCancel(context.Background())
	if s.tenants, err = openTenants(set.Directory, set.MaxTenants); err != nil {
		return nil, err
	}
	if err := s.flushes.open(set.Directory); err != nil {
		return nil, err
	}
	if err := s.erased.open(set.Directory); err != nil {
		return nil, err
	}
	s.engine = logstorage.MustOpenStorage(filepath.Join(set.Directory, dataName), &logstorage.StorageConfig{
		Retention:              set.Retention,
		MaxBackfillAge:         set.Retention, // 0 would be the retention too, but not where an older engine reads it
		FutureRetention:        s.keptAhead(time.Now()),
		MaxDiskSpaceUsageBytes: set.MaxBytes,
		DefaultParallelReaders: set.Readers,
		FlushInterval:          flushInterval,
	})
	s.engine.MustDeleteStalePartitionSnapshots(math.MinInt64) // those of flushes that a kill interrupted
	return s, nil
}

// keptAhead is how far in the future days may lie: the engine deletes those that lie further, when it is opened. The days that are there stay,
// also while the clock is behind.
func (s *Store) keptAhead(now time.Time) time.Duration {
	ahead := maxFuture
	entries, err := os.ReadDir(filepath.Join(s.set.Directory, dataName, partitionsName))
	if err != nil {
		return ahead // none yet; what else is wrong the engine finds out
	}
	for _, e := range entries {
		if d, err := time.Parse(dayFormat, e.Name()); err == nil {
			ahead = max(ahead, d.Add(2*day).Sub(now))
		}
	}
	return ahead
}

// use lets the caller use the engine until done is called. Its context ends when the store closes.
func (s *Store) use(ctx context.Context) (_ context.Context, done func(), err error) {
	s.using.RLock()
	if s.closing.Err() != nil {
		s.using.RUnlock()
		return ctx, nil, ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.closing, cancel)
	return ctx, func() {
		stop()
		cancel()
		s.using.RUnlock()
	}, nil
}

// Close cancels the queries, waits for them, makes all rows durable and closes the store.
func (s *Store) Close() error {
	if s.closing.Err() != nil {
		return nil
	}
	err := s.Flush(context.Background())
	s.close()
	s.using.Lock()
	defer s.using.Unlock()
	s.settleBuffers()
	s.engine.MustClose()
	return errors.Join(err, s.unlock())
}

// Stats are sizes of a store.
type Stats struct {
	Rows, Streams, Days, Tenants int64
	// Bytes on disk; Uncompressed is what the rows would take as JSON, about.
	Bytes, Uncompressed int64
	// Unflushed rows are not durable yet; the engine leaves out those of the last second that belong to another day than the newest.
	Unflushed int64
}

// Stats returns the sizes as they are now; zero after Close.
func (s *Store) Stats() Stats {
	_, done, err := s.use(context.Background())
	if err != nil {
		return Stats{}
	}
	defer done()
	var of logstorage.StorageStats
	s.engine.UpdateStats(&of)
	return Stats{
		Rows: int64(of.RowsCount()), Streams: int64(of.StreamsCreatedTotal), Days: int64(of.PartitionsCount), Tenants: int64(s.tenants.count()),
		Bytes:        int64(of.IndexdbSizeBytes + of.CompressedSmallPartSize + of.CompressedBigPartSize),
		Uncompressed: int64(of.UncompressedInmemorySize + of.UncompressedSmallPartSize + of.UncompressedBigPartSize),
		Unflushed:    int64(of.PendingRows+of.InmemoryRowsCount) + s.buffers.rows.Load(),
	}
}

// days is a set of days, as numbers since 1970. The zero value is empty.
type days struct {
	mu  sync.Mutex
	all map[int64]struct{} // guarded by mu
}

func (d *days) add(days []int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil {
		d.all = map[int64]struct{}{}
	}
	for _, n := range days {
		d.all[n] = struct{}{}
	}
}

func (d *days) list() []int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]int64, 0, len(d.all))
	for n := range d.all {
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}

func (d *days) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.all)
}

func dayOf(t int64) int64 {
	n := t / int64(day)
	if t%int64(day) < 0 {
		n--
	}
	return n
}

func dayName(n int64) string { return time.Unix(n*int64(day/time.Second), 0).UTC().Format(dayFormat) }

const (
	partitionsName = "partitions"
	dayFormat      = "20060102"
)
