package commitlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Positions and sizes in a record batch of the Kafka log format, version 2
// (https://kafka.apache.org/documentation/#recordbatch), in bytes.
const (
	batchPrefix = 12 // first offset (8), length of what follows (4)
	batchHeader = 61 // the fixed part, prefix included

	atLength     = 8
	atEpoch      = 12
	atMagic      = 16
	atCRC        = 17
	atAttributes = 21 // the checksum covers everything from here on
	atLastDelta  = 23
	atFirstTime  = 27
	atMaxTime    = 35
	atProducer   = 43
	atProdEpoch  = 51
	atSequence   = 53
	atRecords    = 57

	magic = 2

	attrTransaction = 1 << 4
	attrControl     = 1 << 5
)

// maxBatchBytes is more than any batch that a broker takes.
const maxBatchBytes = 64 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrBatch says that bytes are not a complete record batch of version 2, or fail its checksum.
var ErrBatch = errors.New("incomplete or damaged record batch")

// Batch is the header of a record batch.
type Batch struct {
	First, Next        int64 // offsets: of the first record, and after the last
	Epoch              int32 // of the partition's leader
	Attributes         int16
	FirstTime, MaxTime int64 // milliseconds since 1970
	Producer           int64 // -1: none
	ProducerEpoch      int16
	Sequence           int32 // of the first record; -1: none
	Records            int32
	Size               int  // bytes
	Commit             bool // for a control batch: whether it commits
}

// Transactional reports whether b belongs to a transaction.
func (b Batch) Transactional() bool { return b.Attributes&attrTransaction != 0 }

// Control reports whether b ends a transaction.
func (b Batch) Control() bool { return b.Attributes&attrControl != 0 }

// Parse reads the batch that raw begins with, and verifies its checksum.
func Parse(raw []byte) (Batch, error) {
	size, err := batchSize(raw)
	if err != nil {
		return Batch{}, err
	}
	if size > len(raw) {
		return Batch{}, fmt.Errorf("%w: %d of %d bytes", ErrBatch, len(raw), size)
	}
	raw = raw[:size]
	if sum := crc32.Checksum(raw[atAttributes:], castagnoli); sum != binary.BigEndian.Uint32(raw[atCRC:]) {
		return Batch{}, fmt.Errorf("%w: checksum %08x, not %08x", ErrBatch, sum, binary.BigEndian.Uint32(raw[atCRC:]))
	}
	delta := int64(int32(binary.BigEndian.Uint32(raw[atLastDelta:])))
	b := Batch{
		First: int64(binary.BigEndian.Uint64(raw)), Epoch: int32(binary.BigEndian.Uint32(raw[atEpoch:])),
		Attributes: int16(binary.BigEndian.Uint16(raw[atAttributes:])), FirstTime: int64(binary.BigEndian.Uint64(raw[atFirstTime:])),
		MaxTime: int64(binary.BigEndian.Uint64(raw[atMaxTime:])), Producer: int64(binary.BigEndian.Uint64(raw[atProducer:])),
		ProducerEpoch: int16(binary.BigEndian.Uint16(raw[atProdEpoch:])), Sequence: int32(binary.BigEndian.Uint32(raw[atSequence:])),
		Records: int32(binary.BigEndian.Uint32(raw[atRecords:])), Size: size,
	}
	b.Next = b.First + delta + 1
	if delta < 0 || b.First < 0 || b.Next < b.First {
		return Batch{}, fmt.Errorf("%w: offsets %d to %d", ErrBatch, b.First, b.Next)
	}
	if b.Control() {
		b.Commit = commits(raw[batchHeader:])
	}
	return b, nil
}

// batchSize returns the size that the batch at the start of raw gives itself.
func batchSize(raw []byte) (int, error) {
	if len(raw) < batchHeader {
		return 0, fmt.Errorf("%w: %d bytes", ErrBatch, len(raw))
	}
	length := int64(int32(binary.BigEndian.Uint32(raw[atLength:])))
	if length < batchHeader-batchPrefix || length > maxBatchBytes || raw[atMagic] != magic {
		return 0, fmt.Errorf("%w: version %d, length %d", ErrBatch, raw[atMagic], length)
	}
	return batchPrefix + int(length), nil
}

// commits parses the one record of a control batch: length, attributes, time and offset delta (one byte each), the key's length (one byte), and the
// key: version (2) and type (2), 1 for a commit.
func commits(record []byte) bool {
	return len(record) >= 9 && binary.BigEndian.Uint16(record[7:]) == 1
}

// Marker returns the control batch that ends the transaction of a producer. A log assigns its offset.
func Marker(producer int64, epoch int16, commit bool, millis int64) []byte {
	kind := byte(0)
	if commit {
		kind = 1
	}
	// Varints of one byte, zigzag: key of 4 bytes {version 0, type}, value of 6 {version 0, coordinator epoch 0}, no headers.
	record := []byte{0, 0, 0, 0, 2 * 4, 0, 0, 0, kind, 2 * 6, 0, 0, 0, 0, 0, 0, 0}
	record[0] = byte(2 * (len(record) - 1))
	raw := make([]byte, batchHeader, batchHeader+len(record))
	binary.BigEndian.PutUint32(raw[atLength:], uint32(batchHeader-batchPrefix+len(record)))
	raw[atMagic] = magic
	binary.BigEndian.PutUint16(raw[atAttributes:], attrTransaction|attrControl)
	binary.BigEndian.PutUint64(raw[atFirstTime:], uint64(millis))
	binary.BigEndian.PutUint64(raw[atMaxTime:], uint64(millis))
	binary.BigEndian.PutUint64(raw[atProducer:], uint64(producer))
	binary.BigEndian.PutUint16(raw[atProdEpoch:], uint16(epoch))
	binary.BigEndian.PutUint32(raw[atSequence:], 1<<32-1)
	binary.BigEndian.PutUint32(raw[atRecords:], 1)
	raw = append(raw, record...)
	binary.BigEndian.PutUint32(raw[atCRC:], crc32.Checksum(raw[atAttributes:], castagnoli))
	return raw
}

// place sets a batch's offset and the leader's epoch, which the checksum does not cover.
func place(raw []byte, first int64, epoch int32) {
	binary.BigEndian.PutUint64(raw, uint64(first))
	binary.BigEndian.PutUint32(raw[atEpoch:], uint32(epoch))
}

// Payload returns a batch that holds payload instead of records, for a log that no Kafka client reads.
func Payload(payload []byte, millis int64) []byte {
	raw := make([]byte, batchHeader, batchHeader+len(payload))
	raw = append(raw, payload...)
	binary.BigEndian.PutUint32(raw[atLength:], uint32(len(raw)-batchPrefix))
	raw[atMagic] = magic
	binary.BigEndian.PutUint64(raw[atFirstTime:], uint64(millis))
	binary.BigEndian.PutUint64(raw[atMaxTime:], uint64(millis))
	binary.BigEndian.PutUint64(raw[atProducer:], 1<<64-1)
	binary.BigEndian.PutUint16(raw[atProdEpoch:], 1<<16-1)
	binary.BigEndian.PutUint32(raw[atSequence:], 1<<32-1)
	binary.BigEndian.PutUint32(raw[atRecords:], 1)
	binary.BigEndian.PutUint32(raw[atCRC:], crc32.Checksum(raw[atAttributes:], castagnoli))
	return raw
}

// PayloadOf returns the payload that was given to [Payload].
func PayloadOf(raw []byte) []byte { return raw[batchHeader:] }
