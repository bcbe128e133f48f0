package worker_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/worker"
)

func TestLookFindsWhatARangeEndedWith(t *testing.T) {
	_, client, s := source(t, 10, 0)
	for _, v := range []string{"a", "b", "c", "d"} {
		require.NoError(t, client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(v)}).FirstErr())
	}
	r, err := s.ReadExactly(t.Context(), delivery.Bounds{First: 0, Next: 3})
	require.NoError(t, err)
	require.NotNil(t, r.Last)
	assert.EqualValues(t, 2, r.Last.Offset)
	is, ok, err := s.Look(t.Context(), 2)
	require.NoError(t, err)
	require.True(t, ok)
	assert.Equal(t, *r.Last, is)
	other, ok, err := s.Look(t.Context(), 3)
	require.NoError(t, err)
	require.True(t, ok)
	assert.NotEqual(t, is.Sum, other.Sum)
	_, ok, err = s.Look(t.Context(), 4)
	require.NoError(t, err)
	assert.False(t, ok, "behind the end")

	trim := kadm.Offsets{}
	trim.AddOffset(topic, 0, 3, -1)
	deleted, err := kadm.NewClient(client).DeleteRecords(t.Context(), trim)
	require.NoError(t, err)
	require.NoError(t, deleted.Error())
	_, ok, err = s.Look(t.Context(), 2)
	require.NoError(t, err)
	assert.False(t, ok, "trimmed")

	id, err := s.Topic(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, delivery.TopicID{}, id)
}

func TestCommittedIsTheGroupsOffset(t *testing.T) {
	_, client, _ := source(t, 10, 0)
	produce(t, client, 5)
	store := worker.NewStore(client, "state", 0)
	_, ok, err := store.Committed(t.Context())
	require.NoError(t, err)
	assert.False(t, ok, "a job has no group")
	store.Follows("g", topic)
	_, ok, err = store.Committed(t.Context())
	require.NoError(t, err)
	assert.False(t, ok, "there is no such group yet")
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, 0, 4, -1)
	require.NoError(t, kadm.NewClient(client).CommitAllOffsets(t.Context(), "g", offsets))
	at, ok, err := store.Committed(t.Context())
	require.NoError(t, err)
	require.True(t, ok)
	assert.EqualValues(t, 4, at)
}
