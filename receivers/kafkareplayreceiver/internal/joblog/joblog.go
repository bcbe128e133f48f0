// Package joblog keeps replay jobs in a topic of one partition that all instances read and write. Every instance may write what users
// want; only the leader runs jobs.
//
// The leader keeps the topic short, see [Log.Compact], because an embedded Kafka does not compact. A Kafka with log compaction must find
// nothing to remove, because an entry adds to the earlier ones; so no two entries have the same key.
package joblog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/group"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/offsets"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/worker"
)

const (
	// compactAfter is the number of entries after which a log is rewritten, and againAfter the number of further entries before a failed
	// rewrite is retried.
	compactAfter = 5000
	againAfter   = 500
	session      = 10 * time.Second
	pause        = time.Second
	metadataWait = 50 * time.Millisecond
)

// Log is the topic and the board that results from it. It is safe for concurrent use.
type Log struct {
	admin  *kgo.Client // shared; consumes nothing
	writer *kgo.Client
	topic  string
	nonce  uint64 // with written, makes keys unique
	stop   context.CancelFunc
	wg     sync.WaitGroup

	written atomic.Uint64

	mu      sync.Mutex
	member  *kgo.Client   // takes part in the election; nil outside Lead; guarded by mu
	name    string        // of the election; guarded by mu
	board   replay.Board  // guarded by mu
	start   int64         // Compact counts from here: the first offset, or a later one after a failed attempt; guarded by mu
	applied int64         // the board contains everything below; guarded by mu
	changed chan struct{} // closed with the next entry; guarded by mu
}

// Open creates the topic if it is missing, reads its content, and follows it until Close.
func Open(ctx context.Context, admin *kgo.Client, prefix, topic string) (*Log, error) {
	if err := cluster.EnsureLog(ctx, admin, prefix, topic); err != nil {
		return nil, err
	}
	spans, err := offsets.Extent(ctx, admin, topic)
	if err != nil {
		return nil, err
	}
	l := &Log{admin: admin, topic: topic, nonce: rand.Uint64(), changed: make(chan struct{}), start: spans[0].Start, applied: spans[0].Start}
	err = cluster.ReadAll(ctx, admin, topic, 0, l.apply)
	if err != nil {
		return nil, err
	}
	l.writer, err = kgo.NewClient(append(slices.Clip(admin.Opts()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))...)
	if err != nil {
		return nil, err
	}
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	l.wg.Go(func() { l.follow(following) })
	return l, nil
}

// apply applies a record of the topic. It ignores records that Penstock did not write.
func (l *Log) apply(r *kgo.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Offset < l.applied {
		return
	}
	l.applied = r.Offset + 1
	var e replay.Entry
	if !r.Attrs.IsControl() && json.Unmarshal(r.Value, &e) == nil {
		l.board.Apply(e)
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Log) follow(ctx context.Context) {
	for ctx.Err() == nil {
		l.mu.Lock()
		from := l.applied
		l.mu.Unlock()
		reader, err := cluster.NewReader(l.admin, l.topic, 0, from)
		if err != nil {
			return // options with which one client creates another
		}
		for ctx.Err() == nil {
			fetches := reader.PollFetches(ctx)
			var failed error
			fetches.EachError(func(_ string, _ int32, err error) { failed = err })
			fetches.EachRecord(l.apply)
			if failed != nil {
				break
			}
		}
		reader.Close()
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// Append writes an entry and returns when the board contains it.
func (l *Log) Append(ctx context.Context, e replay.Entry) error {
	offset, _, err := l.write(ctx, e)
	if err != nil {
		return err
	}
	for {
		l.mu.Lock()
		applied, changed := l.applied, l.changed
		l.mu.Unlock()
		if applied > offset {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// write returns the offsets of the first and the last entry.
func (l *Log) write(ctx context.Context, entries ...replay.Entry) (first, last int64, err error) {
	records := make([]*kgo.Record, len(entries))
	for i, e := range entries {
		value, err := json.Marshal(e)
		if err != nil {
			return 0, 0, err
		}
		records[i] = &kgo.Record{Topic: l.topic, Key: fmt.Appendf(nil, "%s %016x-%d", e.ID, l.nonce, l.written.Add(1)), Value: value}
	}
	if err := l.writer.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return 0, 0, fmt.Errorf("write to %s: %w", l.topic, err)
	}
	return records[0].Offset, records[len(records)-1].Offset, nil
}

// Read calls f with the board, which f must not keep.
func (l *Log) Read(f func(*replay.Board)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.board)
}

// Changed returns a channel that is closed with the next entry.
func (l *Log) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// Compact rewrites the board and deletes everything before it, once the log is long. Only the leader may call it. If another instance
// writes before or in between, Compact deletes nothing: an instance that reads from there on would miss that entry, or see it before the
// entry of its job.
func (l *Log) Compact(ctx context.Context) error {
	var entries []replay.Entry
	l.mu.Lock()
	applied, length := l.applied, l.applied-l.start
	if length >= compactAfter {
		for _, j := range l.board.Jobs() {
			whole := *j
			whole.History = slices.Clone(j.History) // The board changes while it is written.
			entries = append(entries, replay.Entry{ID: j.Spec.ID, At: time.Now().UTC(), Job: &whole})
		}
		l.start = applied - compactAfter + againAfter // if this fails
	}
	l.mu.Unlock()
	if length < compactAfter {
		return nil
	}
	trim := applied - 1 // One record stays, because in an embedded Kafka the partition would start at 0 again.
	if len(entries) > 0 {
		first, last, err := l.write(ctx, entries...)
		if err != nil || first != applied || last != first+int64(len(entries))-1 {
			return err
		}
		trim = first
	}
	offsets := kadm.Offsets{}
	offsets.AddOffset(l.topic, 0, trim, -1)
	deleted, err := kadm.NewClient(l.admin).DeleteRecords(ctx, offsets)
	if err == nil {
		err = deleted.Error()
	}
	if err == nil {
		l.mu.Lock()
		l.start = trim
		l.mu.Unlock()
	}
	return err
}

// Close stops following.
func (l *Log) Close() {
	l.stop()
	l.wg.Wait()
	l.writer.Close()
}

// Lead takes part in the election of the leader called name until ctx ends. It calls lead with a context that ends when another instance
// becomes leader; lead must return soon after.
func (l *Log) Lead(ctx context.Context, name string, lead func(context.Context)) error {
	var (
		mu   sync.Mutex
		end  context.CancelFunc
		gone chan struct{}
	)
	begin := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
		mu.Lock()
		defer mu.Unlock()
		if end != nil || len(partitions[l.topic]) == 0 { // A member without an assignment is notified too.
			return
		}
		leading, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		end, gone = cancel, done
		go func() {
			defer close(done)
			lead(leading)
		}()
	}
	stop := func() {
		mu.Lock()
		cancel, done := end, gone
		end = nil
		mu.Unlock()
		if cancel != nil {
			cancel()
			<-done
		}
	}
	lose := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
		if len(partitions[l.topic]) > 0 {
			stop()
		}
	}
	member, err := kgo.NewClient(append(slices.Clip(l.admin.Opts()), kgo.ConsumerGroup(name), kgo.ConsumeTopics(l.topic),
		kgo.SessionTimeout(session), kgo.HeartbeatInterval(session/4), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(begin), kgo.OnPartitionsRevoked(lose), kgo.OnPartitionsLost(lose))...)
	if err != nil {
		return err
	}
	member.PauseFetchTopics(l.topic)
	l.setMember(member, name)
	defer l.setMember(nil, "")
	group.Drain(ctx, member, nil)
	stop()
	member.Close()
	return nil
}

func (l *Log) setMember(member *kgo.Client, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.member, l.name = member, name
}

// Confirm checks with the brokers whether the caller is still the leader. No other instance becomes leader before until. After an error
// another one may be.
func (l *Log) Confirm(ctx context.Context) (until time.Time, err error) {
	l.mu.Lock()
	member, name := l.member, l.name
	l.mu.Unlock()
	if member == nil {
		return until, errNotLeading
	}
	ctx, cancel := context.WithTimeout(ctx, session/2)
	defer cancel()
	until = time.Now().Add(session / 2) // Taken before the heartbeat, from which brokers count the session.
	if err := group.Confirm(ctx, member, name, ""); err != nil {
		return until, fmt.Errorf("%w: %w", errNotLeading, err)
	}
	return until, ctx.Err()
}

var errNotLeading = errors.New("another instance may be the leader now")

// DeleteTopic deletes a topic and returns when client admin, which caches topics for a while, knows that it is gone: a caller that creates
// the topic again would otherwise find the old one. A missing topic is not an error.
func DeleteTopic(ctx context.Context, admin *kgo.Client, topic string) error {
	adm := kadm.NewClient(admin)
	deleted, err := adm.DeleteTopics(ctx, topic)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return err
	}
	for {
		known, err := adm.ListTopics(ctx, topic)
		if err != nil || !known.Has(topic) {
			return err
		}
		if err := worker.Wait(ctx, metadataWait); err != nil {
			return err
		}
	}
}
