package database

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// Loading follows an Open that runs. Safe for concurrent use.
type Loading struct {
	stats atomic.Pointer[tsdb.DBStats]
}

// Progress returns the write-ahead log's first segment, the last, and the one being read.
func (l *Loading) Progress() (first, last, current int) {
	s := l.stats.Load()
	if s == nil {
		return 0, 0, 0
	}
	p := s.Head.WALReplayStatus.GetWALReplayStatus()
	return p.Min, p.Max, p.Current
}

// DB is an open database with everything that works on it. Safe for concurrent use.
type DB struct {
	db       *tsdb.DB
	gate     *gate
	alerting *alerting
	tracker  *promql.ActiveQueryTracker
	handler  http.Handler
	cancel   context.CancelFunc
}

// Open reads the write-ahead log and blocks until that is done: about 15 s and 1.4 GB for a million series after a kill.
// It can't be interrupted; loading says how far it is.
func Open(s Settings, loading *Loading) (*DB, error) {
	reg := prometheus.NewRegistry()
	stats := tsdb.NewDBStats()
	loading.stats.Store(stats)
	floor, err := forgetDeleted(s.Directory)
	if err != nil {
		return nil, err
	}
	db, err := tsdb.Open(s.Directory, s.Logger, reg, s.tsdbOptions(), stats)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", s.Directory, err)
	}
	if floor != 0 {
		if err := db.Head().Truncate(floor); err != nil {
			return nil, errors.Join(fmt.Errorf("pass over what was deleted: %w", err), db.Close())
		}
	}
	d, err := assemble(s, db, stats, reg)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return d, nil
}

func assemble(s Settings, db *tsdb.DB, stats *tsdb.DBStats, reg *prometheus.Registry) (*DB, error) {
	tracker, err := promql.NewActiveQueryTracker(s.Directory, s.QueryConcurrency, s.Logger)
	if err != nil {
		return nil, fmt.Errorf("open the list of active queries: %w", err)
	}
	engine := promql.NewEngine(promql.EngineOpts{
		Logger:                   s.Logger,
		Reg:                      reg,
		MaxSamples:               s.QueryMaxSamples,
		Timeout:                  s.QueryTimeout,
		ActiveQueryTracker:       tracker,
		LookbackDelta:            s.Lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return s.EvaluationInterval.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   parser.NewParser(parser.Options{}),
	})
	g := &gate{db: db, maxSeries: s.MaxSeries, families: newFamilies()}
	ctx, cancel := context.WithCancel(context.Background())
	a, err := startAlerting(ctx, s, db, g, engine, reg)
	if err != nil {
		cancel()
		return nil, errors.Join(err, tracker.Close())
	}
	d := &DB{db: db, gate: g, alerting: a, tracker: tracker, cancel: cancel}
	d.handler = newHandler(s, api{db: db, stats: stats, gate: g, engine: engine, alerting: a, registry: reg, started: time.Now()})
	return d, nil
}

// Handler serves Prometheus' HTTP API.
func (d *DB) Handler() http.Handler { return d.handler }

// Appender takes samples from this process, under the bounds of remote write. Refused samples are counted here; the error
// tells the reason (interface{ Reason() string }, or one of storage's).
func (d *DB) Appender(ctx context.Context) storage.AppenderV2 { return d.gate.AppenderV2(ctx) }

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

// Refused calls f with each reason and how many samples were refused for it.
func (d *DB) Refused(f func(r Refusal, samples int64)) {
	for r := range numRefusals {
		f(r, d.gate.refused[r].Load())
	}
}

// Close ends rules, alerts and queries, and closes the storage. Appenders must be finished.
func (d *DB) Close() error {
	d.alerting.stop()
	d.cancel()
	return errors.Join(d.db.Close(), d.tracker.Close())
}
