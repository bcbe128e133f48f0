package broker

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/ledger"
)

const (
	maxTransactionTimeout = 15 * time.Minute
	maxTransactionalIDs   = 10_000
)

// keep writes a transaction to the ledger and stores it. The caller holds b.ending.
func (b *Broker) keep(x ledger.Transaction) error {
	if err := b.ledger.Write(ledger.Change{Transaction: &x}); err != nil {
		return err
	}
	b.transactions[x.ID] = &x
	return nil
}

// errorOf translates an error of the ledger or of a log for a client that will retry.
func (b *Broker) errorOf(err error) int16 {
	var known *kerr.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &known):
		return known.Code
	}
	b.problem(err)
	return kerr.CoordinatorNotAvailable.Code
}

func (b *Broker) initProducerID(q *kmsg.InitProducerIDRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.InitProducerIDResponse)
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	var err error
	if q.TransactionalID == nil {
		if resp.ProducerID, err = b.producers.take(); err == nil {
			resp.ProducerEpoch = 0
		}
	} else {
		resp.ProducerID, resp.ProducerEpoch, err = b.fence(q)
	}
	if resp.ErrorCode = b.errorOf(err); err != nil {
		resp.ProducerID, resp.ProducerEpoch = -1, -1
	}
	return resp
}

// fence begins a new epoch of a transactional id: it aborts the last owner's transaction, and from now on the broker refuses that owner.
func (b *Broker) fence(q *kmsg.InitProducerIDRequest) (producer int64, epoch int16, err error) {
	id := *q.TransactionalID
	timeout := time.Duration(q.TransactionTimeoutMillis) * time.Millisecond
	if id == "" || timeout <= 0 || timeout > maxTransactionTimeout {
		return 0, 0, kerr.InvalidTransactionTimeout
	}
	b.ending.Lock()
	defer b.ending.Unlock()
	have := b.transactions[id]
	if have == nil {
		if len(b.transactions) >= maxTransactionalIDs {
			return 0, 0, kerr.PolicyViolation
		}
		if producer, err = b.producers.take(); err != nil {
			return 0, 0, err
		}
		x := ledger.Transaction{ID: id, Producer: producer, Timeout: q.TransactionTimeoutMillis, Began: time.Now().UnixMilli()}
		return producer, 0, b.keep(x)
	}
	if q.ProducerID >= 0 {
		if err := checkProducer(have, q.ProducerID, q.ProducerEpoch); err != nil {
			return 0, 0, err
		}
	}
	next := *have
	next.Timeout = q.TransactionTimeoutMillis
	if next, err = b.bump(next); err != nil {
		return 0, 0, err
	}
	next.Began = time.Now().UnixMilli()
	return next.Producer, next.Epoch, b.keep(next)
}

// bump ends the ongoing transaction, if there is one, and raises the epoch. The caller holds b.ending.
func (b *Broker) bump(x ledger.Transaction) (ledger.Transaction, error) {
	x.Epoch++
	if x.State == ledger.Ongoing {
		x.State = ledger.Abort
	}
	if x.State == ledger.Commit || x.State == ledger.Abort {
		if err := b.keep(x); err != nil { // From here on the broker refuses the old owner.
			return x, err
		}
		done, err := b.end(x)
		if err != nil {
			return x, err
		}
		x = done
	}
	x.State, x.Partitions, x.Offsets = ledger.Empty, nil, nil
	if x.Epoch >= math.MaxInt16-1 {
		producer, err := b.producers.take()
		if err != nil {
			return x, err
		}
		x.Producer, x.Epoch = producer, 0
	}
	return x, nil
}

// end writes the end markers of a decided transaction to all its partitions, and then records that they are written. The caller holds b.ending.
func (b *Broker) end(x ledger.Transaction) (ledger.Transaction, error) {
	var tickets []*commitlog.Ticket
	now := time.Now().UnixMilli()
	for _, name := range x.Partitions {
		p := b.partition(name.Topic, name.Index)
		if p == nil {
			continue // topic deleted meanwhile
		}
		raw := commitlog.Marker(x.Producer, x.Epoch, x.State == ledger.Commit, now)
		batch, err := commitlog.Parse(raw)
		if err != nil {
			return x, err
		}
		tickets = append(tickets, p.append(raw, batch))
	}
	for _, t := range tickets {
		select {
		case <-t.Done():
		case <-b.ctx.Done():
			return x, kerr.CoordinatorNotAvailable
		}
		if t.Err != nil {
			return x, fmt.Errorf("end the transaction of %s: %w", x.ID, t.Err)
		}
	}
	var changes []ledger.Change
	if x.State == ledger.Commit {
		for group, offsets := range x.Offsets {
			changes = append(changes, ledger.Change{Group: group, Offsets: offsets})
		}
		x.State = ledger.Committed
	} else {
		x.State = ledger.Aborted
	}
	x.Partitions, x.Offsets = nil, nil
	changes = append(changes, ledger.Change{Transaction: &x})
	if err := b.ledger.Write(changes...); err != nil {
		return x, err
	}
	b.transactions[x.ID] = &x
	return x, nil
}

// begin adds partitions to the ongoing transaction, or begins one.
func (b *Broker) begin(id string, producer int64, epoch int16, how func(*ledger.Transaction)) error {
	b.ending.Lock()
	defer b.ending.Unlock()
	have := b.transactions[id]
	if err := checkProducer(have, producer, epoch); err != nil {
		return err
	}
	if have.State == ledger.Commit || have.State == ledger.Abort {
		return kerr.ConcurrentTransactions
	}
	next := *have
	if next.State != ledger.Ongoing {
		next.State, next.Partitions, next.Offsets, next.Began = ledger.Ongoing, nil, nil, time.Now().UnixMilli()
	}
	next.Partitions = slices.Clone(next.Partitions)
	how(&next)
	if have.State == ledger.Ongoing && len(next.Partitions) == len(have.Partitions) && next.Offsets == nil {
		return nil // The partitions are already in the transaction.
	}
	return b.keep(next)
}

func (b *Broker) addPartitions(q *kmsg.AddPartitionsToTxnRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
	unknown := false
	for _, t := range q.Topics {
		for _, p := range t.Partitions {
			unknown = unknown || b.partition(t.Topic, p) == nil
		}
	}
	code := kerr.OperationNotAttempted.Code
	if !unknown {
		code = b.errorOf(b.begin(q.TransactionalID, q.ProducerID, q.ProducerEpoch, func(x *ledger.Transaction) {
			for _, t := range q.Topics {
				for _, index := range t.Partitions {
					if p := (ledger.Partition{Topic: t.Topic, Index: index}); !has(x, p) {
						x.Partitions = append(x.Partitions, p)
					}
				}
			}
		}))
	}
	for _, t := range q.Topics {
		rt := kmsg.NewAddPartitionsToTxnResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			out := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
			out.Partition, out.ErrorCode = p, code
			if unknown && b.partition(t.Topic, p) == nil {
				out.ErrorCode = kerr.UnknownTopicOrPartition.Code
			}
			rt.Partitions = append(rt.Partitions, out)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (b *Broker) addOffsets(q *kmsg.AddOffsetsToTxnRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.AddOffsetsToTxnResponse)
	resp.ErrorCode = b.errorOf(b.begin(q.TransactionalID, q.ProducerID, q.ProducerEpoch, func(*ledger.Transaction) {}))
	return resp
}

func (b *Broker) endTransaction(q *kmsg.EndTxnRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.EndTxnResponse)
	b.ending.Lock()
	defer b.ending.Unlock()
	have := b.transactions[q.TransactionalID]
	if err := checkProducer(have, q.ProducerID, q.ProducerEpoch); err != nil {
		resp.ErrorCode = err.Code
		return resp
	}
	decided, done := ledger.Abort, ledger.Aborted
	if q.Commit {
		decided, done = ledger.Commit, ledger.Committed
	}
	next := *have
	switch have.State {
	case done: // The client repeats its request.
		return resp
	case decided:
	case ledger.Ongoing:
		next.State = decided
		if err := b.keep(next); err != nil {
			resp.ErrorCode = b.errorOf(err)
			return resp
		}
	default:
		resp.ErrorCode = kerr.InvalidTxnState.Code
		return resp
	}
	_, err := b.end(next)
	resp.ErrorCode = b.errorOf(err)
	return resp
}

// expireTransactions aborts transactions that exceed their timeout, and ends decided transactions whose end failed.
func (b *Broker) expireTransactions(now time.Time) (err error) {
	b.ending.Lock()
	defer b.ending.Unlock()
	for _, x := range b.transactions {
		late := now.UnixMilli()-x.Began > int64(x.Timeout)
		switch {
		case x.State == ledger.Ongoing && late:
			next := *x
			next.Epoch++ // The owner is refused from now on.
			next.State = ledger.Abort
			e := b.keep(next)
			if e == nil {
				_, e = b.end(next)
			}
			err = errors.Join(err, e)
		case x.State == ledger.Commit || x.State == ledger.Abort:
			_, e := b.end(*x)
			err = errors.Join(err, e)
		}
	}
	return err
}

// settleTransactions ends the transactions that were decided when the last process ended. It also ends every transaction that is open in a log and
// that the ledger does not know as ongoing: its end, or its entry, is lost.
func (b *Broker) settleTransactions() error {
	b.ending.Lock()
	defer b.ending.Unlock()
	for _, x := range b.transactions {
		if x.State == ledger.Commit || x.State == ledger.Abort {
			if _, err := b.end(*x); err != nil {
				return err
			}
		}
	}
	byProducer := map[int64]*ledger.Transaction{}
	for _, x := range b.transactions {
		byProducer[x.Producer] = x
	}
	for _, t := range b.allTopics() {
		for i, p := range t.partitions {
			for _, open := range p.log.Open() {
				x := byProducer[open.Producer]
				if x != nil && x.State == ledger.Ongoing && has(x, ledger.Partition{Topic: t.Name, Index: int32(i)}) {
					continue
				}
				commits := x != nil && x.State == ledger.Committed && x.Epoch == open.Epoch
				if err := b.settle(p, open, commits); err != nil {
					return err
				}
				done := "aborted: how it ended is not known"
				if commits {
					done = "committed: its end was written before"
				}
				b.found(commitlog.Finding{Kind: commitlog.Rebuilt, File: b.partitionDirectory(t.Name, int32(i)),
					Done: fmt.Sprintf("the transaction of producer %d that begins at offset %d is %s", open.Producer, open.First, done)})
			}
		}
	}
	return nil
}

func (b *Broker) settle(p *partition, open commitlog.Open, commits bool) error {
	raw := commitlog.Marker(open.Producer, open.Epoch, commits, time.Now().UnixMilli())
	batch, err := commitlog.Parse(raw)
	if err != nil {
		return err
	}
	t := p.append(raw, batch)
	<-t.Done()
	return t.Err
}

func (b *Broker) commitInTransaction(q *kmsg.TxnOffsetCommitRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.TxnOffsetCommitResponse)
	var offsets []ledger.Offset
	for _, t := range q.Topics {
		for _, p := range t.Partitions {
			offsets = append(offsets, ledger.Offset{Partition: ledger.Partition{Topic: t.Topic, Index: p.Partition}, Offset: p.Offset, Epoch: p.LeaderEpoch, Metadata: p.Metadata})
		}
	}
	err := b.groups.mayCommit(q.Group, q.MemberID, q.InstanceID, q.Generation)
	if err == nil {
		err = b.begin(q.TransactionalID, q.ProducerID, q.ProducerEpoch, func(x *ledger.Transaction) {
			all := map[string][]ledger.Offset{}
			for group, have := range x.Offsets {
				all[group] = slices.Clone(have)
			}
			all[q.Group] = append(all[q.Group], offsets...)
			x.Offsets = all
		})
	}
	code := b.errorOf(err)
	for _, t := range q.Topics {
		rt := kmsg.NewTxnOffsetCommitResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			out := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			out.Partition, out.ErrorCode = p.Partition, code
			rt.Partitions = append(rt.Partitions, out)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}
