package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/delivery"
)

const (
	// tick is how long Read waits for records.
	tick = time.Second
	// fetchBytes bounds a fetch; a larger record is fetched anyway.
	fetchBytes = 1 << 20
	// pause is how long a waiting range stops polling, so that a fetch brings more than one record; lastLook is when it resumes.
	pause    = 200 * time.Millisecond
	lastLook = 10 * time.Millisecond
)

var _ delivery.Log = (*Log)(nil)

// Limits bound a range.
type Limits struct {
	Records int
	// Bytes may change while the source is read; a range with a larger record has only that one.
	Bytes func() int
	// Wait is how long after its first record a range may wait for more; 0: not at all.
	Wait time.Duration
	// Fill: a range reads up to the log's known end, within the other limits; else it ends with a fetch when Wait is over.
	Fill bool
	// Before is an offset: the records from there on are not read; 0: no limit.
	Before int64
	// Tick is how long Read waits for records. Default 1s.
	Tick time.Duration
	// End is the end of the partition, if it was requested after since; nil: the source requests it itself, every second while no records
	// arrive.
	End func(since time.Time) (offset int64, known bool)
}

// Log is a partition of the journal. It holds a range and at most three fetches. It is for one goroutine, except StopWaiting.
type Log struct {
	admin     *kgo.Client // shared; consumes nothing
	reader    *kgo.Client
	topic     string
	partition int32
	limits    Limits
	decode    func(*kgo.Record) delivery.Record
	pending   []*kgo.Record // polled, but beyond the limits of the last range
	at        int64         // next offset; -1: the reader must seek
	gone      bool          // brokers did not know the topic that the reader asked for
	end       int64         // the latest known end
	floor     atomic.Int64  // unread records below it are skipped
	waiting   context.Context
	// waitStopped: StopWaiting has ended the wait for a first record, or there was none.
	waitStopped bool
	stopWaiting context.CancelFunc
}

// NewLog returns the log of topic's partition; decode decodes a record for the pipeline. further are options for the client that reads.
func NewLog(admin *kgo.Client, topic string, partition int32, limits Limits, decode func(*kgo.Record) delivery.Record, further ...kgo.Opt) (*Log, error) {
	reader, err := kgo.NewClient(slices.Concat(admin.Opts(), further, []kgo.Opt{
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.MetadataMinAge(MetadataAge), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxPartitionBytes(fetchBytes), kgo.FetchMaxBytes(fetchBytes), kgo.FetchMaxWait(tick)})...)
	if err != nil {
		return nil, err
	}
	limits.Tick = cmp.Or(limits.Tick, tick)
	s := &Log{admin: admin, reader: reader, topic: topic, partition: partition, limits: limits, decode: decode, at: -1}
	s.waiting, s.stopWaiting = context.WithCancel(context.Background())
	return s, nil
}

// SkipTo makes reading continue at offset, as if the log began there. It may be called from any goroutine.
func (s *Log) SkipTo(offset int64) {
	for have := s.floor.Load(); have < offset && !s.floor.CompareAndSwap(have, offset); {
		have = s.floor.Load()
	}
}

// SkippedTo returns the offset below which nothing more is read: that of SkipTo, or the end of the recorded range that contains it.
func (s *Log) SkippedTo() int64 { return s.floor.Load() }

// StopWaiting ends the current wait for records, and the wait for more records of all later ranges. It may be called from any goroutine.
func (s *Log) StopWaiting() { s.stopWaiting() }

// Close stops reading.
func (s *Log) Close() {
	s.stopWaiting()
	s.reader.Close()
}

// Start implements delivery.Log.
func (s *Log) Start(ctx context.Context) (int64, time.Time, error) {
	start, err := s.bound(kadm.NewClient(s.admin).ListStartOffsets(ctx, s.topic))
	if err != nil {
		return 0, time.Time{}, err
	}
	listed, err := kadm.NewClient(s.admin).ListOffsetsAfterMilli(ctx, 1, s.topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return 0, time.Time{}, err
	}
	if first, ok := listed.Lookup(s.topic, s.partition); ok && first.Timestamp > 0 {
		return start, time.UnixMilli(first.Timestamp), nil
	}
	return start, time.Now(), nil
}

// End implements delivery.Log: the last stable offset.
func (s *Log) End(ctx context.Context) (int64, error) {
	return s.bound(kadm.NewClient(s.admin).ListCommittedOffsets(ctx, s.topic))
}

func (s *Log) bound(listed kadm.ListedOffsets, err error) (int64, error) {
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return 0, err
	}
	o, ok := listed.Lookup(s.topic, s.partition)
	if !ok {
		return 0, fmt.Errorf("topic %s has no partition %d", s.topic, s.partition)
	}
	return o.Offset, nil
}

// seek makes the reader return offset next, or the first remaining one.
func (s *Log) seek(ctx context.Context, offset int64) error {
	start, err := s.bound(kadm.NewClient(s.admin).ListStartOffsets(ctx, s.topic))
	if err != nil {
		return err
	}
	offset = max(offset, start)
	if s.gone { // The reader would ask for the deleted topic's id for ever.
		s.reader.PurgeTopicsFromConsuming(s.topic)
		s.gone = false
	} else {
		s.reader.RemoveConsumePartitions(map[string][]int32{s.topic: {s.partition}})
	}
	s.reader.AddConsumePartitions(map[string]map[int32]kgo.Offset{s.topic: {s.partition: kgo.NewOffset().At(offset)}})
	s.pending, s.at = nil, offset
	return nil
}

// Read implements delivery.Log.
func (s *Log) Read(ctx context.Context, from int64) (delivery.Range, error) {
	if from = max(from, s.floor.Load()); s.at != from {
		if err := s.seek(ctx, from); err != nil {
			return delivery.Range{}, err
		}
	}
	r := delivery.Range{Bounds: delivery.Bounds{First: s.at, Next: s.at}}
	most := s.limits.Bytes()
	began := time.Now()
	if err := s.first(ctx); err != nil {
		return r, err
	}
	full, bytes := s.take(&r, most, 0)
	if r.Next == r.First {
		// Only an answer shows that there is nothing: without one the broker may be unreachable.
		if s.limits.End != nil {
			end, known := s.limits.End(began)
			r.AtEnd = known && r.Next >= end
			return r, ctx.Err()
		}
		end, err := s.End(ctx)
		r.AtEnd = err == nil && r.Next >= end
		return r, err
	}
	for first := time.Now(); !full; {
		until := first.Add(s.limits.Wait)
		if s.limits.Fill && r.Next < s.end {
			until = first.Add(max(s.limits.Wait, s.limits.Tick))
		}
		left := time.Until(until)
		if left <= 0 || s.waiting.Err() != nil || ctx.Err() != nil {
			break
		}
		if left > lastLook && r.Next >= s.end { // everything in the log was read
			s.rest(ctx, min(pause, left-lastLook))
		}
		waiting, cancel := context.WithDeadline(ctx, until)
		stop := context.AfterFunc(s.waiting, cancel)
		err := s.poll(waiting, left)
		stop()
		cancel()
		if err != nil {
			return r, err
		}
		full, bytes = s.take(&r, most, bytes)
	}
	r.AtEnd = len(s.pending) == 0 && r.Next >= s.end
	return r, nil
}

// first waits for the first records of a range. StopWaiting ends that once: a worker that reads on after it knows that there are records.
func (s *Log) first(ctx context.Context) error {
	if s.waitStopped {
		return s.poll(ctx, s.limits.Tick)
	}
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.waiting, cancel)()
	err := s.poll(waiting, s.limits.Tick)
	s.waitStopped = s.waiting.Err() != nil
	return err
}

// rest returns after d, when ctx ends or when StopWaiting is called.
func (s *Log) rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-s.waiting.Done():
	}
}

// poll waits for records, unless some are pending.
func (s *Log) poll(ctx context.Context, wait time.Duration) error {
	if len(s.pending) > 0 {
		return nil
	}
	polled, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	fetches := s.reader.PollFetches(polled)
	var failed error
	fetches.EachError(func(_ string, _ int32, err error) {
		if polled.Err() == nil || !errors.Is(err, polled.Err()) {
			failed = err
		}
	})
	if failed != nil {
		s.at = -1
		s.gone = s.gone || errors.Is(failed, kerr.UnknownTopicID) || errors.Is(failed, kerr.UnknownTopicOrPartition)
		return failed
	}
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		s.pending = append(s.pending, p.Records...)
		s.end = p.LastStableOffset
	})
	return nil
}

// take moves pending records into r, as long as it has at most most bytes. full: the limits allow no more.
func (s *Log) take(r *delivery.Range, most, bytes int) (full bool, sum int) {
	var last *kgo.Record
	defer func() { setLast(r, last) }()
	for i, rec := range s.pending {
		if s.limits.Before > 0 && rec.Offset >= s.limits.Before {
			r.Next, s.at, s.pending = s.limits.Before, s.limits.Before, s.pending[i:]
			return true, bytes
		}
		if len(r.Records) > 0 && (bytes+len(rec.Value) > most || len(r.Records) >= s.limits.Records) {
			s.pending = s.pending[i:]
			return true, bytes
		}
		if !rec.Attrs.IsControl() {
			r.Records = append(r.Records, s.decode(rec))
			bytes += len(rec.Value)
			last = rec
		}
		r.Next = rec.Offset + 1
		s.at = r.Next
	}
	s.pending = nil
	return len(r.Records) >= s.limits.Records || bytes >= most, bytes
}

// ReadExactly implements delivery.Log. It waits until the whole range was read.
//
// If a part of a range is skipped, the whole range is: its files may exist, and a second version with fewer rows would replace them.
func (s *Log) ReadExactly(ctx context.Context, b delivery.Bounds) (r delivery.Range, err error) {
	if s.floor.Load() > b.First {
		s.SkipTo(b.Next)
		s.at = -1
		return delivery.Range{Bounds: delivery.Bounds{First: b.Next, Next: b.Next}}, nil
	}
	if s.at != b.First {
		if err := s.seek(ctx, b.First); err != nil {
			return delivery.Range{}, err
		}
	}
	r = delivery.Range{Bounds: delivery.Bounds{First: s.at, Next: s.at}}
	var last *kgo.Record
	defer func() { setLast(&r, last) }()
	for r.Next < b.Next {
		if err := s.poll(ctx, tick); err != nil {
			return delivery.Range{}, err
		}
		if err := ctx.Err(); err != nil {
			return delivery.Range{}, err
		}
		for i, rec := range s.pending {
			if rec.Offset >= b.Next {
				s.pending, r.Next, s.at = s.pending[i:], b.Next, b.Next
				return r, nil
			}
			if !rec.Attrs.IsControl() {
				r.Records = append(r.Records, s.decode(rec))
				last = rec
			}
			r.Next = rec.Offset + 1
			s.at = r.Next
		}
		s.pending = nil
	}
	return r, nil
}
