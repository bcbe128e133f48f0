package cluster

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ReadAll calls each for every committed record of a partition, in order, up to the last stable offset at the time of the call. For records that
// are deleted meanwhile see [Scan]. A topic that does not exist is an error.
func ReadAll(ctx context.Context, client *kgo.Client, topic string, partition int32, each func(*kgo.Record)) error {
	adm := kadm.NewClient(client)
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return fmt.Errorf("list the start offsets of %s: %w", topic, err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("list the end offsets of %s: %w", topic, err)
	}
	start, _ := starts.Lookup(topic, partition)
	end, ok := ends.Lookup(topic, partition)
	if !ok {
		return fmt.Errorf("topic %s has no partition %d", topic, partition)
	}
	return Scan(ctx, client, topic, partition, start.Offset, end.Offset, func(r *kgo.Record) bool {
		each(r)
		return true
	})
}
