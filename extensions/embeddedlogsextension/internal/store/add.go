package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Reason is why a row was refused for good.
type Reason int

// The reasons.
const (
	// TooOld: the retention has passed it, or its day was dropped for lack of room.
	TooOld Reason = iota
	// Future: it lies more than a day in the future.
	Future
	// TooLarge: it has more than 2 MiB as JSON.
	TooLarge
	// TooManyTenants: its tenant would be one more than are allowed.
	TooManyTenants
	reasons
)

// String returns the value of the attribute `reason`.
func (r Reason) String() string {
	return [...]string{TooOld: "too_old", Future: "future", TooLarge: "too_large", TooManyTenants: "max_tenants"}[r]
}

// Reasons are all of them.
func Reasons() []Reason { return []Reason{TooOld, Future, TooLarge, TooManyTenants} }

// Position is a record of a journal. The zero value is none: rows have no identity then, and repetitions are not found.
type Position struct {
	// Log names topic, partition and generation.
	Log string
	// Offset in that log.
	Offset int64
}

// Batch is what rows of one record have in common.
type Batch struct {
	// At is where the record stands in the journal.
	At Position
	// Received is when it came, for rows that have no time.
	Received time.Time
	// TenantOf tells whose a resource is.
	TenantOf func(resource pcommon.Map) string
	// Known says which rows of the record the store has, by index; nil: none.
	Known func(index int) bool
	// Again: the record may have been added before, so its rows may have been erased since.
	Again bool
}

// Added is what became of a batch.
type Added struct {
	// Rows are in the store now.
	Rows int
	// Known are rows that were there before.
	Known int
	// Erased are rows that were there before, and were erased.
	Erased int
	// Refused are rows that never will be, by [Reason].
	Refused [reasons]int
}

// AddLogs adds records. The error is temporary: the batch can be added again, and Known tells what is there.
func (s *Store) AddLogs(ctx context.Context, ld plog.Logs, b Batch) (Added, error) {
	return s.add(ctx, Logs, b, func(f func(string, int, int64, *row)) {
		s.rows.logRows(ld, b.TenantOf, b.At, pcommon.NewTimestampFromTime(b.Received), f)
	})
}

// AddTraces is AddLogs of spans.
func (s *Store) AddTraces(ctx context.Context, td ptrace.Traces, b Batch) (Added, error) {
	return s.add(ctx, Traces, b, func(f func(string, int, int64, *row)) {
		s.rows.spanRows(td, b.TenantOf, b.At, pcommon.NewTimestampFromTime(b.Received), f)
	})
}

func (s *Store) add(ctx context.Context, signal Signal, b Batch, each func(func(tenant string, index int, t int64, r *row))) (Added, error) {
	_, done, err := s.use(ctx)
	if err != nil {
		return Added{}, err
	}
	defer done()
	if err := s.set.Room(); err != nil {
		return Added{}, err
	}
	a := adding{s: s, signal: signal, batch: b, rows: logstorage.GetLogRows(nil, nil, nil, nil, ""), bounds: s.boundsAt(time.Now())}
	defer logstorage.PutLogRows(a.rows)
	each(a.row)
	if a.err != nil {
		return Added{}, a.err
	}
	a.flush()
	s.refused.count(&a.added)
	return a.added, nil
}

// adding is one call of add.
type adding struct {
	s      *Store
	signal Signal
	batch  Batch
	bounds bounds
	rows   *logstorage.LogRows
	times  []int64
	added  Added
	err    error // the file system's
}

func (a *adding) row(tenant string, index int, t int64, r *row) {
	if a.err != nil {
		return
	}
	if a.batch.Known != nil && a.batch.Known(index) {
		a.added.Known++
		return
	}
	switch {
	case t < a.bounds.oldest:
		a.added.Refused[TooOld]++
		return
	case t > a.bounds.newest:
		a.added.Refused[Future]++
		return
	case !r.fits():
		a.added.Refused[TooLarge]++
		return
	}
	id, err := a.s.tenants.of(tenant)
	switch {
	case errors.Is(err, errTenants):
		a.added.Refused[TooManyTenants]++
		return
	case err != nil:
		a.err = fmt.Errorf("name a tenant: %w", err)
		return
	}
	if a.batch.Again && a.s.erased.match(a.signal, tenant, a.batch.Received, t, r) {
		a.added.Erased++
		return
	}
	a.rows.MustAdd(logstorage.TenantID{AccountID: id, ProjectID: uint32(a.signal)}, t, r.fields, r.stream)
	a.times = append(a.times, t)
	a.added.Rows++
	if a.rows.NeedFlush() {
		a.flush()
	}
}

// flush hands the rows to the engine.
func (a *adding) flush() {
	if len(a.times) == 0 {
		return
	}
	a.s.adding.RLock()
	defer a.s.adding.RUnlock()
	a.s.touched.add(a.times)
	a.s.added.Add(1)
	a.s.engine.MustAddRows(a.rows)
	a.rows.ResetKeepSettings()
	a.times = a.times[:0]
}

// bounds are the times that a row may have.
type bounds struct{ oldest, newest int64 }

// boundsAt are stricter than the engine's own, which drops what lies outside and counts nothing.
func (s *Store) boundsAt(now time.Time) bounds {
	oldest := now.Add(-s.set.Retention + retentionMargin).UnixNano()
	if last, any := s.dropped.last(s.engine, now); any {
		oldest = max(oldest, (last+1)*int64(day))
	}
	return bounds{oldest: oldest, newest: now.Add(maxFuture).UnixNano()}
}

// refusals counts since the store was opened.
type refusals [reasons]atomic.Int64

func (c *refusals) count(a *Added) {
	for r, n := range a.Refused {
		c[r].Add(int64(n))
	}
}

// Refused calls f with how many rows were refused for each reason.
func (s *Store) Refused(f func(Reason, int64)) {
	for r := range reasons {
		f(r, s.refused[r].Load())
	}
}

// noDay is before all days.
const noDay = math.MinInt64
