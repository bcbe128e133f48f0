package database

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/wal"
)

// ErrClosing is temporary: the storage is being closed, perhaps to be opened again.
var ErrClosing = errors.New("the storage is being closed")

// Loading reports the progress of an Open. Safe for concurrent use.
type Loading struct {
	stats atomic.Pointer[tsdb.DBStats]
}

// Progress returns the write-ahead log's first segment, its last, and the current one.
func (l *Loading) Progress() (first, last, current int) {
	s := l.stats.Load()
	if s == nil {
		return 0, 0, 0
	}
	p := s.Head.WALReplayStatus.GetWALReplayStatus()
	return p.Min, p.Max, p.Current
}

// DB is an open database with everything that uses it. Safe for concurrent use.
type DB struct {
	dir      string
	db       *tsdb.DB
	barrier  *barrier
	identity identity
	users    sync.RWMutex        // held for reading by users of the storage outside this package
	using    context.Context     // canceled by Close
	closing  sync.Once           // of CutBack
	registry prometheus.Gatherer // of Prometheus' own metrics
	gate     *gate
	alerting *alerting
	tracker  *promql.ActiveQueryTracker
	handler  http.Handler
	cancel   context.CancelFunc
}

// Open reads the write-ahead log and blocks until that is done: about 15 s and 1.4 GB for a million series after a kill. It can't be interrupted;
// loading reports the progress.
//
// Data that an earlier process wrote and did not fsync is durable when Open returns.
func Open(s Settings, loading *Loading) (_ *DB, err error) {
	if s.Room == nil {
		s.Room = func() error { return nil }
	}
	if s.OpenFile == nil {
		s.OpenFile = wal.Open
	}
	if err := s.Room(); err != nil {
		return nil, err
	}
	floor, err := forgetDeleted(s.Directory)
	if err != nil {
		return nil, err
	}
	p, err := prepare(s.Directory, s.Logger)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil && p.before.Run != "" { // No caller has used this run, and only a limited number of runs are remembered.
			err = errors.Join(err, p.before.write(s.Directory))
		}
	}()
	d, err := open(s, loading, floor, p)
	return d, err
}

func open(s Settings, loading *Loading, floor int64, p prepared) (*DB, error) {
	reg := &catcher{Registerer: prometheus.NewRegistry()}
	stats := tsdb.NewDBStats()
	loading.stats.Store(stats)
	db, err := tsdb.Open(s.Directory, s.Logger, reg, s.tsdbOptions(), stats)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", s.Directory, err)
	}
	if floor != 0 {
		if err := db.Head().Truncate(floor); err != nil {
			return nil, errors.Join(fmt.Errorf("skip deleted data: %w", err), db.Close())
		}
	}
	if p.rebuilt {
		// Marks in the log of out-of-order samples say which samples are in chunk files. The chunk files are new, so the marks would refer to wrong
		// ones.
		if err := db.CompactOOOHead(context.Background()); err != nil {
			return nil, errors.Join(fmt.Errorf("write out-of-order samples to blocks: %w", err), db.Close())
		}
	}
	b, err := newBarrier(s.Directory, reg.failed, s.OpenFile)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the logs durable: %w", err), db.Close())
	}
	d, err := assemble(s, db, b, stats, reg.Registerer.(*prometheus.Registry))
	if err != nil {
		return nil, errors.Join(err, db.Close(), b.close())
	}
	d.identity = p.identity
	return d, nil
}

func assemble(s Settings, db *tsdb.DB, b *barrier, stats *tsdb.DBStats, reg *prometheus.Registry) (*DB, error) {
	tracker, err := promql.NewActiveQueryTracker(s.Directory, s.QueryConcurrency, s.Logger)
	if err != nil {
		return nil, fmt.Errorf("open the list of active queries: %w", err)
	}
	opts := s.engineOptions()
	opts.Reg, opts.ActiveQueryTracker, opts.Parser = reg, tracker, s.boundedParser()
	engine := promql.NewEngine(opts)
	g := &gate{db: db, barrier: b, room: s.Room, maxSeries: s.MaxSeries, families: newFamilies(), tenantLabel: s.TenantLabel}
	ctx, cancel := context.WithCancel(context.Background())
	a, err := startAlerting(ctx, s, db, g, s.rulesEngine(), reg)
	if err != nil {
		cancel()
		return nil, errors.Join(err, tracker.Close())
	}
	d := &DB{dir: s.Directory, db: db, barrier: b, using: ctx, registry: reg, gate: g, alerting: a, tracker: tracker, cancel: cancel}
	d.handler = newHandler(s, api{db: db, stats: stats, gate: g, engine: s.boundedEngine(engine), alerting: a, registry: reg, started: time.Now()})
	return d, nil
}

// Handler serves Prometheus' HTTP API.
func (d *DB) Handler() http.Handler { return d.handler }

// Appender accepts samples from this process, under the bounds of remote write: one transaction, ended by Commit or Rollback. Refused samples are
// counted here; the error of Append contains the reason (interface{ Reason() string }, or one of storage's). The error of Appender and of Commit is
// temporary: the disk is full, or the storage is being closed.
func (d *DB) Appender(ctx context.Context) (storage.AppenderV2, error) {
	_, done, ok := d.Use(ctx)
	if !ok {
		return nil, ErrClosing
	}
	if err := d.Admit(); err != nil {
		done()
		return nil, err
	}
	return &transaction{AppenderV2: d.gate.AppenderV2(ctx), done: done}, nil
}

// transaction is an appender that keeps the storage open.
type transaction struct {
	storage.AppenderV2
	done func()
	once sync.Once
}

// Commit ends the transaction.
func (t *transaction) Commit() error {
	defer t.once.Do(t.done)
	return t.AppenderV2.Commit()
}

// Rollback ends the transaction.
func (t *transaction) Rollback() error {
	defer t.once.Do(t.done)
	return t.AppenderV2.Rollback()
}

// Series is the number of series in memory.
func (d *DB) Series() int64 { return int64(d.db.Head().NumSeries()) }

// Size is the bytes of blocks and write-ahead log.
func (d *DB) Size() int64 {
	size := d.db.Head().Size()
	for _, b := range d.db.Blocks() {
		size += b.Size()
	}
	return size
}

// Refused calls f with each reason and the number of samples refused for it.
func (d *DB) Refused(f func(r Refusal, samples int64)) {
	for r := range numRefusals {
		n := d.gate.refused[r].Load()
		if r == Invalid {
			n += refusedByLabels(d.registry)
		}
		f(r, n)
	}
}
