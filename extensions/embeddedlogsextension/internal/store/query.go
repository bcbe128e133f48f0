package store

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// View says whose rows a query sees.
type View struct {
	// All tenants; Tenant doesn't count then.
	All bool
	// Tenant is the one.
	Tenant string
}

// Query is a LogsQL query. See https://docs.victoriametrics.com/victorialogs/logsql/
type Query struct {
	Text string
	// At is the time that relative times count from. The zero time is now.
	At time.Time
	// Start and End bound _time, beside what Text says: Start is the first moment, End the first that is outside. A zero time is no bound.
	Start, End time.Time
	View       View
	Signal     Signal
	// Hidden are fields that the query sees nothing of, and does not return.
	Hidden []string
	// MaxRead ends a query that reads more bytes, with a [CostError]; 0: no bound.
	MaxRead int64
}

// QueryError is a mistake in a query.
type QueryError struct{ Err error }

func (e *QueryError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *QueryError) Unwrap() error { return e.Err }

// CostError says that a query costs too much.
type CostError struct {
	// What it costs and the bound, such as "bytes read".
	What       string
	Cost, Most int64
}

func (e *CostError) Error() string {
	return fmt.Sprintf("the query costs too much: %d %s, at most %d are allowed; ask for less time, or fewer fields", e.Cost, e.What, e.Most)
}

// Prepared is a query that was parsed. It is used once, by one goroutine.
type Prepared struct {
	// Query is the engine's; a caller may add pipes and filters before it runs.
	Query *logstorage.Query

	tenants func() []logstorage.TenantID // those that the view sees when the query runs
	hidden  []string
	maxRead int64
	seen    []logstorage.TenantID // while it runs
	stats   logstorage.QueryStats
}

// Prepare parses a query. The error is a *QueryError.
func (s *Store) Prepare(q Query) (*Prepared, error) { return s.prepare(q) }

func (s *Store) prepare(q Query) (*Prepared, error) {
	at := q.At
	if at.IsZero() {
		at = time.Now()
	}
	parsed, err := logstorage.ParseQueryAtTimestamp(q.Text, at.UnixNano())
	if err != nil {
		return nil, &QueryError{err}
	}
	if option := s.widened(); option != "" && !strings.HasPrefix(strings.TrimSpace(q.Text), "options") {
		if wide, err := logstorage.ParseQueryAtTimestamp(option+q.Text, at.UnixNano()); err == nil {
			parsed = wide
		}
	}
	if n, most := parsed.GetParallelReaders(s.set.Readers), max(s.set.Readers, 2*runtime.GOMAXPROCS(0)); n > most {
		return nil, &QueryError{fmt.Errorf("options: %d parallel readers are more than the %d that one query may have", n, most)}
	}
	if !q.Start.IsZero() || !q.End.IsZero() {
		start, end := int64(math.MinInt64), int64(math.MaxInt64)
		if !q.Start.IsZero() {
			start = q.Start.UnixNano()
		}
		if !q.End.IsZero() {
			end = q.End.UnixNano() - 1
		}
		parsed.AddTimeFilter(start, end)
	}
	return &Prepared{Query: parsed, tenants: func() []logstorage.TenantID { return s.tenants.seen(q.View, q.Signal) }, hidden: q.Hidden, maxRead: q.MaxRead}, nil
}

// widened is the LogsQL that goes before a query which may use all CPUs; empty: it may not.
func (s *Store) widened() string {
	if n := runtime.GOMAXPROCS(0); s.set.Calm != nil && n > s.set.Readers && s.set.Readers > 0 && s.set.Calm() {
		return fmt.Sprintf("options(parallel_readers=%d) ", n)
	}
	return ""
}

// Read returns how many bytes a query has read.
func (p *Prepared) Read() int64 {
	of := &p.stats
	n := uint64(0)
	for _, part := range []*uint64{&of.BytesReadColumnsHeaders, &of.BytesReadColumnsHeaderIndexes, &of.BytesReadBloomFilters, &of.BytesReadValues, &of.BytesReadTimestamps, &of.BytesReadBlockHeaders} {
		n += atomic.LoadUint64(part)
	}
	return int64(n)
}

// Block is rows of a result, all with the same fields. It and its texts are valid during the call that gets it; strings.Clone keeps one.
type Block struct {
	data    *logstorage.DataBlock
	columns []logstorage.BlockColumn
}

// Len returns the number of rows.
func (b *Block) Len() int { return b.data.RowsCount() }

// Columns returns the fields, each with a value for every row; an empty value is no field of that row.
func (b *Block) Columns() []logstorage.BlockColumn { return b.columns }

// Column returns the values of a field; nil if no row has it.
func (b *Block) Column(name string) []string {
	for i := range b.columns {
		if b.columns[i].Name == name {
			return b.columns[i].Values
		}
	}
	return nil
}

// Times returns the rows' times in Unix nanoseconds; false where the query has left _time out.
func (b *Block) Times() ([]int64, bool) { return b.data.GetTimestamps(nil) }

// Run runs a query and calls f with blocks of its result, one at a time, in no order unless the query sorts. An error of f ends the query and
// is returned. Other errors: a *QueryError, a *CostError, ctx's, or ErrClosed.
func (s *Store) Run(ctx context.Context, q Query, f func(*Block) error) error {
	p, err := s.prepare(q)
	if err != nil {
		return err
	}
	return s.RunPrepared(ctx, p, f)
}

// RunPrepared is Run of a query that was prepared.
func (s *Store) RunPrepared(ctx context.Context, p *Prepared, f func(*Block) error) error {
	ctx, done, err := s.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	return s.run(ctx, p, f)
}

// run is RunPrepared of who uses the store already.
func (s *Store) run(ctx context.Context, p *Prepared, f func(*Block) error) error {
	var mu sync.Mutex
	var failed error
	err := s.within(ctx, p, func(ctx context.Context, stop context.CancelFunc) error {
		q, err := s.newest(ctx, p)
		if err != nil {
			return err
		}
		return s.engine.RunQuery(p.contextOf(ctx, q), func(_ uint, db *logstorage.DataBlock) {
			mu.Lock()
			defer mu.Unlock()
			if failed != nil || db.RowsCount() == 0 {
				return
			}
			if failed = f(&Block{data: db, columns: db.GetColumns(false)}); failed != nil {
				stop()
			}
		})
	})
	mu.Lock()
	defer mu.Unlock()
	if failed != nil {
		return failed
	}
	return err
}

// Hit is a value, and how many rows have it.
type Hit = logstorage.ValueWithHits

// FieldNames returns the fields of what p selects whose names contain filter.
func (s *Store) FieldNames(ctx context.Context, p *Prepared, filter string) ([]Hit, error) {
	return s.hits(ctx, p, func(q *logstorage.QueryContext) ([]Hit, error) { return s.engine.GetFieldNames(q, filter) })
}

// FieldValues returns values of a field of what p selects, that contain filter; limit 0: all.
func (s *Store) FieldValues(ctx context.Context, p *Prepared, field, filter string, limit uint64) ([]Hit, error) {
	return s.hits(ctx, p, func(q *logstorage.QueryContext) ([]Hit, error) {
		return s.engine.GetFieldValues(q, field, filter, limit)
	})
}

// Streams returns the streams of what p selects; limit 0: all.
func (s *Store) Streams(ctx context.Context, p *Prepared, limit uint64) ([]Hit, error) {
	return s.FieldValues(ctx, p, Stream, "", limit)
}

// StreamFieldNames returns the names of the fields of those streams.
func (s *Store) StreamFieldNames(ctx context.Context, p *Prepared, filter string) ([]Hit, error) {
	return s.hits(ctx, p, func(q *logstorage.QueryContext) ([]Hit, error) { return s.engine.GetStreamFieldNames(q, filter) })
}

// StreamFieldValues returns values of one of them.
func (s *Store) StreamFieldValues(ctx context.Context, p *Prepared, field, filter string, limit uint64) ([]Hit, error) {
	return s.hits(ctx, p, func(q *logstorage.QueryContext) ([]Hit, error) {
		return s.engine.GetStreamFieldValues(q, field, filter, limit)
	})
}

func (s *Store) hits(ctx context.Context, p *Prepared, f func(*logstorage.QueryContext) ([]Hit, error)) (all []Hit, err error) {
	ctx, done, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return s.hitsWithin(ctx, p, f)
}

// hitsWithin is hits of who uses the store already.
func (s *Store) hitsWithin(ctx context.Context, p *Prepared, f func(*logstorage.QueryContext) ([]Hit, error)) (all []Hit, err error) {
	err = s.within(ctx, p, func(ctx context.Context, _ context.CancelFunc) error {
		all, err = f(p.context(ctx))
		return err
	})
	return all, err
}

// within runs f under p's bounds. Where p's tenants have no rows it doesn't: the engine would take no tenant for all.
func (s *Store) within(ctx context.Context, p *Prepared, f func(context.Context, context.CancelFunc) error) error {
	tenants := p.tenants()
	if len(tenants) == 0 {
		return ctx.Err()
	}
	if err := guard(p.Query.String()); err != nil {
		return &QueryError{err}
	}
	p.seen = tenants
	running, stop := context.WithCancel(ctx)
	defer stop()
	cost := p.watch(running, stop)
	err := f(running, stop)
	stop()
	if past := <-cost; past != nil {
		return past
	}
	if ctx.Err() != nil {
		if s.closing.Err() != nil {
			return ErrClosed
		}
		return ctx.Err()
	}
	if err != nil {
		return &QueryError{err} // What the engine says while it runs is about the query: more memory than a pipe may have.
	}
	return nil
}

func (p *Prepared) context(ctx context.Context) *logstorage.QueryContext {
	return p.contextOf(ctx, p.Query)
}

// contextOf is the context of a query that is part of p's.
func (p *Prepared) contextOf(ctx context.Context, q *logstorage.Query) *logstorage.QueryContext {
	return logstorage.NewQueryContext(ctx, &p.stats, slices.Clone(p.seen), q, false, p.hidden)
}

// watchEvery is how often it is looked whether a query has read too much.
const watchEvery = 20 * time.Millisecond

// watch stops a query that reads too much. The channel has one value, once ctx has ended.
func (p *Prepared) watch(ctx context.Context, stop context.CancelFunc) <-chan *CostError {
	result := make(chan *CostError, 1)
	if p.maxRead == 0 {
		result <- nil
		return result
	}
	go func() {
		ticker := time.NewTicker(watchEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				result <- nil
				return
			case <-ticker.C:
				if n := p.Read(); n > p.maxRead {
					stop()
					result <- &CostError{What: "bytes read", Cost: n, Most: p.maxRead}
					return
				}
			}
		}
	}()
	return result
}

// Quote writes a text as LogsQL has it, for names and for values.
func Quote(text string) string { return strconv.Quote(text) }

// Between returns p's query over [from, until) alone, to be run beside p.
func (p *Prepared) Between(from, until time.Time) *Prepared {
	q := p.Query.CloneWithTimeFilter(until.UnixNano(), from.UnixNano(), until.UnixNano()-1)
	return &Prepared{Query: q, tenants: p.tenants, hidden: p.hidden, maxRead: p.maxRead}
}
