package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/group"
)

const (
	// transactionTimeout bounds a checkpoint; the broker aborts it then.
	transactionTimeout = time.Minute
	// trimAfter is how many bytes may be left untrimmed. A trim takes up to a second, until the broker has applied it on all replicas, and
	// the worker waits for it. A checkpoint counts for at least minCheckpoint, because a restore reads all untrimmed ones.
	trimAfter     = 1 << 20
	minCheckpoint = 32 << 10
)

var _ delivery.Store = (*Store)(nil)

// Store is a partition of a state topic. It is for one goroutine.
type Store struct {
	admin     *kgo.Client // shared; consumes nothing
	opts      []kgo.Opt
	topic     string
	partition int32
	owner     *kgo.Client // nil before Fence and after an error
	untrimmed int         // bytes, since the last trim

	group, journal string // see Follows
}

// NewStore returns the store of topic's partition. admin is shared; the caller closes it.
func NewStore(admin *kgo.Client, topic string, partition int32) *Store {
	return &Store{admin: admin, opts: admin.Opts(), topic: topic, partition: partition}
}

// Follows names the group whose offsets for the journal's topic follow the checkpoints. Without it Committed finds nothing.
func (s *Store) Follows(group, journal string) { s.group, s.journal = group, journal }

// Committed implements delivery.Store.
func (s *Store) Committed(ctx context.Context) (offset int64, ok bool, err error) {
	if s.group == "" {
		return 0, false, nil
	}
	offset, err = group.Committed(ctx, s.admin, s.group, s.journal, s.partition)
	return max(0, offset), err == nil && offset >= 0, err
}

// Close abandons requests in flight.
func (s *Store) Close() {
	if s.owner != nil {
		s.owner.Close()
		s.owner = nil
	}
}

// Fence starts a new epoch of the partition's transactional id: the brokers then refuse every client with an older one. A client that has
// had an error is never used again, because it could start a new epoch by itself.
func (s *Store) Fence(ctx context.Context) error {
	s.Close()
	owner, err := kgo.NewClient(append(s.opts[:len(s.opts):len(s.opts)],
		kgo.TransactionalID(fmt.Sprintf("%s-%d", s.topic, s.partition)), kgo.TransactionTimeout(transactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.ZstdCompression().WithLevel(1), kgo.NoCompression()))...)
	if err != nil {
		return err
	}
	if _, _, err := owner.ProducerID(ctx); err != nil {
		owner.Close()
		return err
	}
	s.owner = owner
	return nil
}

// Load implements delivery.Store.
func (s *Store) Load(ctx context.Context, each func(delivery.StateRecord) error) (empty bool, err error) {
	starts, err := kadm.NewClient(s.admin).ListStartOffsets(ctx, s.topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return false, err
	}
	start, _ := starts.Lookup(s.topic, s.partition)
	records := 0
	var failed error
	err = cluster.ReadAll(ctx, s.admin, s.topic, s.partition, func(r *kgo.Record) {
		records++
		if failed == nil {
			failed = each(delivery.StateRecord{Offset: r.Offset, Key: r.Key, Value: r.Value})
		}
	})
	return records == 0 && start.Offset == 0, errors.Join(err, failed)
}

// Save implements delivery.Store.
func (s *Store) Save(ctx context.Context, records []delivery.StateRecord) (int64, error) {
	if s.owner == nil {
		return 0, errors.New("the store has no owner yet: Fence must be called first")
	}
	first, err := s.save(ctx, records)
	if err == nil {
		return first, nil
	}
	s.Close()
	for _, fenced := range []error{kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.TransactionCoordinatorFenced} {
		if errors.Is(err, fenced) {
			return 0, fmt.Errorf("%w: %w", delivery.ErrFenced, err)
		}
	}
	return 0, err
}

func (s *Store) save(ctx context.Context, records []delivery.StateRecord) (int64, error) {
	if err := s.owner.BeginTransaction(); err != nil {
		return 0, err
	}
	out := make([]*kgo.Record, len(records))
	bytes := 0
	for i, r := range records {
		bytes += len(r.Key) + len(r.Value)
		out[i] = &kgo.Record{Topic: s.topic, Partition: s.partition, Key: r.Key, Value: r.Value}
	}
	if err := s.owner.ProduceSync(ctx, out...).FirstErr(); err != nil {
		return 0, err
	}
	s.untrimmed += max(bytes, minCheckpoint)
	return out[0].Offset, s.owner.EndTransaction(ctx, kgo.TryCommit)
}

// Trim implements delivery.Store. It postpones small trims.
func (s *Store) Trim(ctx context.Context, offset int64) error {
	if s.untrimmed < trimAfter {
		return nil
	}
	s.untrimmed = 0
	offsets := kadm.Offsets{}
	offsets.AddOffset(s.topic, s.partition, offset, -1)
	deleted, err := kadm.NewClient(s.admin).DeleteRecords(ctx, offsets)
	if err != nil {
		return err
	}
	return deleted.Error()
}
