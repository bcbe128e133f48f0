package prometheustsdbexporter

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
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
	// blockSamples bounds what one transaction holds in memory. Blocks are written in the order in which their samples came.
	blockSamples = 20_000
	// transactionSamples is how many samples of a block are committed together where its times permit. Out of order a storage's commit takes time with
	// the square of the chunks that it begins, so a transaction has few series.
	transactionSamples = 4000
	// dividedSpan is the longest time, in milliseconds, from the oldest to the newest sample of a block that is divided. A commit moves the newest
	// time of the storage on, and what lies too far behind that is refused: an hour in order, out_of_order_window (half an hour) out of order.
	// Within one transaction the limits are those of its beginning.
	dividedSpan = 15 * 60 * 1000
)

// appendable is what an extension offers that takes samples in process. The error is temporary.
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
		return nil, fmt.Errorf("tsdb: extension %q doesn't take samples", id)
	}
	return &processSink{to: to, orders: sync.Pool{New: func() any { return new(byseries.Order) }}}, nil
}

func (s *processSink) write(ctx context.Context, samples []sample.Sample, _ http.Header, again bool) (outcome, error) {
	all := outcome{refused: map[string]int{}, points: map[string]int{}}
	var lost map[int32]struct{} // points of which a sample was refused
	run, err := s.runNow()
	if err != nil {
		return outcome{}, err
	}
	order := s.orders.Get().(*byseries.Order)
	defer s.orders.Put(order)
	for block, positions := range transactions(order, samples) {
		n := len(positions)
		refused, told, err := s.transaction(ctx, block, positions)
		if err != nil {
			return outcome{}, err // counted when it comes again
		}
		all.sent += n
		for why, of := range refused {
			k := len(of)
			all.sent -= k
			if again && remotewrite.Reason(why).OfOlderSample() {
				all.redelivered += k
				if remotewrite.Reason(why) == remotewrite.Duplicate { // The storage takes an equal value again.
					all.differing += k
				}
				continue
			}
			all.refused[why] += k
			for _, p := range of {
				if _, known := lost[p]; p == 0 || known {
					continue
				}
				if lost == nil {
					lost = map[int32]struct{}{}
				}
				lost[p] = struct{}{}
				all.points[why]++
			}
		}
		if told != nil && len(all.refused) > 0 {
			all.told = told.Error()
		}
	}
	if err := s.syncAlone(ctx, run); err != nil {
		return outcome{}, err
	}
	return all, nil
}

// transactions yields what is to be written in one transaction each: a block of samples, and the positions in it. Those of a series follow one another.
func transactions(order *byseries.Order, samples []sample.Sample) iter.Seq2[[]sample.Sample, []int32] {
	return func(yield func([]sample.Sample, []int32) bool) {
		for block := range slices.Chunk(samples, blockSamples) {
			n := len(block)
			if span(block) <= dividedSpan {
				n = transactionSamples
			}
			for positions := range slices.Chunk(order.Of(block), n) {
				if !yield(block, positions) {
					return
				}
			}
		}
	}
}

// span is the time between the oldest and the newest sample, in milliseconds. There is at least one.
func span(samples []sample.Sample) int64 {
	oldest, newest := samples[0].Time, samples[0].Time
	for i := range samples {
		oldest, newest = min(oldest, samples[i].Time), max(newest, samples[i].Time)
	}
	return newest - oldest
}

// transaction appends samples at positions, in that order, and commits. The storage looks for a series once for all samples of it that follow one
// another. One sample that is refused doesn't touch the others; of each of the refused it returns the point, by reason.
func (s *processSink) transaction(ctx context.Context, samples []sample.Sample, positions []int32) (map[string][]int32, error, error) {
	app, err := s.to.Appender(ctx)
	if err != nil {
		return nil, nil, err
	}
	var told error
	refused := map[string][]int32{}
	var ref storage.SeriesRef // of last's series; 0: it is not known
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
		if err == nil || errors.As(err, &partial) { // exemplars alone were refused
			continue
		}
		told = err
		why := refusal(err)
		refused[why] = append(refused[why], x.Point)
	}
	if err := app.Commit(); err != nil {
		return nil, nil, fmt.Errorf("commit: %w", err)
	}
	return refused, told, nil
}

// refusal is the reason in an appender's error: the storage's own errors, or what the error itself tells.
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
