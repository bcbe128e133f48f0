package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Sizes and positions in a record batch of the Kafka log format, version 2
// (https://kafka.apache.org/documentation/#recordbatch), in bytes.
const (
	batchPrefix     = 12 // first offset (8), length of what follows (4)
	batchHeader     = 61 // the fixed part, prefix included
	batchMagicAt    = 16
	batchCRCAt      = 17
	batchCRCFrom    = 21 // the checksum covers everything from here on
	maxBatchBytes   = 1 << 30
	attrTransaction = 1 << 4
	attrControl     = 1 << 5
)

// indexEntryBytes is the size of one entry of kfake's index file:
// version (1), checksum (1), epoch (4), largest earlier time (8), flags (1).
const indexEntryBytes = 15

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errTorn says that a batch is incomplete or fails its checksum.
var errTorn = errors.New("incomplete or damaged record batch")

// batch is what the repair needs to know of one record batch.
type batch struct {
	first, last int64 // offsets
	epoch       int32 // partition leader epoch
	producer    int64
	prodEpoch   int16
	attrs       int16
	maxTime     int64 // milliseconds since 1970
	size        int   // bytes in the file
	commit      bool  // of a control batch: whether it commits
}

func (b batch) control() bool { return b.attrs&attrControl != 0 }

// open reports whether b is data of a transaction: invisible to
// read-committed consumers until a control batch commits it.
func (b batch) open() bool { return b.attrs&attrTransaction != 0 && !b.control() }

// readBatch decodes the batch that raw starts with, or returns errTorn.
func readBatch(raw []byte) (batch, error) {
	if len(raw) < batchHeader {
		return batch{}, errTorn
	}
	length := int(binary.BigEndian.Uint32(raw[8:12]))
	if length < batchHeader-batchPrefix || length > maxBatchBytes || batchPrefix+length > len(raw) || raw[batchMagicAt] != 2 {
		return batch{}, errTorn
	}
	raw = raw[:batchPrefix+length]
	if crc32.Checksum(raw[batchCRCFrom:], castagnoli) != binary.BigEndian.Uint32(raw[batchCRCAt:]) {
		return batch{}, errTorn
	}
	var rb kmsg.RecordBatch
	if err := rb.ReadFrom(raw); err != nil {
		return batch{}, fmt.Errorf("%w: %w", errTorn, err)
	}
	b := batch{
		first: rb.FirstOffset, last: rb.FirstOffset + int64(rb.LastOffsetDelta), epoch: rb.PartitionLeaderEpoch,
		producer: rb.ProducerID, prodEpoch: rb.ProducerEpoch, attrs: rb.Attributes, maxTime: rb.MaxTimestamp, size: len(raw),
	}
	if b.control() {
		var rec kmsg.Record
		var key kmsg.ControlRecordKey
		if err := rec.ReadFrom(rb.Records); err == nil && key.ReadFrom(rec.Key) == nil {
			b.commit = key.Type == kmsg.ControlRecordKeyTypeCommit
		}
	}
	return b, nil
}

// readBatches decodes batches until the end of raw or the first damage, and
// returns how many bytes were sound.
func readBatches(raw []byte) (batches []batch, sound int) {
	for sound < len(raw) {
		b, err := readBatch(raw[sound:])
		if err != nil {
			break
		}
		batches = append(batches, b)
		sound += b.size
	}
	return batches, sound
}

// soundBatchBehind reports whether any complete batch begins after the first
// byte of raw: then the damage in front of it is no torn write, because
// nothing is ever written behind one. It tries every position and so takes
// time proportional to raw, which is at most a segment.
func soundBatchBehind(raw []byte) bool {
	for i := 1; i+batchHeader <= len(raw); i++ {
		if raw[i+batchMagicAt] != 2 {
			continue
		}
		if _, err := readBatch(raw[i:]); err == nil {
			return true
		}
	}
	return false
}

// abortMarker encodes the control batch that aborts what the producer of open
// has written, to stand at offset at.
func abortMarker(open batch, at int64, epoch int32, now int64) []byte {
	key := kmsg.ControlRecordKey{Type: kmsg.ControlRecordKeyTypeAbort}
	marker := kmsg.EndTxnMarker{}
	rec := kmsg.Record{Key: key.AppendTo(nil), Value: marker.AppendTo(nil)}
	rec.Length = int32(len(rec.AppendTo(nil)) - 1) // the length's own varint is one byte here
	rb := kmsg.RecordBatch{
		FirstOffset: at, PartitionLeaderEpoch: epoch, Magic: 2, Attributes: attrTransaction | attrControl,
		FirstTimestamp: now, MaxTimestamp: now, ProducerID: open.producer, ProducerEpoch: open.prodEpoch,
		FirstSequence: -1, NumRecords: 1, Records: rec.AppendTo(nil),
	}
	raw := rb.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-batchPrefix))
	binary.BigEndian.PutUint32(raw[batchCRCAt:], crc32.Checksum(raw[batchCRCFrom:], castagnoli))
	return raw
}

// indexOf encodes kfake's index for batches. Everything in it can be derived
// from the batches but the largest earlier time, which kfake itself ignores
// on load.
func indexOf(batches []batch) []byte {
	out := make([]byte, 0, len(batches)*indexEntryBytes)
	earlier := int64(-1)
	for i, b := range batches {
		if i == 0 || b.maxTime > earlier {
			earlier = b.maxTime
		}
		var e [indexEntryBytes]byte
		e[0] = 1
		binary.LittleEndian.PutUint32(e[2:], uint32(b.epoch))
		binary.LittleEndian.PutUint64(e[6:], uint64(earlier))
		if b.open() {
			e[14] = 1
		}
		e[1] = byte(crc32.Checksum(e[2:], castagnoli))
		out = append(out, e[:]...)
	}
	return out
}
