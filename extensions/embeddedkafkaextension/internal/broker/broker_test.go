package broker_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/broker"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
)

const topic = "t"

func settings(dir string) broker.Settings {
	return broker.Settings{Address: "127.0.0.1:0", Directory: dir, MaxBytes: 64 << 20, SegmentBytes: 1 << 20, TrimInterval: 20 * time.Millisecond}
}

// open starts a broker that is closed with the test, unless crash was called for it.
func open(t *testing.T, set broker.Settings) *running {
	t.Helper()
	r := &running{set: set}
	set.Found = func(f commitlog.Finding) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.found = append(r.found, f)
	}
	set.Problem = func(err error) { t.Log("problem:", err) }
	var err error
	r.Broker, err = broker.Open(set)
	require.NoError(t, err)
	t.Cleanup(r.close)
	return r
}

type running struct {
	*broker.Broker
	set    broker.Settings
	closed bool

	mu    sync.Mutex
	found []commitlog.Finding // guarded by mu
}

func (r *running) findings() []commitlog.Finding {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.found)
}

func (r *running) close() {
	if !r.closed {
		r.closed = true
		if err := r.Close(); err != nil {
			panic(err)
		}
	}
}

// crash returns a copy of the directory as a kill -9 at this moment would leave it. When retention deletes a file while it is copied, the
// copy is of no moment, and another one is made.
func (r *running) crash(t *testing.T) string {
	t.Helper()
	for {
		dir := filepath.Join(t.TempDir(), "crashed")
		err := os.CopyFS(dir, os.DirFS(r.set.Directory))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		r.close()
		return dir
	}
}

func (r *running) client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(r.Address()), kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MetadataMinAge(10 * time.Millisecond)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func (r *running) create(t *testing.T, configs map[string]*string) {
	t.Helper()
	_, err := kadm.NewClient(r.client(t)).CreateTopic(t.Context(), 1, 1, configs, topic)
	require.NoError(t, err)
}

func record(v string) *kgo.Record { return &kgo.Record{Topic: topic, Value: []byte(v)} }

func produce(t *testing.T, c *kgo.Client, values ...string) {
	t.Helper()
	for _, v := range values {
		require.NoError(t, c.ProduceSync(t.Context(), record(v)).FirstErr())
	}
}

// read returns the committed values of the topic from its start to its end.
func (r *running) read(t *testing.T) (values []string) {
	t.Helper()
	ctx := t.Context()
	c := r.client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords())
	adm := kadm.NewClient(c)
	starts, err := adm.ListStartOffsets(ctx, topic)
	require.NoError(t, err)
	ends, err := adm.ListCommittedOffsets(ctx, topic)
	require.NoError(t, err)
	start, _ := starts.Lookup(topic, 0)
	end, _ := ends.Lookup(topic, 0)
	for next := start.Offset; next < end.Offset; {
		fetches := c.PollFetches(ctx)
		require.NoError(t, fetches.Err())
		fetches.EachRecord(func(rec *kgo.Record) {
			next = rec.Offset + 1
			if !rec.Attrs.IsControl() {
				values = append(values, string(rec.Value))
			}
		})
	}
	return values
}

func TestASecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, settings(dir))
	_, err := broker.Open(settings(dir))
	require.ErrorIs(t, err, broker.ErrLocked)
}

func TestRecordsAndOffsetsSurvive(t *testing.T) {
	for _, how := range []string{"close", "crash"} {
		t.Run(how, func(t *testing.T) {
			r := open(t, settings(t.TempDir()))
			r.create(t, nil)
			produce(t, r.client(t), "a", "b", "c")
			commit(t, r, 2)
			set := r.set
			if how == "crash" {
				set.Directory = r.crash(t)
			} else {
				r.close()
			}
			again := open(t, set)
			assert.Equal(t, []string{"a", "b", "c"}, again.read(t))
			assert.Equal(t, int64(2), committed(t, again))
		})
	}
}

func commit(t *testing.T, r *running, at int64) {
	t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, 0, at, -1)
	require.NoError(t, kadm.NewClient(r.client(t)).CommitAllOffsets(t.Context(), "g", offsets))
}

func committed(t *testing.T, r *running) int64 {
	t.Helper()
	all, err := kadm.NewClient(r.client(t)).FetchOffsets(t.Context(), "g")
	require.NoError(t, err)
	o, _ := all.Lookup(topic, 0)
	return o.At
}

// A transaction that a crash cuts off is not committed by its producer's next one.
func TestAnInterruptedTransactionStaysAborted(t *testing.T) {
	r := open(t, settings(t.TempDir()))
	r.create(t, nil)
	c := r.client(t, kgo.TransactionalID("x"))
	require.NoError(t, c.BeginTransaction())
	produce(t, c, "never committed")
	set := r.set
	set.Directory = r.crash(t)

	again := open(t, set)
	c = again.client(t, kgo.TransactionalID("x"))
	require.NoError(t, c.BeginTransaction())
	produce(t, c, "committed")
	require.NoError(t, c.EndTransaction(t.Context(), kgo.TryCommit))
	assert.Equal(t, []string{"committed"}, again.read(t))
	set.Directory = again.crash(t)

	assert.Equal(t, []string{"committed"}, open(t, set).read(t))
}

func fence(t *testing.T, r *running) int16 {
	t.Helper()
	_, epoch, err := r.client(t, kgo.TransactionalID("x")).ProducerID(t.Context())
	require.NoError(t, err)
	return epoch
}

func TestFencesSurvive(t *testing.T) {
	r := open(t, settings(t.TempDir()))
	first := fence(t, r)
	set := r.set
	set.Directory = r.crash(t)
	second := fence(t, open(t, set))
	assert.Less(t, first, second)
}

func TestATornRecordIsCut(t *testing.T) {
	r := open(t, settings(t.TempDir()))
	r.create(t, nil)
	produce(t, r.client(t), "a", "b")
	set := r.set
	set.Directory = r.crash(t)
	segment := filepath.Join(set.Directory, "partitions", topic+"-0", "0.dat")
	raw, err := os.ReadFile(segment)
	require.NoError(t, err)
	appendTo(t, segment, raw[:len(raw)/2-3]) // the beginning of another batch

	again := open(t, set)
	require.Len(t, again.findings(), 1)
	assert.Equal(t, commitlog.Torn, again.findings()[0].Kind)
	assert.EqualValues(t, len(raw)/2-3, again.findings()[0].Bytes)
	produce(t, again.client(t), "c")
	assert.Equal(t, []string{"a", "b", "c"}, again.read(t))
}

// Retention leaves the segment that is written to, also after a restart.
func TestRetentionNeverEmptiesAPartition(t *testing.T) {
	set := settings(t.TempDir())
	set.SegmentBytes = 1 << 10
	r := open(t, set)
	short := "1"
	r.create(t, map[string]*string{"retention.ms": &short})
	value := strings.Repeat("x", 600)
	c := r.client(t)
	produce(t, c, value+"0", value+"1")
	set.Directory = r.crash(t)

	again := open(t, set)
	c = again.client(t)
	produce(t, c, value+"2", value+"3", value+"4")
	adm := kadm.NewClient(c)
	require.Eventually(t, func() bool {
		starts, err := adm.ListStartOffsets(t.Context(), topic)
		start, _ := starts.Lookup(topic, 0)
		return err == nil && start.Offset == 4
	}, 30*time.Second, 5*time.Millisecond)
	set.Directory = again.crash(t)

	last := open(t, set)
	produce(t, last.client(t), "5")
	ends, err := kadm.NewClient(last.client(t)).ListEndOffsets(t.Context(), topic)
	require.NoError(t, err)
	end, _ := ends.Lookup(topic, 0)
	assert.Equal(t, int64(6), end.Offset)
	assert.Equal(t, []string{value + "4", "5"}, last.read(t))
}

func TestFullRefusesUntilConsumersMoveOn(t *testing.T) {
	set := settings(t.TempDir())
	set.MaxBytes, set.SegmentBytes = 64<<10, 4<<10
	r := open(t, set)
	r.create(t, nil)
	commit(t, r, 0)
	c := r.client(t, kgo.RecordRetries(0), kgo.UnknownTopicRetries(0))
	value := strings.Repeat("x", 2000)
	acknowledged := int64(0)
	var err error
	for range 1000 {
		if err = c.ProduceSync(t.Context(), record(value)).FirstErr(); err != nil {
			break
		}
		acknowledged++
	}
	require.ErrorIs(t, err, kerr.ThrottlingQuotaExceeded)
	assert.True(t, r.Full())
	assert.Len(t, r.read(t), int(acknowledged), "nothing that a group has not consumed is deleted")

	tx := r.client(t, kgo.TransactionalID("checkpoint"))
	require.NoError(t, tx.BeginTransaction())
	produce(t, tx, "a checkpoint")
	require.NoError(t, tx.EndTransaction(t.Context(), kgo.TryCommit))

	commit(t, r, acknowledged)
	require.Eventually(t, func() bool { return !r.Full() }, 30*time.Second, 5*time.Millisecond)
	produce(t, r.client(t), "room again")
	assert.Less(t, len(r.read(t)), int(acknowledged))
}

// A sink that accepts nothing fills its topic's share; clients of the other signals are not affected.
func TestAFullTopicStopsNoOther(t *testing.T) {
	set := settings(t.TempDir())
	set.MaxBytes, set.SegmentBytes, set.TrimInterval = 256<<10, 4<<10, time.Hour // A topic's limit applies from its creation.
	r := open(t, set)
	r.create(t, nil)
	_, err := kadm.NewClient(r.client(t)).CreateTopic(t.Context(), 1, 1, nil, "other")
	require.NoError(t, err)
	commit(t, r, 0)
	other := kadm.Offsets{}
	other.AddOffset("other", 0, 0, -1)
	require.NoError(t, kadm.NewClient(r.client(t)).CommitAllOffsets(t.Context(), "g", other))
	c := r.client(t, kgo.RecordRetries(0))
	fill := func(topic string) (bytes int) {
		for range 1000 {
			value := strings.Repeat("x", 2000)
			if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr(); err != nil {
				require.ErrorIs(t, err, kerr.ThrottlingQuotaExceeded)
				return bytes
			}
			bytes += len(value)
		}
		return bytes
	}
	assert.InDelta(t, 3*set.MaxBytes/4, fill(topic), 16<<10)
	assert.True(t, r.Full())
	assert.InDelta(t, set.MaxBytes/4, fill("other"), 16<<10)
}

// Topics that keep their records for ever hold consumers' states: only their owners trim them.
func TestTopicsThatKeepForEverAreNotTrimmed(t *testing.T) {
	set := settings(t.TempDir())
	set.MaxBytes, set.SegmentBytes = 32<<10, 1<<10
	r := open(t, set)
	keep := "-1"
	r.create(t, map[string]*string{"retention.ms": &keep})
	value := strings.Repeat("x", 600)
	n := 0
	for c := r.client(t, kgo.RecordRetries(0)); c.ProduceSync(t.Context(), record(value)).FirstErr() == nil; n++ {
	}
	assert.Len(t, r.read(t), n)
}

func TestWhatCannotBeKeptIsRefused(t *testing.T) {
	set := settings(t.TempDir())
	r := open(t, set)
	adm := kadm.NewClient(r.client(t))
	compact := "compact"
	_, err := adm.CreateTopic(t.Context(), 1, 1, map[string]*string{"cleanup.policy": &compact}, "c")
	require.ErrorIs(t, err, kerr.InvalidConfig)
	_, err = adm.CreateTopic(t.Context(), 33, 1, nil, "many") // 64 MiB / 2 / 1 MiB = 32
	require.ErrorIs(t, err, kerr.InvalidPartitions)
	r.create(t, nil)
	altered, err := adm.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "cleanup.policy", Value: &compact}}, topic)
	require.NoError(t, err)
	require.ErrorIs(t, altered[0].Err, kerr.InvalidConfig)
}

// The properties that the follower's checkpoints need.
func TestAFencedProducerCannotCommit(t *testing.T) {
	r := open(t, settings(t.TempDir()))
	r.create(t, nil)
	old := r.client(t, kgo.TransactionalID("x"))
	require.NoError(t, old.BeginTransaction())
	produce(t, old, "of the old owner")

	next := r.client(t, kgo.TransactionalID("x"))
	require.NoError(t, next.BeginTransaction())
	produce(t, next, "of the new owner")
	require.Error(t, old.EndTransaction(t.Context(), kgo.TryCommit))
	require.NoError(t, next.EndTransaction(t.Context(), kgo.TryCommit))
	assert.Equal(t, []string{"of the new owner"}, r.read(t))
}

// TestKilledWhileWriting kills the process again and again while it writes. Every acknowledged record must be there, once.
func TestKilledWhileWriting(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for round := range 5 {
		writeUntilKilled(t, dir, round, acknowledged)
	}
	r := open(t, settings(dir))
	assert.Empty(t, r.findings())
	found := map[string]int{}
	for _, v := range r.read(t) {
		found[v]++
	}
	missing, repeated := 0, 0
	for v := range acknowledged {
		if found[v] == 0 {
			missing++
		}
	}
	for _, n := range found {
		if n > 1 {
			repeated++
		}
	}
	assert.Zero(t, missing)
	assert.Zero(t, repeated)
	t.Logf("%d acknowledged, %d found", len(acknowledged), len(found))
}

func appendTo(t *testing.T, name string, raw []byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.Write(raw)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func kgoClient(address string) (*kgo.Client, error) {
	return kgo.NewClient(kgo.SeedBrokers(address))
}
