package delivery

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"
)

// checkpointChunkBytes is the size of one state record, well below every broker's default limit.
const checkpointChunkBytes = 512 << 10

// checkpointVersion is the version that is written. Version 1, which does not identify the log, can be read too.
const checkpointVersion = 2

// ErrIncomplete says that the state topic is not empty, but its last checkpoint is incomplete. A worker never treats this as a fresh
// start: with an empty state, the guard would admit series that it had folded.
var ErrIncomplete = errors.New("the last checkpoint in the state topic is incomplete")

// Bounds are the offsets of consecutive records: from First (included) to Next (excluded).
type Bounds struct{ First, Next int64 }

// Checkpoint is everything that a worker needs to resume.
type Checkpoint struct {
	// Next is the offset after the last record that the states contain.
	Next int64
	// Ranges begin at Next and must be delivered first, with these bounds.
	Ranges []Bounds
	// Seen are the ids of the records below Next that a client may still repeat.
	Seen []SeenRecord
	// SeenUntil is the steady time at Next, and clocks are those of the journal's producers whose time is another: see steady.
	SeenUntil time.Time
	clocks    []producerClock
	// Topic is the id of the journal's topic, and LogGeneration how often its log was found cut.
	Topic         TopicID
	LogGeneration uint32
	// Anchors are records that the log must hold: below Next, and the last of each range. Ascending.
	Anchors []Anchor
	// State is what [Session.Snapshot] wrote.
	State []byte
}

// StateRecord is a record of the state topic.
type StateRecord struct {
	Offset     int64 // set by the store on reading
	Key, Value []byte
}

// Generation distinguishes checkpoints: those of one owner by Number, those of two owners by Nonce.
type Generation struct{ Number, Nonce uint64 }

// In the state topic a checkpoint is a sequence of chunks, followed by the manifest that makes them valid. Keys are a kind, the generation
// and the chunk's index; the manifest's value is, little endian: version uint8, chunks uint32, length uint64, xxhash64 of all chunks.
const (
	kindChunk    = 'c'
	kindManifest = 'm'
	keyBytes     = 1 + 8 + 8 + 4
	manifestSize = 1 + 4 + 8 + 8
)

func stateKey(kind byte, g Generation, index int) []byte {
	k := make([]byte, 0, keyBytes)
	k = append(k, kind)
	k = binary.BigEndian.AppendUint64(k, g.Number)
	k = binary.BigEndian.AppendUint64(k, g.Nonce)
	return binary.BigEndian.AppendUint32(k, uint32(index))
}

// Records encodes c for the state topic, to be written in one transaction.
func (c *Checkpoint) Records(g Generation) []StateRecord {
	data := c.encode()
	sum, length := xxhash.Sum64(data), len(data)
	var records []StateRecord
	for n := 0; len(data) > 0; n++ {
		size := min(len(data), checkpointChunkBytes)
		records = append(records, StateRecord{Key: stateKey(kindChunk, g, n), Value: data[:size:size]})
		data = data[size:]
	}
	manifest := append(make([]byte, 0, manifestSize), checkpointVersion)
	manifest = binary.LittleEndian.AppendUint32(manifest, uint32(len(records)))
	manifest = binary.LittleEndian.AppendUint64(manifest, uint64(length))
	manifest = binary.LittleEndian.AppendUint64(manifest, sum)
	return append(records, StateRecord{Key: stateKey(kindManifest, g, 0), Value: manifest})
}

// encode writes, little endian: next, seen until, the ranges, the seen ids and the clocks, topic id, log generation, the anchors, the state.
func (c *Checkpoint) encode() []byte {
	b := make([]byte, 0, 32+len(c.Ranges)*16+(len(c.Seen)+len(c.clocks))*32+len(c.State))
	b = binary.LittleEndian.AppendUint64(b, uint64(c.Next))
	b = binary.LittleEndian.AppendUint64(b, uint64(c.SeenUntil.UnixNano()))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(c.Ranges)))
	for _, r := range c.Ranges {
		b = binary.LittleEndian.AppendUint64(b, uint64(r.First))
		b = binary.LittleEndian.AppendUint64(b, uint64(r.Next))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(c.Seen)+len(c.clocks)))
	for _, s := range c.Seen {
		b = append(b, s.ID[:]...)
		b = binary.LittleEndian.AppendUint64(b, uint64(s.Offset))
		b = binary.LittleEndian.AppendUint64(b, uint64(s.Time.UnixNano()))
	}
	b = appendClocks(b, c.clocks)
	b = append(b, c.Topic[:]...)
	b = binary.LittleEndian.AppendUint32(b, c.LogGeneration)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(c.Anchors)))
	for _, a := range c.Anchors {
		b = binary.LittleEndian.AppendUint64(b, uint64(a.Offset))
		b = binary.LittleEndian.AppendUint32(b, uint32(a.Epoch))
		b = binary.LittleEndian.AppendUint32(b, a.Sum)
	}
	return append(b, c.State...)
}

func decodeCheckpoint(data []byte, version byte) (*Checkpoint, error) {
	c := &Checkpoint{}
	r := bytes.NewReader(data)
	var n uint32
	var next, until int64
	read := func(v any) error { return binary.Read(r, binary.LittleEndian, v) }
	if err := errors.Join(read(&next), read(&until), read(&n)); err != nil {
		return nil, err
	}
	c.Next, c.SeenUntil = next, time.Unix(0, until)
	if int64(n)*16 > int64(r.Len()) {
		return nil, fmt.Errorf("%d ranges in %d bytes", n, r.Len())
	}
	c.Ranges = make([]Bounds, n)
	if err := errors.Join(read(c.Ranges), read(&n)); err != nil {
		return nil, err
	}
	if int64(n)*32 > int64(r.Len()) {
		return nil, fmt.Errorf("%d ids in %d bytes", n, r.Len())
	}
	c.Seen = make([]SeenRecord, 0, n)
	at := len(data) - r.Len()
	for i := range int(n) {
		s := data[at+32*i:]
		if clock, ok := clockOf(s); ok {
			c.clocks = append(c.clocks, clock)
			continue
		}
		c.Seen = append(c.Seen, SeenRecord{ID: RecordID(s[:16]), Offset: int64(binary.LittleEndian.Uint64(s[16:])), Time: time.Unix(0, int64(binary.LittleEndian.Uint64(s[24:])))})
	}
	rest := data[at+32*int(n):]
	if version >= 2 {
		var err error
		if rest, err = c.decodeLog(rest); err != nil {
			return nil, err
		}
	}
	c.State = rest
	return c, nil
}

// decodeLog reads the fields that identify the log, and returns the rest of the data.
func (c *Checkpoint) decodeLog(data []byte) (rest []byte, err error) {
	const head, each = 16 + 4 + 4, 8 + 4 + 4
	if len(data) < head {
		return nil, fmt.Errorf("it ends early: %d bytes", len(data))
	}
	c.Topic = TopicID(data[:16])
	c.LogGeneration = binary.LittleEndian.Uint32(data[16:])
	n := int64(binary.LittleEndian.Uint32(data[20:]))
	data = data[head:]
	if n*each > int64(len(data)) {
		return nil, fmt.Errorf("%d anchors in %d bytes", n, len(data))
	}
	for range n {
		c.Anchors = append(c.Anchors, Anchor{
			Offset: int64(binary.LittleEndian.Uint64(data)), Epoch: int32(binary.LittleEndian.Uint32(data[8:])), Sum: binary.LittleEndian.Uint32(data[12:]),
		})
		data = data[each:]
	}
	return data, nil
}

// Restored is the content of a partition of the state topic.
type Restored struct {
	// Checkpoint is the last complete one; nil for a fresh start.
	Checkpoint *Checkpoint
	Generation Generation
	// Highest is the highest generation number found in any record.
	Highest uint64
	// First is the offset of the checkpoint's first record.
	First int64
}

// restorer finds the last complete checkpoint among a partition's committed records, which it gets in order.
type restorer struct {
	chunks   map[Generation][]StateRecord
	last     Restored
	torn     bool // the last manifest's checkpoint is incomplete; last is the one before it
	anything bool
	highest  uint64
}

func newRestorer() *restorer { return &restorer{chunks: map[Generation][]StateRecord{}} }

func (d *restorer) add(r StateRecord) error {
	d.anything = true
	if len(r.Key) != keyBytes {
		return fmt.Errorf("offset %d of the state topic holds a record that Penstock did not write", r.Offset)
	}
	g := Generation{Number: binary.BigEndian.Uint64(r.Key[1:]), Nonce: binary.BigEndian.Uint64(r.Key[9:])}
	d.highest = max(d.highest, g.Number)
	switch r.Key[0] {
	case kindChunk:
		if index := int(binary.BigEndian.Uint32(r.Key[17:])); index == len(d.chunks[g]) { // Any other index is a repetition, or its predecessor was trimmed.
			d.chunks[g] = append(d.chunks[g], r)
		}
	case kindManifest:
		chunks := d.chunks[g]
		clear(d.chunks) // Chunks that have no manifest yet never get one: one owner writes at a time.
		if len(r.Value) < manifestSize || r.Value[0] == 0 || r.Value[0] > checkpointVersion {
			return fmt.Errorf("checkpoint at offset %d has version %v, this release reads 1 to %d", r.Offset, r.Value[:min(1, len(r.Value))], checkpointVersion)
		}
		d.torn = true
		var data []byte
		for _, c := range chunks {
			data = append(data, c.Value...)
		}
		if len(chunks) != int(binary.LittleEndian.Uint32(r.Value[1:])) || len(data) != int(binary.LittleEndian.Uint64(r.Value[5:])) ||
			xxhash.Sum64(data) != binary.LittleEndian.Uint64(r.Value[13:]) {
			return nil
		}
		c, err := decodeCheckpoint(data, r.Value[0])
		if err != nil {
			return fmt.Errorf("checkpoint at offset %d: %w", r.Offset, err)
		}
		d.last = Restored{Checkpoint: c, Generation: g, First: chunks[0].Offset}
		d.torn = false
	default:
		return fmt.Errorf("offset %d of the state topic holds a record of unknown kind %q", r.Offset, r.Key[0])
	}
	return nil
}

// result returns what was found. empty: no record was ever written to the partition, or none was committed and none trimmed. With
// ErrIncomplete, result returns the last complete checkpoint, if there is one.
func (d *restorer) result(empty bool) (Restored, error) {
	d.last.Highest = d.highest
	if d.torn || (d.last.Checkpoint == nil && (d.anything || !empty)) {
		return d.last, ErrIncomplete
	}
	return d.last, nil
}
