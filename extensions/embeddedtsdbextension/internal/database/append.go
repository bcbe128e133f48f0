package database

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// maxAhead is how far in the future a sample may be: the bound of Prometheus' remote write receiver. Without it, one sample of tomorrow makes the
// head refuse today's samples.
const maxAhead = 10 * time.Minute

// Refusal is why a sample was refused.
type Refusal int

// The refusals, in the order of Refusals.
const (
	Duplicate Refusal = iota
	Future
	Invalid
	OutOfBounds
	OutOfOrder
	SeriesLimit
	TooOld
	numRefusals
)

var refusalNames = [numRefusals]string{"duplicate", "future", "invalid", "out_of_bounds", "out_of_order", "series_limit", "too_old"}

// String is the value of the attribute `reason`.
func (r Refusal) String() string { return refusalNames[r] }

// refusedError is a refusal by this package, not by the storage. It unwraps to a storage error, so that the HTTP receiver answers 400 and not 500,
// which a client would retry for ever.
type refusedError struct {
	refusal Refusal
	text    string
}

func (e *refusedError) Error() string  { return e.text }
func (e *refusedError) Reason() string { return e.refusal.String() }
func (e *refusedError) Unwrap() error  { return storage.ErrOutOfBounds }

func refusalOf(err error) (Refusal, bool) {
	var ours *refusedError
	var badHistogram histogram.Error
	switch {
	case errors.As(err, &ours):
		return ours.refusal, true
	case errors.Is(err, storage.ErrOutOfOrderSample):
		return OutOfOrder, true
	case errors.Is(err, storage.ErrTooOldSample):
		return TooOld, true
	case errors.Is(err, storage.ErrOutOfBounds):
		return OutOfBounds, true
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return Duplicate, true
	case errors.Is(err, tsdb.ErrInvalidSample), errors.As(err, &badHistogram):
		return Invalid, true
	}
	return 0, false
}

// gate checks samples before the storage, on every path. Safe for concurrent use.
type gate struct {
	db        *tsdb.DB
	barrier   *barrier
	room      func() error
	maxSeries uint64
	families  *families
	refused   [numRefusals]atomic.Int64
	// tenantLabel is the label with a series' tenant; empty if there are no tenants.
	tenantLabel string
}

// counted counts err if it is a refusal, and returns it.
func (g *gate) counted(err error) error {
	if err == nil {
		return nil
	}
	if r, ok := refusalOf(err); ok {
		g.refused[r].Add(1)
	}
	return err
}

// full reports whether ls would exceed max_series; app knows which series exist.
func (g *gate) full(app any, ls labels.Labels) bool {
	if g.maxSeries == 0 || g.db.Head().NumSeries() < g.maxSeries {
		return false
	}
	known, ok := app.(storage.GetRef)
	if !ok {
		return true
	}
	ref, _ := known.GetRef(ls, ls.Hash())
	return ref == 0
}

func (g *gate) errFull() error {
	return &refusedError{SeriesLimit, fmt.Sprintf("the storage has its max_series of %d series", g.maxSeries)}
}

// admit returns why writes are refused now, or nil. The error is temporary.
func (g *gate) admit() error {
	if err := g.barrier.check(); err != nil {
		return err
	}
	return g.room()
}

// commit writes a transaction, unless writes are refused.
func (g *gate) commit(transaction storage.AppenderTransaction) error {
	if err := g.admit(); err != nil {
		return errors.Join(err, transaction.Rollback())
	}
	return g.barrier.commit(transaction.Commit)
}

// AppenderV2 is the path for this process: it accepts the samples that remote write would accept.
func (g *gate) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return &appenderV2{AppenderV2: g.db.AppenderV2(ctx), gate: g, maxTime: time.Now().Add(maxAhead).UnixMilli()}
}

// Appender is the path for the remote write handler, which has checked times and labels itself.
func (g *gate) Appender(ctx context.Context) storage.Appender {
	samples, _ := ctx.Value(samplesKey{}).(*atomic.Int64)
	return signed(ctx, &appender{Appender: g.db.Appender(ctx), gate: g, samples: samples})
}

type samplesKey struct{}

// CountSamples returns a context in which requests of remote write add the number of their appended samples to a counter.
func CountSamples(ctx context.Context) (context.Context, *atomic.Int64) {
	samples := new(atomic.Int64)
	return context.WithValue(ctx, samplesKey{}, samples), samples
}

type appenderV2 struct {
	storage.AppenderV2
	gate    *gate
	maxTime int64 // milliseconds since 1970
}

// Append appends one sample. Labels, metadata and the bound on series are checked only if ref is zero: a caller that keeps references pays for
// these checks once per series.
func (a *appenderV2) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AppendV2Options) (storage.SeriesRef, error) {
	if t > a.maxTime {
		return 0, a.gate.counted(&refusedError{Future, "timestamp is too far in the future"})
	}
	if ref == 0 {
		if err := check(ls); err != nil {
			return 0, a.gate.counted(err)
		}
		if a.gate.full(a.AppenderV2, ls) {
			return 0, a.gate.counted(a.gate.errFull())
		}
		if opts.MetricFamilyName != "" {
			a.gate.families.put(ls.Get(a.gate.tenantLabel), opts.MetricFamilyName, opts.Metadata)
		}
	}
	ref, err := a.AppenderV2.Append(ref, ls, st, t, v, h, fh, opts)
	return ref, a.gate.counted(err)
}

// Commit writes the appended samples to the log. They are durable after the next barrier.
func (a *appenderV2) Commit() error { return a.gate.commit(a.AppenderV2) }

func check(ls labels.Labels) error {
	if !ls.Has(model.MetricNameLabel) || !ls.IsValid(model.UTF8Validation) {
		return &refusedError{Invalid, "invalid metric name or labels"}
	}
	if name, twice := ls.HasDuplicateLabelNames(); twice {
		return &refusedError{Invalid, fmt.Sprintf("duplicate label %q", name)}
	}
	return nil
}

type appender struct {
	storage.Appender
	gate    *gate
	samples *atomic.Int64 // nil: not counted
}

func (a *appender) count(err error) error {
	if err == nil && a.samples != nil {
		a.samples.Add(1)
	}
	return a.gate.counted(err)
}

// Commit writes the appended samples to the log. They are durable after the next barrier.
func (a *appender) Commit() error { return a.gate.commit(a.Appender) }

func (a *appender) Append(ref storage.SeriesRef, ls labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	if ref == 0 && a.gate.full(a.Appender, ls) {
		return 0, a.gate.counted(a.gate.errFull())
	}
	ref, err := a.Appender.Append(ref, ls, t, v)
	return ref, a.count(err)
}

func (a *appender) AppendHistogram(ref storage.SeriesRef, ls labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error) {
	if ref == 0 && a.gate.full(a.Appender, ls) {
		return 0, a.gate.counted(a.gate.errFull())
	}
	ref, err := a.Appender.AppendHistogram(ref, ls, t, h, fh)
	return ref, a.count(err)
}

// UpdateMetadata keeps the metadata for the API; the storage would only write it to its log.
func (a *appender) UpdateMetadata(ref storage.SeriesRef, ls labels.Labels, m metadata.Metadata) (storage.SeriesRef, error) {
	a.gate.families.put(ls.Get(a.gate.tenantLabel), familyName(ls.Get(model.MetricNameLabel), m.Type), m)
	return ref, nil
}
