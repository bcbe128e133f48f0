package cluster

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ReadAll calls each for every committed record of a partition, in order, up to the last stable offset at the time of the
// call. It reads with a client of its own, made from client's options, so client must not
// consume itself. A topic that does not exist is an error.
func ReadAll(ctx context.Context, client *kgo.Client, topic string, partition int32, each func(*kgo.Record)) error {
	adm := kadm.NewClient(client)
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return fmt.Errorf("start of %s: %w", topic, err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("end of %s: %w", topic, err)
	}
	start, _ := starts.Lookup(topic, partition)
	end, ok := ends.Lookup(topic, partition)
	if !ok {
		return fmt.Errorf("topic %s has no partition %d", topic, partition)
	}
	if start.Offset >= end.Offset {
		return nil
	}
	reader, err := kgo.NewClient(slices.Concat(client.Opts(), []kgo.Opt{
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(start.Offset)}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), // control records show that the end is reached
	})...)
	if err != nil {
		return err
	}
	defer reader.Close()
	for next := start.Offset; next < end.Offset; {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return fmt.Errorf("read %s: %w", topic, err)
		}
		var failed error
		fetches.EachError(func(_ string, _ int32, err error) { failed = err })
		if failed != nil {
			return fmt.Errorf("read %s: %w", topic, failed)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			if r.Offset < end.Offset && !r.Attrs.IsControl() {
				each(r)
			}
		})
	}
	return nil
}
