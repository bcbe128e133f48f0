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
	// Erased are rows that were there before, or on their way, when they were erased.
	Erased int
	// Refused are rows that never will be, by [Reason].
	Refused [reasons]int
}

// AddLogs adds records. The error is temporary: the batch can be added again, but some of its rows may be there, and Known tells which.
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
	ctx, done, err := s.use(ctx)
	if err != nil {
		return Added{}, err
	}
	defer done()
	if err := s.set.Room(); err != nil {
		return Added{}, err
	}
	err = s.buffers.enter(ctx)
	switch {
	case s.closing.Err() != nil && err != nil:
		return Added{}, ErrClosed
	case err != nil:
		return Added{}, err
	}
	s.adding.RLock()
	defer s.adding.RUnlock()
	a := adding{s: s, signal: signal, batch: b, buffer: s.buffers.take(s.rows.stream), bounds: s.boundsAt(time.Now())}
	defer func() { s.buffers.put(a.buffer, s.expire) }()
	each(a.row)
	if a.added.Rows > 0 {
		s.touched.add(a.days)
		s.added.Add(1)
	}
	if a.buffer.due(s.buffers.most) {
		s.flushBuffer(a.buffer)
	}
	if a.err != nil {
		return Added{}, a.err
	}
	s.refused.count(&a.added)
	return a.added, nil
}

// adding is one call of add.
type adding struct {
	s      *Store
	signal Signal
	batch  Batch
	bounds bounds
	buffer *buffer
	days   []int64 // of the rows
	tenant string  // whose row was added last
	id     uint32  // the tenant's; 0: none was
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
	size := logstorage.EstimatedJSONRowLen(r.fields)
	switch {
	case t < a.bounds.oldest:
		a.added.Refused[TooOld]++
		return
	case t > a.bounds.newest:
		a.added.Refused[Future]++
		return
	case size > maxRow:
		a.added.Refused[TooLarge]++
		return
	}
	id, err := a.tenantID(tenant)
	switch {
	case errors.Is(err, errTenants):
		a.added.Refused[TooManyTenants]++
		return
	case err != nil:
		a.err = fmt.Errorf("name a tenant: %w", err)
		return
	}
	if (a.batch.Again || a.s.erased.after(a.batch.Received)) && a.s.erased.match(a.signal, tenant, a.batch.Received, t, r) {
		a.added.Erased++
		return
	}
	b := a.buffer
	if b.size > 0 && b.size+size > a.s.buffers.most {
		a.s.flushBuffer(b)
	}
	if b.size == 0 {
		b.since = time.Now()
	}
	b.rows.MustAdd(logstorage.TenantID{AccountID: id, ProjectID: uint32(a.signal)}, t, r.sorted(), -1)
	b.size += size
	a.s.buffers.rows.Add(1)
	if day := dayOf(t); len(a.days) == 0 || a.days[len(a.days)-1] != day {
		a.days = append(a.days, day)
	}
	a.added.Rows++
}

// tenantID is the engine's number of a tenant.
func (a *adding) tenantID(tenant string) (uint32, error) {
	if a.id != 0 && tenant == a.tenant {
		return a.id, nil
	}
	id, err := a.s.tenants.of(tenant)
	if err != nil {
		return 0, err
	}
	a.tenant, a.id = tenant, id
	return id, nil
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
