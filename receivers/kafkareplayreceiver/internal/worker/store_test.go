package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/worker"
)

func TestSmallCheckpointsAreTrimmedTogether(t *testing.T) {
	const state = "p.logs.state.g"
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, state))
	require.NoError(t, err)
	t.Cleanup(k.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.MetadataMinAge(10*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	s := worker.NewStore(client, state, 0)
	t.Cleanup(s.Close)
	require.NoError(t, s.Fence(t.Context()))
	start := func() int64 {
		listed, err := kadm.NewClient(client).ListStartOffsets(t.Context(), state)
		require.NoError(t, err)
		o, _ := listed.Lookup(state, 0)
		return o.Offset
	}
	save := func(size int) (first int64) {
		first, err := s.Save(t.Context(), []delivery.StateRecord{{Value: make([]byte, size/2)}, {Value: make([]byte, size/2)}})
		require.NoError(t, err)
		require.NoError(t, s.Trim(t.Context(), first))
		return first
	}
	for range 31 {
		save(100)
	}
	assert.Zero(t, start())
	assert.Equal(t, save(100), start(), "32 of them")
	save(100)
	assert.Equal(t, save(1<<20), start(), "a large one, at once")
}
