package broker

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/ledger"
)

const (
	reasonFull = "embedded_kafka: the topic has used its share of max_size, or the disk is full, and the groups have not consumed enough for old records to be deleted"
	reasonDisk = "embedded_kafka: the disk failed; no record of this batch was kept"
)

// refusal is why the broker does not accept a batch.
type refusal struct {
	err  *kerr.Error
	text string
}

// produced is a batch that was enqueued or refused.
type produced struct {
	topic     int // index in the request, as is partition
	partition int
	ticket    *commitlog.Ticket
	refused   *refusal
}

// produce enqueues the batches of a request, and answers when they are on disk.
func (b *Broker) produce(r *request, q *kmsg.ProduceRequest) answer {
	room := b.room(q)
	var all []produced
	if q.TransactionID != nil {
		b.ending.RLock()
	}
	for i := range q.Topics {
		for j := range q.Topics[i].Partitions {
			out := produced{topic: i, partition: j}
			if room {
				out.ticket, out.refused = b.enqueue(q, q.Topics[i].Topic, &q.Topics[i].Partitions[j])
			} else {
				out.refused = &refusal{kerr.ThrottlingQuotaExceeded, reasonFull}
			}
			all = append(all, out)
		}
	}
	if q.TransactionID != nil {
		b.ending.RUnlock()
	}
	return func() kmsg.Response {
		resp := q.ResponseKind().(*kmsg.ProduceResponse)
		for _, p := range all {
			if p.partition == 0 {
				t := kmsg.NewProduceResponseTopic()
				t.Topic = q.Topics[p.topic].Topic
				resp.Topics = append(resp.Topics, t)
			}
			t := &resp.Topics[len(resp.Topics)-1]
			t.Partitions = append(t.Partitions, b.outcome(r, p, q.Topics[p.topic].Partitions[p.partition].Partition))
		}
		if q.Acks == 0 {
			return nil
		}
		return resp
	}
}

// outcome waits for a batch and returns its result.
func (b *Broker) outcome(r *request, p produced, partition int32) kmsg.ProduceResponseTopicPartition {
	out := kmsg.NewProduceResponseTopicPartition()
	out.Partition, out.BaseOffset = partition, -1
	refused := p.refused
	if refused == nil {
		select {
		case <-p.ticket.Done():
			refused = refusalOf(p.ticket.Err)
		case <-r.ctx.Done():
			refused = &refusal{kerr.RequestTimedOut, "embedded_kafka is stopping"}
		}
	}
	if refused != nil {
		out.ErrorCode = refused.err.Code
		if refused.text != "" {
			out.ErrorMessage = &refused.text
		}
		return out
	}
	out.BaseOffset = p.ticket.Offset
	return out
}

// refusalOf translates an error of the log into a refusal.
func refusalOf(err error) *refusal {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, commitlog.ErrOldEpoch):
		return &refusal{kerr.InvalidProducerEpoch, err.Error()}
	case errors.Is(err, commitlog.ErrOldDuplicate):
		return &refusal{kerr.DuplicateSequenceNumber, err.Error()}
	case errors.Is(err, commitlog.ErrOutOfOrder):
		return &refusal{kerr.OutOfOrderSequenceNumber, err.Error()}
	case errors.Is(err, commitlog.ErrClosed):
		return &refusal{kerr.NotLeaderForPartition, err.Error()}
	}
	return &refusal{kerr.KafkaStorageError, reasonDisk + ": " + err.Error()}
}

// enqueue checks a batch and puts it into its partition's queue. The caller holds b.ending for reading if there is a transactional id.
func (b *Broker) enqueue(q *kmsg.ProduceRequest, name string, p *kmsg.ProduceRequestTopicPartition) (*commitlog.Ticket, *refusal) {
	t := b.topic(name)
	if t == nil || p.Partition < 0 || int(p.Partition) >= len(t.partitions) {
		return nil, &refusal{kerr.UnknownTopicOrPartition, ""}
	}
	batch, err := commitlog.Parse(p.Records)
	switch {
	case err != nil:
		return nil, &refusal{kerr.CorruptMessage, err.Error()}
	case batch.Size != len(p.Records):
		return nil, &refusal{kerr.InvalidRecord, "more than one record batch for a partition"}
	case batch.Control():
		return nil, &refusal{kerr.InvalidRecord, "only the broker writes control batches"}
	case int64(batch.Records) != batch.Next-batch.First || batch.Producer >= 0 && batch.Sequence < 0:
		return nil, &refusal{kerr.InvalidRecord, fmt.Sprintf("%d records, offsets %d to %d", batch.Records, batch.First, batch.Next)}
	case int64(batch.Size) > t.number(configMaxMessage):
		return nil, &refusal{kerr.MessageTooLarge, fmt.Sprintf("%d bytes, but %s is %d", batch.Size, configMaxMessage, t.number(configMaxMessage))}
	}
	if refused := b.checkTransaction(q, ledger.Partition{Topic: name, Index: p.Partition}, batch); refused != nil {
		return nil, refused
	}
	return t.partitions[p.Partition].append(p.Records, batch), nil
}

// checkTransaction refuses a transactional batch without an ongoing transaction. The caller holds b.ending for reading.
func (b *Broker) checkTransaction(q *kmsg.ProduceRequest, p ledger.Partition, batch commitlog.Batch) *refusal {
	if !batch.Transactional() {
		return nil
	}
	if q.TransactionID == nil {
		return &refusal{kerr.InvalidTxnState, "a transactional batch without a transactional id"}
	}
	x := b.transactions[*q.TransactionID]
	if err := checkProducer(x, batch.Producer, batch.ProducerEpoch); err != nil {
		return &refusal{err, ""}
	}
	if x.State != ledger.Ongoing || !has(x, p) {
		return &refusal{kerr.InvalidTxnState, "the partition is not part of the transaction"}
	}
	return nil
}

// room reports whether there is space for a request's records, and reserves it. Transactions are consumers' checkpoints, which eventually free
// space, so they have a higher limit.
func (b *Broker) room(q *kmsg.ProduceRequest) bool {
	ok := !b.exhausted.Load()
	if q.TransactionID == nil {
		ok = !b.full.Load() && b.rooms.Load().take(q)
	}
	if !ok {
		return false
	}
	size := int64(0)
	for _, t := range q.Topics {
		for _, p := range t.Partitions {
			size += int64(len(p.Records))
		}
	}
	if b.bytes.Add(size) >= b.limit.Load() { // The next trim corrects the number.
		b.full.Store(true)
	}
	return true
}

// number returns a numeric configuration value of the topic, or its default.
func (t *topic) number(name string) int64 {
	if n, err := strconv.ParseInt(t.Configs[name], 10, 64); err == nil {
		return n
	}
	n, _ := strconv.ParseInt(configDefaults[name], 10, 64)
	return n
}
