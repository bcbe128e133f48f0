// Package group is for consumer group members that fetch nothing: the group assigns partitions to them, or elects a leader.
package group

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Drain polls member until ctx ends, to receive an error for each failed request of the group: a client that is not polled keeps all of
// them. It calls failed for each; failed may be nil. member must fetch nothing: its topics are paused.
func Drain(ctx context.Context, member *kgo.Client, failed func(error)) {
	for {
		fetches := member.PollFetches(ctx)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			return
		}
		fetches.EachError(func(_ string, _ int32, err error) {
			if failed != nil {
				failed(err)
			}
		})
	}
}

// Commit commits offsets of topic as a member: brokers refuse the commit of a former member.
func Commit(ctx context.Context, member *kgo.Client, topic string, offsets map[int32]kgo.EpochOffset) (failed error) {
	member.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{topic: offsets},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			failed = err
			if resp == nil {
				return
			}
			for _, t := range resp.Topics {
				for _, p := range t.Partitions {
					failed = errors.Join(failed, kerr.ErrorForCode(p.ErrorCode))
				}
			}
		})
	return failed
}

// Confirm sends a heartbeat: without an error, member of the classic group name is in the group now and keeps its assignment for a
// session. It commits nothing. instance is a static member's id.
func Confirm(ctx context.Context, member *kgo.Client, name, instance string) error {
	id, generation := member.GroupMetadata()
	if generation < 0 {
		return kerr.UnknownMemberID
	}
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = name, id, generation
	if instance != "" {
		req.InstanceID = &instance
	}
	resp, err := req.RequestWith(ctx, member)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}

// Committed returns the offset that group name has committed for a partition of topic, -1 if it has none.
func Committed(ctx context.Context, admin *kgo.Client, name, topic string, partition int32) (int64, error) {
	all, err := kadm.NewClient(admin).FetchOffsets(ctx, name)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	o, ok := all.Lookup(topic, partition)
	if !ok || o.At < 0 {
		return -1, nil
	}
	return o.At, o.Err
}
