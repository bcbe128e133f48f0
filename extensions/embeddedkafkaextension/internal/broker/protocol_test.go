package broker_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
)

// follower is a member of a group, as the receiver makes them.
type follower struct {
	*kgo.Client
	mu   sync.Mutex
	mine map[int32]bool // guarded by mu
}

func follow(t *testing.T, r *running, opts ...kgo.Opt) *follower {
	t.Helper()
	f := &follower{mine: map[int32]bool{}}
	change := func(have bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, p map[string][]int32) {
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, i := range p[topic] {
				if have {
					f.mine[i] = true
				} else {
					delete(f.mine, i)
				}
			}
		}
	}
	f.Client = r.client(t, append([]kgo.Opt{kgo.ConsumerGroup("g"), kgo.ConsumeTopics(topic), kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(50 * time.Millisecond), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false))}, opts...)...)
	f.PauseFetchTopics(topic)
	return f
}

func (f *follower) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.mine)
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, is, 30*time.Second, 5*time.Millisecond, what)
}

func TestAGroupSharesThePartitions(t *testing.T) {
	r := open(t, settings(t.TempDir()))
	adm := kadm.NewClient(r.client(t))
	_, err := adm.CreateTopic(t.Context(), 4, 1, nil, topic)
	require.NoError(t, err)
	one := follow(t, r)
	eventually(t, "one has all", func() bool { return one.count() == 4 })
	two := follow(t, r)
	eventually(t, "each has half", func() bool { return one.count() == 2 && two.count() == 2 })
	described, err := adm.DescribeGroups(t.Context(), "g")
	require.NoError(t, err)
	assert.Equal(t, "Stable", described["g"].State)
	require.Len(t, described["g"].Members, 2)
	assigned, ok := described["g"].Members[0].Assigned.AsConsumer()
	require.True(t, ok)
	assert.Len(t, assigned.Topics[0].Partitions, 2)
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, 0, 1, -1)
	committed, err := adm.CommitOffsets(t.Context(), "g", offsets)
	require.NoError(t, err)
	require.ErrorIs(t, committed.Error(), kerr.UnknownMemberID, "only members commit while there are some")
	one.Close()
	eventually(t, "the other has all", func() bool { return two.count() == 4 })
	two.Close()
}

// A member with an instance id keeps its partitions while it is away for less than its session, and its place can be taken away.
func TestAStaticMemberComesBack(t *testing.T) {
	r := open(t, settings(t.TempDir()))
	adm := kadm.NewClient(r.client(t))
	_, err := adm.CreateTopic(t.Context(), 4, 1, nil, topic)
	require.NoError(t, err)
	one, two := follow(t, r, kgo.InstanceID("1")), follow(t, r, kgo.InstanceID("2"))
	eventually(t, "each has half", func() bool { return one.count() == 2 && two.count() == 2 })
	two.Close()
	again := follow(t, r, kgo.InstanceID("2"))
	eventually(t, "it has its half again", func() bool { return again.count() == 2 })
	assert.Equal(t, 2, one.count())
	again.Close()
	left, err := adm.LeaveGroup(t.Context(), kadm.LeaveGroup("g").InstanceIDs("2"))
	require.NoError(t, err)
	require.NoError(t, left.Error())
	eventually(t, "one has all", func() bool { return one.count() == 4 })
	left, err = adm.LeaveGroup(t.Context(), kadm.LeaveGroup("g").InstanceIDs("2"))
	require.NoError(t, err)
	require.ErrorIs(t, left.Error(), kerr.UnknownMemberID)
}

func TestASilentMemberIsRemoved(t *testing.T) {
	r := open(t, settings(t.TempDir()))
	_, err := kadm.NewClient(r.client(t)).CreateTopic(t.Context(), 2, 1, nil, topic)
	require.NoError(t, err)
	silent := follow(t, r, kgo.SessionTimeout(400*time.Millisecond), kgo.InstanceID("silent"))
	eventually(t, "it has all", func() bool { return silent.count() == 2 })
	silent.Close() // A member with an instance id does not say so.
	other := follow(t, r)
	eventually(t, "the other has all", func() bool { return other.count() == 2 })
}

func TestOffsetsAreFoundByTime(t *testing.T) {
	r := open(t, settings(t.TempDir()))
	r.create(t, nil)
	c := r.client(t, kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	var records []*kgo.Record
	for i := range 10 {
		records = append(records, &kgo.Record{Topic: topic, Value: []byte("v"), Timestamp: time.UnixMilli(int64(1000 + 10*i))})
	}
	require.NoError(t, c.ProduceSync(t.Context(), records...).FirstErr())
	adm := kadm.NewClient(c)
	for millis, want := range map[int64][2]int64{1: {0, 1000}, 1000: {0, 1000}, 1041: {5, 1050}, 1090: {9, 1090}, 2000: {10, -1}} {
		listed, err := adm.ListOffsetsAfterMilli(t.Context(), millis, topic)
		require.NoError(t, err)
		o, _ := listed.Lookup(topic, 0)
		assert.Equal(t, want, [2]int64{o.Offset, o.Timestamp}, "%d", millis)
	}
	latest, err := adm.ListMaxTimestampOffsets(t.Context(), topic)
	require.NoError(t, err)
	o, _ := latest.Lookup(topic, 0)
	assert.Equal(t, [2]int64{9, 1090}, [2]int64{o.Offset, o.Timestamp})
}

// The topics of a journal are created with the settings that the rest of the process requests.
func TestAJournalsTopics(t *testing.T) {
	r := open(t, settings(t.TempDir()))
	c := r.client(t)
	topics := cluster.DefaultTopicsConfig()
	topics.Partitions, topics.ReplicationFactor, topics.MinInsyncReplicas, topics.AllowWeakDurability = 1, 1, 1, true
	for range 2 {
		layout, largest, err := cluster.Ensure(t.Context(), c, "p", journal.Metrics, topics)
		require.NoError(t, err)
		assert.EqualValues(t, 1, layout.Partitions)
		assert.EqualValues(t, 32<<20, largest)
		_, err = cluster.EnsureState(t.Context(), c, "p", journal.Metrics, "tsdb")
		require.NoError(t, err)
		require.NoError(t, cluster.EnsureLog(t.Context(), c, "p", "p.jobs"))
		require.NoError(t, cluster.EnsureTable(t.Context(), c, "p", "p.quota"), "this broker can't compact, so it keeps two days")
	}
	p, err := cluster.NewProducer([]kgo.Opt{kgo.SeedBrokers(r.Address())}, 1<<30, 1<<20, nil)
	require.NoError(t, err)
	defer p.Close()
	require.NoError(t, p.WriteLarge(t.Context(), &kgo.Record{Topic: "p.deadletter", Value: make([]byte, 20<<20)}))
	for size, want := range map[int]int{2 << 20: 0, 33 << 20: 1} {
		failed, err := p.Write(t.Context(), []*kgo.Record{{Topic: "p.metrics", Partition: 0, Value: randomBytes(size)}})
		require.NoError(t, err)
		assert.Len(t, failed, want, "%d bytes", size)
	}
	_, err = kadm.NewClient(c).CreatePartitions(t.Context(), 1, "p.metrics")
	require.NoError(t, err)
	deleted, err := kadm.NewClient(c).DeleteTopics(t.Context(), "p.jobs")
	require.NoError(t, err)
	require.NoError(t, deleted.Error())
	r.close()
	r = open(t, r.set)
	assert.Empty(t, r.findings())
	have, err := kadm.NewClient(r.client(t)).ListTopics(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"p.deadletter", "p.layout", "p.metrics", "p.metrics.state.tsdb", "p.quota"}, have.Names())
}

func randomBytes(n int) []byte {
	out := make([]byte, n)
	x := uint64(1)
	for i := range out {
		x = x*6364136223846793005 + 1442695040888963407
		out[i] = byte(x >> 56)
	}
	return out
}

// Offsets that are committed in a transaction count when it does.
func TestATransactionCommitsOffsets(t *testing.T) {
	r := open(t, settings(t.TempDir()))
	r.create(t, nil)
	produce(t, r.client(t), "a", "b", "c")
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(r.Address()), kgo.TransactionalID("x"), kgo.ConsumerGroup("g"), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ProducerLinger(0))
	require.NoError(t, err)
	defer session.Close()
	got := 0
	for got < 3 {
		got += session.PollFetches(t.Context()).NumRecords()
	}
	require.NoError(t, session.Begin())
	require.NoError(t, session.ProduceSync(t.Context(), record("d")).FirstErr())
	committedIt, err := session.End(t.Context(), kgo.TryCommit)
	require.NoError(t, err)
	assert.True(t, committedIt)
	assert.Equal(t, int64(3), committed(t, r))
	assert.Equal(t, []string{"a", "b", "c", "d"}, r.read(t))
}

// An old client speaks old versions: the oldest that are served, and what lies between.
func TestOldVersionsOfRequests(t *testing.T) {
	r := open(t, settings(t.TempDir()))
	r.create(t, nil)
	produce(t, r.client(t), "a")
	commit(t, r, 1)
	c := r.client(t)
	for version := range int16(13) {
		q := kmsg.NewPtrMetadataRequest()
		q.Topics = []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr(topic)}}
		require.NoError(t, withVersion(c, q, version, func(resp kmsg.Response) {
			assert.Len(t, resp.(*kmsg.MetadataResponse).Topics[0].Partitions, 1)
		}))
	}
	for version := int16(4); version <= 12; version++ {
		q := kmsg.NewPtrFetchRequest()
		q.MaxBytes, q.MaxWaitMillis = 1<<20, 10
		q.Topics = []kmsg.FetchRequestTopic{{Topic: topic, Partitions: []kmsg.FetchRequestTopicPartition{{CurrentLeaderEpoch: -1, PartitionMaxBytes: 1 << 20}}}}
		require.NoError(t, withVersion(c, q, version, func(resp kmsg.Response) {
			assert.NotEmpty(t, resp.(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches)
		}))
	}
	for version := int16(1); version <= 8; version++ {
		q := kmsg.NewPtrOffsetFetchRequest()
		q.Group, q.Groups = "g", []kmsg.OffsetFetchRequestGroup{{Group: "g"}}
		require.NoError(t, withVersion(c, q, version, func(resp kmsg.Response) {
			got := resp.(*kmsg.OffsetFetchResponse)
			if version == 1 { // This version can't request all groups.
				return
			}
			if version < 8 {
				assert.EqualValues(t, 1, got.Topics[0].Partitions[0].Offset)
			} else {
				assert.EqualValues(t, 1, got.Groups[0].Topics[0].Partitions[0].Offset)
			}
		}))
	}
}

// withVersion sends a request with a version over its own connection, and checks the answer.
func withVersion(c *kgo.Client, q kmsg.Request, version int16, check func(kmsg.Response)) error {
	address := c.OptValue(kgo.SeedBrokers).([]string)[0]
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	q.SetVersion(version)
	raw := kmsg.NewRequestFormatter().AppendRequest(nil, q, 7)
	if _, err := conn.Write(raw); err != nil {
		return err
	}
	body, err := readFrame(conn)
	if err != nil {
		return fmt.Errorf("version %d: %w", version, err)
	}
	resp := q.ResponseKind()
	resp.SetVersion(version)
	body = body[4:]
	if resp.IsFlexible() {
		body = body[1:]
	}
	if err := resp.ReadFrom(body); err != nil {
		return fmt.Errorf("version %d: %w", version, err)
	}
	check(resp)
	return nil
}

func readFrame(conn net.Conn) ([]byte, error) {
	var size [4]byte
	if err := readFull(conn, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, int(size[0])<<24|int(size[1])<<16|int(size[2])<<8|int(size[3]))
	return body, readFull(conn, body)
}

func readFull(conn net.Conn, into []byte) error {
	for len(into) > 0 {
		n, err := conn.Read(into)
		if err != nil {
			return err
		}
		into = into[n:]
	}
	return nil
}

// Whatever a stranger sends ends its connection at most.
func TestHostileBytesEndTheConnectionOnly(t *testing.T) {
	r := open(t, settings(t.TempDir()))
	r.create(t, nil)
	for _, raw := range [][]byte{
		[]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		{0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 9, 0, 0, 0, 1},
		{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9, 0, 0, 0, 1},
		{0, 0, 0, 8, 0, 99, 0, 0, 0, 0, 0, 1},
		{0, 0, 0, 10, 0, 1, 0, 99, 0, 0, 0, 1, 0, 0},
		slices.Concat([]byte{0, 0, 1, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0x7f}, make([]byte, 234)),
	} {
		conn, err := net.Dial("tcp", r.Address())
		require.NoError(t, err)
		_, err = conn.Write(raw)
		require.NoError(t, err)
		_, err = readFrame(conn)
		require.Error(t, err)
		require.NoError(t, conn.Close())
	}
	produce(t, r.client(t), "still there")
	assert.Equal(t, []string{"still there"}, r.read(t))
}
