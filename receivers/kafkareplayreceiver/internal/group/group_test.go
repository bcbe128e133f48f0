package group_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/group"
)

const topic = "t"

func start(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(1, topic), kfake.GroupMinSessionTimeout(time.Second))...)
	require.NoError(t, err)
	t.Cleanup(k.Close)
	return k
}

func join(t *testing.T, k *kfake.Cluster) *kgo.Client {
	t.Helper()
	assigned := make(chan struct{})
	var once sync.Once
	member, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumerGroup("g"), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.SessionTimeout(2*time.Second), kgo.HeartbeatInterval(20*time.Millisecond),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { once.Do(func() { close(assigned) }) }))
	require.NoError(t, err)
	t.Cleanup(member.Close)
	member.PauseFetchTopics(topic)
	<-assigned
	return member
}

func TestDrainTakesTheErrorOfEachFailedRequest(t *testing.T) {
	k := start(t)
	member := join(t, k)
	k.ControlKey(int16(kmsg.JoinGroup), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		resp := req.ResponseKind().(*kmsg.JoinGroupResponse)
		resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
		return resp, nil, true
	})
	k.ControlKey(int16(kmsg.Heartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) { // which makes it rejoin
		resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
		resp.ErrorCode = kerr.UnknownMemberID.Code
		return resp, nil, true
	})
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		group.Drain(ctx, member, func(err error) { failed <- err })
	}()
	for n := 0; n < 3; { // The heartbeat has failed too.
		if errors.Is(<-failed, kerr.GroupAuthorizationFailed) {
			n++
		}
	}
	cancel()
	<-done
}

func TestConfirmCommitsNothing(t *testing.T) {
	k := start(t)
	member := join(t, k)
	require.NoError(t, group.Confirm(t.Context(), member, "g", ""))
	at, err := group.Committed(t.Context(), member, "g", topic, 0)
	require.NoError(t, err)
	assert.EqualValues(t, -1, at)
	require.NoError(t, group.Commit(t.Context(), member, topic, map[int32]kgo.EpochOffset{0: {Epoch: -1, Offset: 7}}))
	require.NoError(t, group.Confirm(t.Context(), member, "g", ""))
	at, err = group.Committed(t.Context(), member, "g", topic, 0)
	require.NoError(t, err)
	assert.EqualValues(t, 7, at)
}

func TestConfirmRefusesWhoHasLostItsPlace(t *testing.T) {
	k := start(t)
	member := join(t, k)
	k.ControlKey(int16(kmsg.Heartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
		resp.ErrorCode = kerr.RebalanceInProgress.Code
		return resp, nil, true
	})
	assert.ErrorIs(t, group.Confirm(t.Context(), member, "g", ""), kerr.RebalanceInProgress)
	outside, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...))
	require.NoError(t, err)
	t.Cleanup(outside.Close)
	assert.ErrorIs(t, group.Confirm(t.Context(), outside, "g", ""), kerr.UnknownMemberID)
}
