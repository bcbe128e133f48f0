package joblog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/joblog"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
)

const topic = "p.jobs.default"

// long is more entries than a log may have.
const long = 5200

// world is a Kafka with a journal.
type world struct {
	kafka *kfake.Cluster
	c     *kgo.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(1))
	require.NoError(t, err)
	t.Cleanup(k.Close)
	c, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.MetadataMinAge(20*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	topics := cluster.DefaultTopicsConfig()
	topics.ReplicationFactor, topics.MinInsyncReplicas, topics.AllowWeakDurability = 1, 1, true
	_, _, err = cluster.Ensure(t.Context(), c, "p", journal.Logs, topics)
	require.NoError(t, err)
	return &world{k, c}
}

func (w *world) open(t *testing.T) *joblog.Log {
	t.Helper()
	l, err := joblog.Open(t.Context(), w.c, "p", topic)
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

// write writes entries to the topic as another instance does.
func (w *world) write(t *testing.T, entries ...replay.Entry) {
	t.Helper()
	records := make([]*kgo.Record, len(entries))
	for i, e := range entries {
		value, err := json.Marshal(e)
		require.NoError(t, err)
		records[i] = &kgo.Record{Topic: topic, Key: fmt.Append(nil, e.ID, i), Value: value}
	}
	require.NoError(t, w.c.ProduceSync(t.Context(), records...).FirstErr())
}

// has returns the first offset of the topic and the one after its last.
func (w *world) has(t *testing.T) (first, next int64) {
	t.Helper()
	adm := kadm.NewClient(w.c)
	starts, err := adm.ListStartOffsets(t.Context(), topic)
	require.NoError(t, err)
	ends, err := adm.ListEndOffsets(t.Context(), topic)
	require.NoError(t, err)
	start, _ := starts.Lookup(topic, 0)
	end, _ := ends.Lookup(topic, 0)
	return start.Offset, end.Offset
}

// board returns the jobs of a log, in the stored form.
func board(t *testing.T, l *joblog.Log) (text string) {
	t.Helper()
	l.Read(func(b *replay.Board) {
		data, err := json.Marshal(b.Jobs())
		require.NoError(t, err)
		text = string(data)
	})
	return text
}

// reads waits until the board contains everything that the topic holds now.
func (w *world) reads(t *testing.T, l *joblog.Log) {
	t.Helper()
	require.NoError(t, l.Append(t.Context(), replay.Entry{ID: "nobody", Want: replay.Pause}))
}

func made(id, warning string) replay.Entry {
	return replay.Entry{ID: id, Job: &replay.Job{Spec: replay.Spec{ID: id}, Want: replay.Run, Warnings: []string{warning}, Status: replay.Status{Phase: replay.Waiting}}}
}

func want(id string, w replay.Want) replay.Entry { return replay.Entry{ID: id, By: "me", Want: w} }

func status(id string, phase replay.Phase, records int64) replay.Entry {
	return replay.Entry{ID: id, Status: &replay.Status{Phase: phase, Counts: replay.Counts{Records: records}}}
}

// progress is what a running job writes in a few hours.
func progress(id string) (all []replay.Entry) {
	for i := range int64(long) {
		all = append(all, status(id, replay.Running, i))
	}
	return all
}

// A reader of a rewritten log has the same board: open jobs, ended ones, and none that was deleted. The log stays short, however long jobs
// run.
func TestACompactedLogSaysTheSame(t *testing.T) {
	w := newWorld(t)
	l := w.open(t)
	w.write(t, made("paused", ""), made("ended", ""), made("deleted", ""), made("running", ""))
	w.write(t, want("paused", replay.Pause), status("paused", replay.Paused, 7), status("ended", replay.Running, 3), status("ended", replay.Done, 9), want("deleted", replay.Delete),
		replay.Entry{ID: "deleted", Gone: true})
	w.reads(t, l)
	require.NoError(t, l.Compact(t.Context()))
	first, _ := w.has(t)
	require.Zero(t, first, "it is short")

	for range 3 {
		w.write(t, progress("running")...)
		w.reads(t, l)
		before := board(t, l)
		require.NoError(t, l.Compact(t.Context()))
		w.reads(t, l)
		first, next := w.has(t)
		assert.LessOrEqual(t, next-first, int64(5), "three jobs, and what was written to read them")
		assert.JSONEq(t, before, board(t, l))
		again := w.open(t)
		assert.JSONEq(t, before, board(t, again))
		again.Read(func(b *replay.Board) {
			assert.Nil(t, b.Job("deleted"))
			assert.Equal(t, replay.Pause, b.Job("paused").Want)
			assert.Equal(t, replay.Paused, b.Job("paused").Status.Phase)
			assert.EqualValues(t, 9, b.Job("ended").Status.Counts.Records)
			assert.EqualValues(t, long-1, b.Job("running").Status.Counts.Records)
		})
	}
}

// A request that is written while the leader rewrites the log is not lost: a reader that starts there would apply it to a job that does
// not exist yet.
func TestAWishInTheMiddleOfCompactingIsKept(t *testing.T) {
	w := newWorld(t)
	l := w.open(t)
	// Two jobs that don't fit one request, so that there is a middle.
	w.write(t, made("first", strings.Repeat("a", 700<<10)))
	w.write(t, made("second", strings.Repeat("b", 700<<10)))
	w.write(t, progress("first")...)
	w.reads(t, l)

	other, err := kgo.NewClient(append(w.c.Opts(), kgo.ProducerBatchCompression(kgo.NoCompression()))...)
	require.NoError(t, err)
	defer other.Close()
	wish, err := json.Marshal(want("second", replay.Pause))
	require.NoError(t, err)
	var requests atomic.Int32
	w.kafka.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		if requests.Add(1) == 2 { // the second of compacting
			w.kafka.SleepControl(func() {
				assert.NoError(t, other.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Key: []byte("wish"), Value: wish}).FirstErr())
			})
		}
		return nil, nil, false
	})
	require.NoError(t, l.Compact(t.Context()))
	require.GreaterOrEqual(t, requests.Load(), int32(3), "there was a middle")
	first, _ := w.has(t)
	assert.Zero(t, first, "nothing was deleted")
	w.reads(t, l)
	for _, log := range []*joblog.Log{l, w.open(t)} {
		log.Read(func(b *replay.Board) { assert.Equal(t, replay.Pause, b.Job("second").Want) })
	}
}

// If Kafka refuses to delete, the leader does not retry, with all jobs rewritten, at each pass.
func TestALogThatCannotBeShortenedDoesNotGrowByItself(t *testing.T) {
	w := newWorld(t)
	l := w.open(t)
	w.write(t, made("running", ""))
	w.write(t, progress("running")...)
	w.reads(t, l)
	w.kafka.ControlKey(int16(kmsg.DeleteRecords), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.KeepControl()
		resp := r.ResponseKind().(*kmsg.DeleteRecordsResponse)
		p := kmsg.DeleteRecordsResponseTopicPartition{ErrorCode: kerr.TopicAuthorizationFailed.Code}
		resp.Topics = []kmsg.DeleteRecordsResponseTopic{{Topic: topic, Partitions: []kmsg.DeleteRecordsResponseTopicPartition{p}}}
		return resp, nil, true
	})
	_, before := w.has(t)
	require.ErrorIs(t, l.Compact(t.Context()), kerr.TopicAuthorizationFailed)
	for range 10 {
		require.NoError(t, l.Compact(t.Context()))
	}
	_, after := w.has(t)
	assert.Equal(t, before+1, after)
}

// Log compaction of the topic must find nothing to remove.
func TestNoTwoEntriesHaveOneKey(t *testing.T) {
	w := newWorld(t)
	keys := map[string]int{}
	for range 2 {
		l := w.open(t)
		require.NoError(t, l.Append(t.Context(), made("j", "")))
		require.NoError(t, l.Append(t.Context(), want("j", replay.Pause)))
		require.NoError(t, l.Append(t.Context(), want("j", replay.Run)))
	}
	require.NoError(t, cluster.ReadAll(t.Context(), w.c, topic, 0, func(r *kgo.Record) { keys[string(r.Key)]++ }))
	assert.Len(t, keys, 6)
}

// A leader that was suspended, and one whose session has ended, must not delete what its successor writes.
func TestOnlyTheLeaderIsConfirmed(t *testing.T) {
	w := newWorld(t)
	l := w.open(t)
	_, err := l.Confirm(t.Context())
	require.Error(t, err, "nobody leads yet")
	led := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- l.Lead(ctx, "election", func(ctx context.Context) { close(led); <-ctx.Done() })
	}()
	<-led
	asked := time.Now()
	until, err := l.Confirm(t.Context())
	require.NoError(t, err)
	assert.True(t, until.After(asked))
	assert.Less(t, time.Until(until), 10*time.Second, "another one can lead when the session is over")
	w.kafka.ControlKey(int16(kmsg.Heartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.KeepControl()
		resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
		resp.ErrorCode = kerr.UnknownMemberID.Code
		return resp, nil, true
	})
	_, err = l.Confirm(t.Context())
	require.ErrorIs(t, err, kerr.UnknownMemberID)
	cancel()
	require.NoError(t, <-ended)
}
