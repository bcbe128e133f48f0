// Package offsets asks brokers for the offsets of a time range, and for the lag of groups.
package offsets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// disorder is how far the clocks of a partition's writers may differ: a record may be after others with a later time.
const disorder = time.Minute

// Span is a range of offsets of one partition, and the offsets that the partition still has.
type Span struct {
	Partition   int32
	First, Next int64 // requested
	Start, End  int64 // existing
	// Oldest is the time of the record at Start; zero if there is none.
	Oldest time.Time
	// Trimmed: there were records before Start.
	Trimmed bool
}

// Spans returns the offsets of topic whose records may have been written in [from, to); zero times are unbounded. Partitions
// without such offsets are left out.
func Spans(ctx context.Context, client *kgo.Client, topic string, from, to time.Time) ([]Span, error) {
	spans, err := Extent(ctx, client, topic)
	if err != nil {
		return nil, err
	}
	adm := kadm.NewClient(client)
	at := func(t time.Time) (kadm.ListedOffsets, error) {
		listed, err := adm.ListOffsetsAfterMilli(ctx, t.UnixMilli(), topic)
		if err == nil {
			err = listed.Error()
		}
		return listed, err
	}
	firsts, err := at(from)
	if err != nil {
		return nil, fmt.Errorf("offsets of %s at %s: %w", topic, from, err)
	}
	nexts, err := at(to.Add(disorder))
	if err != nil {
		return nil, fmt.Errorf("offsets of %s at %s: %w", topic, to, err)
	}
	for i := range spans {
		s := &spans[i]
		if o, ok := firsts.Lookup(topic, s.Partition); ok && o.Offset >= 0 {
			s.First = max(s.First, min(o.Offset, s.End))
		}
		if o, ok := nexts.Lookup(topic, s.Partition); ok && o.Timestamp > 0 {
			s.Next = min(s.Next, o.Offset)
		}
	}
	return spans, nil
}

// Extent returns the existing offsets of every partition of topic.
func Extent(ctx context.Context, client *kgo.Client, topic string) ([]Span, error) {
	adm := kadm.NewClient(client)
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	ends, endErr := adm.ListCommittedOffsets(ctx, topic)
	if endErr == nil {
		endErr = ends.Error()
	}
	oldest, oldErr := adm.ListOffsetsAfterMilli(ctx, 1, topic)
	if oldErr == nil {
		oldErr = oldest.Error()
	}
	if err := errors.Join(err, endErr, oldErr); err != nil {
		return nil, fmt.Errorf("offsets of %s: %w", topic, err)
	}
	var spans []Span
	ends.Each(func(o kadm.ListedOffset) {
		s := Span{Partition: o.Partition, End: o.Offset, Next: o.Offset}
		if start, ok := starts.Lookup(topic, o.Partition); ok {
			s.Start, s.First, s.Trimmed = start.Offset, start.Offset, start.Offset > 0
		}
		if first, ok := oldest.Lookup(topic, o.Partition); ok && first.Timestamp > 0 {
			s.Oldest = time.UnixMilli(first.Timestamp).UTC()
		}
		spans = append(spans, s)
	})
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.Partition, b.Partition) })
	return spans, nil
}
