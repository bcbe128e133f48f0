package worker_test

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/worker"
)

const topic = "p.logs"

// source returns a client of a Kafka with one partition, and a source of it whose ranges have at most records records and wait.
func source(t *testing.T, records int, wait time.Duration) (*kfake.Cluster, *kgo.Client, *worker.Log) {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	require.NoError(t, err)
	t.Cleanup(k.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.MetadataMinAge(10*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	limits := worker.Limits{Records: records, Bytes: func() int { return 1 << 20 }, Wait: wait, Tick: time.Hour}
	s, err := worker.NewLog(client, topic, 0, limits,
		func(r *kgo.Record) delivery.Record { return delivery.Record{Offset: r.Offset} })
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return k, client, s
}

func produce(t *testing.T, client *kgo.Client, n int) {
	t.Helper()
	for range n {
		require.NoError(t, client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("v")}).FirstErr())
	}
}

func TestRecordsThatARangeWaitsForShareFetches(t *testing.T) {
	const records = 500
	k, client, s := source(t, records, time.Hour)
	var fetches atomic.Int64
	k.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		fetches.Add(1)
		return nil, nil, false
	})
	produce(t, client, 1)
	done := make(chan error, 1)
	var r delivery.Range
	go func() {
		var err error
		r, err = s.Read(t.Context(), 0)
		done <- err
	}()
	produce(t, client, records-1) // each after the previous one was written
	require.NoError(t, <-done)
	assert.Equal(t, delivery.Bounds{First: 0, Next: records}, r.Bounds)
	assert.Len(t, r.Records, records)
	assert.Less(t, fetches.Load(), int64(records/5))
}

func TestARangeOfABacklogWaitsForNothing(t *testing.T) {
	_, client, s := source(t, 10, time.Hour)
	produce(t, client, 30)
	for at := int64(0); at < 30; at += 10 {
		r, err := s.Read(t.Context(), at)
		require.NoError(t, err)
		assert.Equal(t, delivery.Bounds{First: at, Next: at + 10}, r.Bounds)
	}
}

// A job's range is as large as its limits allow although a fetch brings less, and it neither includes records after the job's last one nor
// waits for more than there are.
func TestARangeIsFilledFromSeveralFetches(t *testing.T) {
	_, client, _ := source(t, 1, 0)
	const records, last = 40, 35
	for i := range records { // 8 MB that can't be compressed: a fetch brings an eighth
		value := make([]byte, 200_000)
		_, _ = rand.NewChaCha8([32]byte{byte(i)}).Read(value) // it never fails
		require.NoError(t, client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: value}).FirstErr())
	}
	decoded := 0
	s, err := worker.NewLog(client, topic, 0, worker.Limits{Records: 1000, Bytes: func() int { return 4_000_000 }, Tick: time.Hour, Fill: true, Before: last},
		func(r *kgo.Record) delivery.Record { decoded++; return delivery.Record{Offset: r.Offset} })
	require.NoError(t, err)
	t.Cleanup(s.Close)
	for _, want := range []delivery.Bounds{{First: 0, Next: 20}, {First: 20, Next: last}} {
		r, err := s.Read(t.Context(), want.First)
		require.NoError(t, err)
		assert.Equal(t, want, r.Bounds)
		assert.Len(t, r.Records, int(want.Next-want.First))
	}
	assert.Equal(t, last, decoded)
}

func TestAWaitingRangeCanBeEnded(t *testing.T) {
	_, client, s := source(t, 10, time.Hour)
	produce(t, client, 1)
	s.StopWaiting()
	r, err := s.Read(t.Context(), 0)
	require.NoError(t, err)
	if r.Next == 0 { // It did not wait for the fetch; the next one does.
		r, err = s.Read(t.Context(), 0)
		require.NoError(t, err)
	}
	assert.Equal(t, delivery.Bounds{First: 0, Next: 1}, r.Bounds)
}

// A follower that is stopping does not wait for the next poll of a quiet journal.
func TestStopWaitingEndsTheWaitForAFirstRecord(t *testing.T) {
	_, client, s := source(t, 10, 0)
	produce(t, client, 1)
	_, err := s.Read(t.Context(), 0)
	require.NoError(t, err)
	done := make(chan delivery.Range, 1)
	go func() {
		r, err := s.Read(t.Context(), 1)
		assert.NoError(t, err)
		done <- r
	}()
	s.StopWaiting()
	assert.Equal(t, delivery.Bounds{First: 1, Next: 1}, (<-done).Bounds)
	produce(t, client, 1)
	r, err := s.Read(t.Context(), 1)
	require.NoError(t, err)
	assert.Len(t, r.Records, 1, "what is there is read all the same")
}

func TestWhatIsGivenUpIsAGap(t *testing.T) {
	_, client, s := source(t, 10, 0)
	produce(t, client, 30)
	s.SkipTo(17)
	s.SkipTo(3)
	r, err := s.Read(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, delivery.Bounds{First: 17, Next: 27}, r.Bounds)
	s.SkipTo(20)
	r, err = s.Read(t.Context(), 27)
	require.NoError(t, err)
	assert.Equal(t, delivery.Bounds{First: 27, Next: 30}, r.Bounds, "it was read before")
}

// Its files may exist. A second version with fewer rows would replace them.
func TestARecordedRangeIsGivenUpWhole(t *testing.T) {
	_, client, s := source(t, 10, 0)
	produce(t, client, 30)
	s.SkipTo(15)
	for _, c := range []struct{ recorded, got delivery.Bounds }{
		{delivery.Bounds{First: 0, Next: 10}, delivery.Bounds{First: 10, Next: 10}},
		{delivery.Bounds{First: 10, Next: 20}, delivery.Bounds{First: 20, Next: 20}},
		{delivery.Bounds{First: 20, Next: 30}, delivery.Bounds{First: 20, Next: 30}},
	} {
		r, err := s.ReadExactly(t.Context(), c.recorded)
		require.NoError(t, err)
		assert.Equal(t, c.got, r.Bounds)
		assert.Len(t, r.Records, int(c.got.Next-c.got.First))
	}
}

// A recreated journal, or one that has lost its last records, is shorter than a job's range.
func TestARangeThatTheLogHasLostTheEndOfEnds(t *testing.T) {
	_, client, l := source(t, 10, 0)
	produce(t, client, 5)
	b := &worker.Bounded{Log: l, Next: 20, Clock: &worker.Clock{}, Done: func() {}}
	r, err := b.Read(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, delivery.Bounds{First: 0, Next: 5}, r.Bounds)
	l.StopWaiting() // what is read ahead
	b.Close()
	r, err = b.Read(t.Context(), 7)
	require.NoError(t, err)
	assert.Equal(t, delivery.Bounds{First: 20, Next: 20}, r.Bounds, "nothing stands at 7")
	assert.False(t, r.AtEnd)
}
