package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// scanFetchBytes bounds one fetch; a larger record is fetched nevertheless.
	scanFetchBytes = 1 << 20
	// quiet is the time without records after which a scan checks whether any are left.
	quiet = time.Second
)

// NewReader returns a client that reads one partition from an offset on, including control records, which show how far it has read. It uses
// client's options, so client must not be a consumer itself.
func NewReader(client *kgo.Client, topic string, partition int32, first int64) (*kgo.Client, error) {
	return kgo.NewClient(slices.Concat(client.Opts(), []kgo.Opt{
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(first)}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxPartitionBytes(scanFetchBytes), kgo.FetchMaxBytes(scanFetchBytes), kgo.FetchMaxWait(quiet)})...)
}

// Scan calls each for the committed records of a partition from first up to, not including, next, in order, until each returns false. It skips
// records that retention deletes meanwhile; if retention deletes all remaining records, or the log loses its end, Scan ends.
func Scan(ctx context.Context, client *kgo.Client, topic string, partition int32, first, next int64, each func(*kgo.Record) bool) error {
	if first >= next {
		return nil
	}
	reader, err := NewReader(client, topic, partition, first)
	if err != nil {
		return err
	}
	defer reader.Close()
	for at := first; at < next; {
		polled, cancel := context.WithTimeout(ctx, quiet)
		fetches := reader.PollFetches(polled)
		cancel()
		if err := ctx.Err(); err != nil {
			return err
		}
		var failed error
		fetches.EachError(func(_ string, _ int32, err error) {
			if !errors.Is(err, context.DeadlineExceeded) {
				failed = err
			}
		})
		if failed != nil {
			return fmt.Errorf("read %s: %w", topic, failed)
		}
		enough, moved := false, false
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset < at { // The log ends earlier: brokers send the reader to its start.
				return
			}
			at, moved = r.Offset+1, true
			if !enough && r.Offset < next && !r.Attrs.IsControl() {
				enough = !each(r)
			}
		})
		if enough {
			return nil
		}
		if moved {
			continue
		}
		if left, err := holds(ctx, client, topic, partition, at, next); err != nil || !left {
			return err
		}
	}
	return nil
}

// holds says whether a partition has committed records, or their control records, from first up to next.
func holds(ctx context.Context, client *kgo.Client, topic string, partition int32, first, next int64) (bool, error) {
	adm := kadm.NewClient(client)
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return false, fmt.Errorf("list the start offsets of %s: %w", topic, err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return false, fmt.Errorf("list the end offsets of %s: %w", topic, err)
	}
	start, _ := starts.Lookup(topic, partition)
	end, ok := ends.Lookup(topic, partition)
	return ok && max(first, start.Offset) < min(next, end.Offset), nil
}
