package worker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal/cluster"
)

// setLast sets the anchor of a range's last record, if one was added.
func setLast(r *delivery.Range, last *kgo.Record) {
	if last != nil {
		a := anchorOf(last)
		r.Last = &a
	}
}

func anchorOf(r *kgo.Record) delivery.Anchor {
	return delivery.Anchor{Offset: r.Offset, Epoch: r.LeaderEpoch, Sum: delivery.AnchorSum(r.Key, r.Value, r.Timestamp)}
}

// Topic implements delivery.Log.
func (s *Log) Topic(ctx context.Context) (delivery.TopicID, error) {
	topics, err := kadm.NewClient(s.admin).ListTopics(ctx, s.topic)
	if err != nil {
		return delivery.TopicID{}, err
	}
	t := topics[s.topic]
	if t.Err != nil {
		return delivery.TopicID{}, fmt.Errorf("topic %s: %w", s.topic, t.Err)
	}
	return delivery.TopicID(t.ID), nil
}

// Look implements delivery.Log. It does not return a record that was compacted away or belongs to an aborted transaction.
func (s *Log) Look(ctx context.Context, offset int64) (a delivery.Anchor, ok bool, err error) {
	start, err := s.bound(kadm.NewClient(s.admin).ListStartOffsets(ctx, s.topic))
	if err != nil {
		return a, false, err
	}
	end, err := s.End(ctx)
	if err != nil || offset < start || offset >= end {
		return a, false, err
	}
	err = cluster.Scan(ctx, s.admin, s.topic, s.partition, offset, offset+1, func(r *kgo.Record) bool {
		if r.Offset == offset {
			a, ok = anchorOf(r), true
		}
		return false
	})
	return a, ok, err
}
