package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/semaphore"

	"github.com/penstockhq/penstock/internal/journal/cluster/internal/rounds"
)

// maxLinger is how long a record waits for requests in flight, at most: a broker that does not answer delays the others no longer than this.
const maxLinger = 10 * time.Millisecond

// metadataAge is the least time between two requests for metadata. After a leader has moved, or a topic was deleted, clients wait for the next one: 5 s by
// default, twice if the first came too early.
const metadataAge = 250 * time.Millisecond

const (
	// batchBytes bounds the plain records that share a batch.
	batchBytes = 1 << 20
	// framing is reserved of that for headers.
	framing = 16 << 10
)

// ErrBusy says that the limit of bytes waiting for Kafka is reached.
var ErrBusy = errors.New("too many records are waiting for Kafka")

// Producer writes records and waits until all in-sync replicas have them. It is safe for concurrent use.
//
// Records that are written while no request is in flight are sent at once; records that are written during a request share the next requests, one
// for each broker. A produce request costs the brokers, leader and followers, more than the records in it.
//
// Memory: the records in flight, at most inFlight bytes; and the client's own, about 1 MiB a broker.
type Producer struct {
	client *kgo.Client // plain records
	large  *kgo.Client // records above batchBytes, one at a time, and dead letters
	batch  int         // bytes of key and value up to which a record is plain
	room   *semaphore.Weighted
	bytes  int64
	used   atomic.Int64
	rounds *rounds.Rounds
}

// NewProducer returns a producer with options opts that lets at most inFlight bytes of keys and values wait for Kafka. maxMessage is the topic's
// max.message.bytes. Records go to their Partition; if that is -1, to the partition that Kafka's default hash of the key selects among those that
// partitions has for the topic, even if it has got more since: a series that moves would begin anew, and nobody follows the new ones. Topics that are not in
// it use all.
func NewProducer(opts []kgo.Opt, inFlight int64, maxMessage int32, partitions map[string]int32) (*Producer, error) {
	opts = slices.Clip(slices.Concat([]kgo.Opt{kgo.ProducerLinger(maxLinger), kgo.MetadataMinAge(metadataAge)}, opts, []kgo.Opt{
		kgo.RecordPartitioner(byKey{kgo.StickyKeyPartitioner(nil), partitions}),
		// The lowest level: a few percent larger, and half of the time.
		kgo.ProducerBatchCompression(kgo.ZstdCompression().WithLevel(1), kgo.NoCompression()),
		kgo.MaxBufferedRecords(1 << 30)})) // here the bound is in bytes
	batch := min(maxMessage, batchBytes)
	client, err := kgo.NewClient(append(opts, kgo.ProducerBatchMaxBytes(batch))...)
	if err != nil {
		return nil, err
	}
	large, err := kgo.NewClient(append(opts, kgo.ProducerLinger(0), kgo.ProducerBatchMaxBytes(DeadLetterBytes))...)
	if err != nil {
		client.Close()
		return nil, err
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	// A flush that does not wait ends the lingering of all buffered records.
	all := rounds.New(func() { _ = client.Flush(ended) })
	return &Producer{client: client, large: large, batch: int(batch) - framing, room: semaphore.NewWeighted(inFlight), bytes: inFlight, rounds: all}, nil
}

// Write writes records and returns when each is written or has failed. failed names the records that can never be written, because they are too
// large for the brokers; err, if any, is about others, which may or may not have been written. [ErrBusy] means that no write was tried.
func (p *Producer) Write(ctx context.Context, records []*kgo.Record) (failed []*kgo.Record, err error) {
	size := int64(0)
	for _, r := range records {
		size += int64(len(r.Key) + len(r.Value))
	}
	size = min(size, p.bytes)
	if !p.room.TryAcquire(size) {
		return nil, ErrBusy
	}
	p.used.Add(size)
	var place rounds.Writer
	w := send(ctx, p.clientFor, records, func() {
		p.rounds.Leave(&place)
		p.room.Release(size)
		p.used.Add(-size)
	})
	p.rounds.Join(&place)
	if err := w.wait(ctx); err != nil {
		return nil, fmt.Errorf("write %d records: %w", len(records), err)
	}
	for i, r := range records {
		switch e := w.errs[i]; {
		case e == nil:
		case errors.Is(e, kerr.MessageTooLarge):
			failed = append(failed, r)
		case err == nil:
			err = fmt.Errorf("write to %s: %w", r.Topic, e)
		}
	}
	return failed, err
}

// WriteLarge writes records of up to DeadLetterBytes and waits. After an error because their topic was deleted, the next call finds the one that was created
// instead.
func (p *Producer) WriteLarge(ctx context.Context, records ...*kgo.Record) error {
	w := send(ctx, func(*kgo.Record) *kgo.Client { return p.large }, records, func() {})
	err := w.wait(ctx)
	if err == nil {
		for i, e := range w.errs {
			err = errors.Join(err, e)
			if errors.Is(e, kerr.UnknownTopicID) {
				p.large.PurgeTopicsFromProducing(records[i].Topic)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("write dead letters: %w", err)
	}
	return nil
}

// clientFor returns the client that writes r. Batches of large records would delay the others.
func (p *Producer) clientFor(r *kgo.Record) *kgo.Client {
	if len(r.Key)+len(r.Value) > p.batch {
		return p.large
	}
	return p.client
}

// written is records in flight. errs are their errors, once all are done.
type written struct {
	done chan struct{}
	errs []error
}

// send starts to write records, and calls release when the client is done with the last.
func send(ctx context.Context, client func(*kgo.Record) *kgo.Client, records []*kgo.Record, release func()) *written {
	w := &written{done: make(chan struct{}), errs: make([]error, len(records))}
	var left atomic.Int64
	left.Store(int64(len(records)))
	for i, r := range records {
		client(r).Produce(ctx, r, func(_ *kgo.Record, err error) {
			w.errs[i] = err
			if left.Add(-1) == 0 {
				release()
				close(w.done)
			}
		})
	}
	if len(records) == 0 {
		release()
		close(w.done)
	}
	return w
}

// wait returns when all records are done, or with ctx's error. The client does not abandon records that brokers may already have, so it can
// continue for longer than ctx: without in-sync replicas, until they are back.
func (w *written) wait(ctx context.Context) error {
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// InFlight returns how many bytes are waiting for Kafka.
func (p *Producer) InFlight() int64 { return p.used.Load() }

// Client returns the client of p, for requests to brokers.
func (p *Producer) Client() *kgo.Client { return p.client }

// Close abandons the records in flight.
func (p *Producer) Close() {
	p.client.Close()
	p.large.Close()
}

// byKey uses a record's partition if it has one.
type byKey struct {
	kgo.Partitioner
	partitions map[string]int32 // by topic
}

func (b byKey) ForTopic(topic string) kgo.TopicPartitioner {
	return byKeyOf{b.Partitioner.ForTopic(topic), int(b.partitions[topic])}
}

type byKeyOf struct {
	kgo.TopicPartitioner
	most int // partitions to use; 0: all
}

// RequiresConsistency is always true: a partition that is down must not divert a series to another one.
func (byKeyOf) RequiresConsistency(*kgo.Record) bool { return true }

func (b byKeyOf) Partition(r *kgo.Record, n int) int {
	if r.Partition >= 0 {
		return int(r.Partition)
	}
	if b.most > 0 {
		n = min(n, b.most)
	}
	return b.TopicPartitioner.Partition(r, n)
}
