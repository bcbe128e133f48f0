package broker

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
)

// maxFetchBytes bounds an answer, whatever the client requests.
const maxFetchBytes = 32 << 20

const (
	timeLatest   = -1
	timeEarliest = -2
	timeMax      = -3
)

// fetch answers when there is enough to read, or when the client's maximum wait is over.
func (b *Broker) fetch(r *request, q *kmsg.FetchRequest) kmsg.Response {
	if q.SessionID != 0 && q.SessionEpoch > 0 { // The broker has no fetch sessions: its answers have id 0.
		resp := q.ResponseKind().(*kmsg.FetchResponse)
		resp.ErrorCode = kerr.FetchSessionIDNotFound.Code
		return resp
	}
	more := make(chan struct{}, 1)
	for i := range q.Topics {
		for j := range q.Topics[i].Partitions {
			if p := b.partition(q.Topics[i].Topic, q.Topics[i].Partitions[j].Partition); p != nil {
				defer p.log.Watch(more)()
			}
		}
	}
	timer := time.NewTimer(time.Duration(max(0, q.MaxWaitMillis)) * time.Millisecond)
	defer timer.Stop()
	for {
		resp, enough := b.fetchOnce(q)
		if enough || r.ctx.Err() != nil {
			return resp
		}
		select {
		case <-more:
		case <-timer.C:
			resp, _ := b.fetchOnce(q)
			return resp
		case <-r.ctx.Done():
			return resp
		}
	}
}

// fetchOnce reads the records that exist now; enough means that the answer need not wait.
func (b *Broker) fetchOnce(q *kmsg.FetchRequest) (resp *kmsg.FetchResponse, enough bool) {
	resp = q.ResponseKind().(*kmsg.FetchResponse)
	left := int(min(max(0, q.MaxBytes), maxFetchBytes))
	if q.Version < 3 {
		left = maxFetchBytes
	}
	bytes := 0
	for i := range q.Topics {
		t := kmsg.NewFetchResponseTopic()
		t.Topic = q.Topics[i].Topic
		for j := range q.Topics[i].Partitions {
			p := b.fetchPartition(t.Topic, &q.Topics[i].Partitions[j], q.IsolationLevel == 1, left-bytes, bytes == 0)
			bytes += len(p.RecordBatches)
			enough = enough || p.ErrorCode != 0
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp, enough || bytes > 0 && bytes >= int(q.MinBytes) || len(q.Topics) == 0
}

// fetchPartition reads at most left bytes from one partition, but always one batch if it is the first of the answer.
func (b *Broker) fetchPartition(topic string, q *kmsg.FetchRequestTopicPartition, committed bool, left int, first bool) kmsg.FetchResponseTopicPartition {
	out := kmsg.NewFetchResponseTopicPartition()
	out.Partition, out.HighWatermark, out.LastStableOffset, out.LogStartOffset = q.Partition, -1, -1, -1
	p := b.partition(topic, q.Partition)
	if p == nil {
		out.ErrorCode = kerr.UnknownTopicOrPartition.Code
		return out
	}
	if epoch := p.log.Epoch(); q.CurrentLeaderEpoch > epoch {
		out.ErrorCode = kerr.UnknownLeaderEpoch.Code
		return out
	}
	if left <= 0 && !first {
		start, stable, end := p.log.Range()
		out.HighWatermark, out.LastStableOffset, out.LogStartOffset = end, stable, start
		return out
	}
	read, err := p.log.Read(q.FetchOffset, min(left, int(max(0, q.PartitionMaxBytes))), committed)
	out.HighWatermark, out.LastStableOffset, out.LogStartOffset = read.End, read.Stable, read.Start
	switch {
	case errors.Is(err, commitlog.ErrOutOfRange):
		out.ErrorCode = kerr.OffsetOutOfRange.Code
		return out
	case err != nil:
		b.problem(err)
		out.ErrorCode = kerr.KafkaStorageError.Code
		return out
	}
	out.RecordBatches = read.Batches
	for _, a := range read.Aborted {
		x := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
		x.ProducerID, x.FirstOffset = a.Producer, a.First
		out.AbortedTransactions = append(out.AbortedTransactions, x)
	}
	return out
}

// listOffsets returns the offsets of times, and the ends of partitions.
func (b *Broker) listOffsets(q *kmsg.ListOffsetsRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.ListOffsetsResponse)
	for _, t := range q.Topics {
		rt := kmsg.NewListOffsetsResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			out := kmsg.NewListOffsetsResponseTopicPartition()
			out.Partition, out.Offset, out.Timestamp, out.LeaderEpoch = p.Partition, -1, -1, -1
			if part := b.partition(t.Topic, p.Partition); part == nil {
				out.ErrorCode = kerr.UnknownTopicOrPartition.Code
			} else if err := listOffset(part.log, p.Timestamp, q.IsolationLevel == 1, &out); err != nil {
				b.problem(err)
				out.ErrorCode = kerr.KafkaStorageError.Code
			}
			rt.Partitions = append(rt.Partitions, out)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func listOffset(log *commitlog.Partition, millis int64, committed bool, out *kmsg.ListOffsetsResponseTopicPartition) error {
	start, stable, end := log.Range()
	out.LeaderEpoch = log.Epoch()
	switch {
	case millis == timeEarliest || millis == -4: // -4: the earliest offset on the local disk; here all records are local
		out.Offset = start
		return nil
	case millis == timeLatest:
		out.Offset = end
		if committed {
			out.Offset = stable
		}
		return nil
	case millis == timeMax:
		latest, _, ok, err := log.Latest()
		if err != nil || !ok {
			return err
		}
		millis = latest
	case millis < 0:
		return nil
	}
	limit := end
	if committed {
		limit = stable
	}
	at, time, ok, err := since(log, millis, limit)
	if ok {
		out.Offset, out.Timestamp = at, time
	}
	return err
}

// since returns the first record that is not older than millis, below limit.
func since(log *commitlog.Partition, millis, limit int64) (offset, time int64, ok bool, err error) {
	at, ok, err := log.Since(millis)
	if err != nil || !ok || at >= limit {
		return 0, 0, false, err
	}
	read, err := log.Read(at, 1, false)
	if err != nil || len(read.Batches) == 0 {
		return 0, 0, false, err
	}
	b, err := commitlog.Parse(read.Batches)
	if err != nil {
		return 0, 0, false, err
	}
	records, err := recordsOf(read.Batches[:b.Size])
	if err != nil { // This batch can't be decoded here, so its start is the best answer.
		return max(b.First, at), b.FirstTime, true, nil
	}
	for _, r := range records {
		if t := b.FirstTime + r.TimestampDelta64; t >= millis && b.First+int64(r.OffsetDelta) >= at {
			return b.First + int64(r.OffsetDelta), t, true, nil
		}
	}
	return max(b.First, at), b.FirstTime, true, nil
}

// recordsOf decodes the records of a batch.
func recordsOf(raw []byte) ([]kmsg.Record, error) {
	var batch kmsg.RecordBatch
	if err := batch.ReadFrom(raw); err != nil {
		return nil, err
	}
	body := batch.Records
	if codec := batch.Attributes & 7; codec != 0 {
		var err error
		if body, err = kgo.DefaultDecompressor().Decompress(body, kgo.CompressionCodecType(codec)); err != nil {
			return nil, err
		}
	}
	var out []kmsg.Record
	for len(body) > 0 {
		length, used := binary.Varint(body)
		if used <= 0 || length < 0 || length > int64(len(body)-used) {
			return nil, commitlog.ErrBatch
		}
		var r kmsg.Record
		if err := r.ReadFrom(body[:used+int(length)]); err != nil {
			return nil, err
		}
		out = append(out, r)
		body = body[used+int(length):]
	}
	return out, nil
}

// offsetForLeaderEpoch tells clients where the log was cut off.
func (b *Broker) offsetForLeaderEpoch(q *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	for _, t := range q.Topics {
		rt := kmsg.NewOffsetForLeaderEpochResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			out := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			out.Partition, out.LeaderEpoch, out.EndOffset = p.Partition, -1, -1
			if part := b.partition(t.Topic, p.Partition); part == nil {
				out.ErrorCode = kerr.UnknownTopicOrPartition.Code
			} else {
				out.LeaderEpoch, out.EndOffset = part.log.EpochEnd(p.LeaderEpoch)
			}
			rt.Partitions = append(rt.Partitions, out)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}
