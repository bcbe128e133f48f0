package partition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/delivery"
)

const (
	// tick is how long Read waits for records.
	tick = time.Second
	// fetchBytes bounds what one fetch holds; a larger record is fetched all the same.
	fetchBytes = 4 << 20
)

var _ delivery.Source = (*Source)(nil)

// Limits bound a range.
type Limits struct {
	Records int
	Bytes   int
	// Wait is how long after its first record a range may wait for more; 0: not at all.
	Wait time.Duration
}

// Source is a partition of the journal. It is for one goroutine, and holds at most two fetches.
type Source struct {
	asking    *kgo.Client // shared; consumes nothing
	reader    *kgo.Client
	topic     string
	partition int32
	limits    Limits
	decode    func(*kgo.Record) delivery.Record
	at        int64 // what the reader gives next; -1: it must seek
	end       int64 // the latest end heard of
}

// NewSource returns the source of topic's partition; decode makes what the pipeline takes.
func NewSource(asking *kgo.Client, topic string, partition int32, limits Limits, decode func(*kgo.Record) delivery.Record) (*Source, error) {
	reader, err := kgo.NewClient(append(asking.Opts(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxPartitionBytes(fetchBytes), kgo.FetchMaxBytes(fetchBytes), kgo.FetchMaxWait(tick))...)
	if err != nil {
		return nil, err
	}
	return &Source{asking: asking, reader: reader, topic: topic, partition: partition, limits: limits, decode: decode, at: -1}, nil
}

// Behind returns how many offsets lie between next and the latest end heard of.
func (s *Source) Behind(next int64) int64 { return max(0, s.end-next) }

// Close ends reading.
func (s *Source) Close() { s.reader.Close() }

// Start implements delivery.Source.
func (s *Source) Start(ctx context.Context) (int64, time.Time, error) {
	start, err := s.bound(kadm.NewClient(s.asking).ListStartOffsets(ctx, s.topic))
	if err != nil {
		return 0, time.Time{}, err
	}
	listed, err := kadm.NewClient(s.asking).ListOffsetsAfterMilli(ctx, 1, s.topic)
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

// End implements delivery.Source: the last stable offset.
func (s *Source) End(ctx context.Context) (int64, error) {
	return s.bound(kadm.NewClient(s.asking).ListCommittedOffsets(ctx, s.topic))
}

func (s *Source) bound(listed kadm.ListedOffsets, err error) (int64, error) {
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

// seek makes the reader give offset next, or the first that is left.
func (s *Source) seek(ctx context.Context, offset int64) error {
	start, err := s.bound(kadm.NewClient(s.asking).ListStartOffsets(ctx, s.topic))
	if err != nil {
		return err
	}
	offset = max(offset, start)
	s.reader.RemoveConsumePartitions(map[string][]int32{s.topic: {s.partition}})
	s.reader.AddConsumePartitions(map[string]map[int32]kgo.Offset{s.topic: {s.partition: kgo.NewOffset().At(offset)}})
	s.at = offset
	return nil
}

// Read implements delivery.Source.
func (s *Source) Read(ctx context.Context, from int64) (delivery.Range, error) {
	if s.at != from {
		if err := s.seek(ctx, from); err != nil {
			return delivery.Range{}, err
		}
	}
	r := delivery.Range{Bounds: delivery.Bounds{First: s.at, Next: s.at}}
	bytes := 0
	wait := tick
	for {
		polled, err := s.poll(ctx, wait, s.limits.Records-len(r.Records), &r, &bytes)
		if err != nil {
			s.at = -1
			return delivery.Range{}, err
		}
		s.at = r.Next
		if r.Next == r.First {
			end, err := s.End(ctx) // Only an answer says that there is nothing: silence can be a broker that is away.
			r.AtEnd = err == nil && r.Next >= end
			return r, err
		}
		if s.limits.Wait == 0 || !polled || len(r.Records) >= s.limits.Records || bytes >= s.limits.Bytes {
			return r, nil
		}
		wait = s.limits.Wait
	}
}

// poll adds what comes within wait to r; false: nothing came.
func (s *Source) poll(ctx context.Context, wait time.Duration, most int, r *delivery.Range, bytes *int) (bool, error) {
	polled, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	fetches := s.reader.PollRecords(polled, most)
	var failed error
	fetches.EachError(func(_ string, _ int32, err error) {
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			failed = err
		}
	})
	if failed != nil {
		return false, failed
	}
	before := r.Next
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		for _, rec := range p.Records {
			r.Next = rec.Offset + 1
			if !rec.Attrs.IsControl() {
				r.Records = append(r.Records, s.decode(rec))
				*bytes += len(rec.Value)
			}
		}
		s.end = p.LastStableOffset
		r.AtEnd = r.Next >= s.end
	})
	return r.Next > before, nil
}

// ReadExactly implements delivery.Source. It waits until the whole range was read.
func (s *Source) ReadExactly(ctx context.Context, b delivery.Bounds) (delivery.Range, error) {
	if err := s.seek(ctx, b.First); err != nil {
		return delivery.Range{}, err
	}
	r := delivery.Range{Bounds: delivery.Bounds{First: s.at, Next: s.at}}
	bytes := 0
	defer func() { s.at = -1 }() // The reader may be past the range.
	for r.Next < b.Next {
		if _, err := s.poll(ctx, tick, s.limits.Records, &r, &bytes); err != nil {
			return delivery.Range{}, err
		}
	}
	for len(r.Records) > 0 && r.Records[len(r.Records)-1].Offset >= b.Next {
		r.Records = r.Records[:len(r.Records)-1]
	}
	return r, nil
}
