package prometheustsdbexporter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/storage"
	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/byseries"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/remotewrite"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
)

const (
	// blockSamples bounds the samples of one transaction in memory. Blocks are written in the order of their samples.
	blockSamples = 20_000
	// transactionSamples is how many samples of a block are committed together if its times permit. For out-of-order samples, the time of
	// a storage's commit grows with the square of the chunks that it creates, so a transaction has few series.
	transactionSamples = 4000
	// dividedSpan is the longest time, in milliseconds, from the oldest to the newest sample of a block that may be divided. A commit
	// advances the storage's newest time, and the storage refuses samples that are too much older: an hour in order, out_of_order_window
	// (half an hour) out of order. Within one transaction the limits are those of its beginning.
	dividedSpan = 15 * 60 * 1000
	// maxWriters bounds the goroutines that write a block at the same time, and writerSamples is the number of samples for each further
	// one. A partition has one worker, and in a replay most of that worker's time is spent in the storage: without further writers a job
	// over one partition would use one core.
	maxWriters    = 4
	writerSamples = 2000
)

// appendable is implemented by an extension that stores samples in process. Its error is temporary.
type appendable interface {
	Appender(ctx context.Context) (storage.AppenderV2, error)
}

// processSink writes into an extension of the same collector.
type processSink struct {
	to     appendable
	orders sync.Pool // of *byseries.Order
}

func newProcessSink(id component.ID, host component.Host) (*processSink, error) {
	ext, ok := host.GetExtensions()[id]
	if !ok {
		return nil, fmt.Errorf("tsdb: extension %q is not in service::extensions", id)
	}
	to, ok := ext.(appendable)
	if !ok {
		return nil, fmt.Errorf("tsdb: extension %q does not store samples", id)
	}
	return &processSink{to: to, orders: sync.Pool{New: func() any { return new(byseries.Order) }}}, nil
}

func (s *processSink) write(ctx context.Context, samples []sample.Sample, _ http.Header, maybeRedelivered bool) (outcome, error) {
	all := written{outcome: outcome{refused: map[string]int{}, points: map[string]int{}}, maybeRedelivered: maybeRedelivered}
	run, err := s.runNow()
	if err != nil {
		return outcome{}, err
	}
	order := s.orders.Get().(*byseries.Order)
	defer s.orders.Put(order)
	for block := range slices.Chunk(samples, blockSamples) {
		transactions, err := s.block(ctx, block, order.Of(block))
		if err != nil {
			return outcome{}, err // it is counted when it is sent again
		}
		for _, t := range transactions {
			all.add(t)
		}
	}
	if err := s.syncAlone(ctx, run); err != nil {
		return outcome{}, err
	}
	return all.outcome, nil
}

// block writes a block: samples at positions, grouped by series. Large blocks are divided among several writers, which share no series.
// All samples are written when it returns without an error.
func (s *processSink) block(ctx context.Context, samples []sample.Sample, positions []int32) ([]*transaction, error) {
	parts := byseries.Divide(samples, positions, min(maxWriters, runtime.GOMAXPROCS(0), len(samples)/writerSamples))
	all := make([][]*transaction, len(parts))
	if span(samples) > dividedSpan { // No commit before the last sample was checked.
		err := each(len(parts), func(i int) error {
			t, err := s.begin(ctx, samples, parts[i])
			all[i] = []*transaction{t}
			return err
		})
		if err != nil {
			for _, of := range all {
				err = errors.Join(err, of[0].rollback())
			}
			return nil, err
		}
		err = each(len(parts), func(i int) error { return all[i][0].commit() })
		return slices.Concat(all...), err
	}
	err := each(len(parts), func(i int) error {
		for part := range slices.Chunk(parts[i], transactionSamples) {
			t, err := s.begin(ctx, samples, part)
			if err != nil {
				return err
			}
			if err := t.commit(); err != nil {
				return err
			}
			all[i] = append(all[i], t)
		}
		return nil
	})
	return slices.Concat(all...), err
}

// each calls do for 0 up to n concurrently, and returns when all calls have.
func each(n int, do func(int) error) error {
	errs := make([]error, n)
	var others sync.WaitGroup
	for i := 1; i < n; i++ {
		others.Go(func() { errs[i] = do(i) })
	}
	if n > 0 {
		errs[0] = do(0)
	}
	others.Wait()
	return errors.Join(errs...)
}

// written is the result of a batch.
type written struct {
	outcome
	maybeRedelivered bool               // its samples may have been written before
	lost             map[int32]struct{} // points of which a sample was refused
}

// add counts a committed transaction.
func (w *written) add(t *transaction) {
	w.sent += t.samples
	for why, of := range t.refused {
		k := len(of)
		w.sent -= k
		if w.maybeRedelivered && remotewrite.Reason(why).OfOlderSample() {
			w.redelivered += k
			if remotewrite.Reason(why) == remotewrite.Duplicate { // The storage accepts an equal value again.
				w.differing += k
			}
			continue
		}
		w.refused[why] += k
		for _, p := range of {
			if _, known := w.lost[p]; p == 0 || known {
				continue
			}
			if w.lost == nil {
				w.lost = map[int32]struct{}{}
			}
			w.lost[p] = struct{}{}
			w.points[why]++
		}
	}
	if t.lastError != nil && len(w.refused) > 0 {
		w.lastError = t.lastError.Error()
	}
}

// span is the time between the oldest and the newest sample, in milliseconds. There must be at least one.
func span(samples []sample.Sample) int64 {
	oldest, newest := samples[0].Time, samples[0].Time
	for i := range samples {
		oldest, newest = min(oldest, samples[i].Time), max(newest, samples[i].Time)
	}
	return newest - oldest
}

// transaction is a part of a block that is being written.
type transaction struct {
	app       storage.AppenderV2
	samples   int
	refused   map[string][]int32 // the point of each refused sample, by reason
	lastError error              // the storage's error for one of them
}

// begin appends samples at positions, in that order. The storage looks up a series once for adjacent samples of it. A refused sample does
// not affect the others.
func (s *processSink) begin(ctx context.Context, samples []sample.Sample, positions []int32) (*transaction, error) {
	app, err := s.to.Appender(ctx)
	if err != nil {
		return nil, err
	}
	t := &transaction{app: app, samples: len(positions)}
	var ref storage.SeriesRef // of last's series; 0: unknown
	var last *sample.Sample
	for _, i := range positions {
		x := &samples[i]
		if last == nil || !byseries.Same(last, x) {
			ref = 0
		}
		last = x
		opts := storage.AppendV2Options{Exemplars: x.Exemplars}
		if x.Family != nil {
			opts.MetricFamilyName, opts.Metadata = x.Family.Name, x.Family.Metadata
		}
		ref, err = app.Append(ref, x.Labels, x.Start, x.Time, x.Value, x.Histogram, x.FloatHistogram, opts)
		var partial *storage.AppendPartialError
		if err == nil || errors.As(err, &partial) { // only exemplars were refused
			continue
		}
		t.lastError = err
		why := refusal(err)
		if t.refused == nil {
			t.refused = map[string][]int32{}
		}
		t.refused[why] = append(t.refused[why], x.Point)
	}
	return t, nil
}

func (t *transaction) commit() error {
	if err := t.app.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// rollback discards what was begun; a nil transaction has nothing.
func (t *transaction) rollback() error {
	if t == nil {
		return nil
	}
	return t.app.Rollback()
}

// refusal returns the reason of an appender's error: one of the storage's errors, or the reason in the error itself.
func refusal(err error) string {
	var tells interface{ Reason() string }
	var badHistogram histogram.Error
	switch {
	case errors.As(err, &tells):
		return tells.Reason()
	case errors.Is(err, storage.ErrOutOfOrderSample):
		return string(remotewrite.OutOfOrder)
	case errors.Is(err, storage.ErrTooOldSample):
		return string(remotewrite.TooOld)
	case errors.Is(err, storage.ErrOutOfBounds):
		return string(remotewrite.OutOfBounds)
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return string(remotewrite.Duplicate)
	case errors.As(err, &badHistogram):
		return string(remotewrite.BadHistogram)
	}
	return "other"
}
