package commitlog

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sort"
)

// entry is the position of a batch in its segment, and everything that a reader needs if the batch itself is damaged.
type entry struct {
	pos      int64
	first    int64 // offset
	next     int64 // offset after the batch
	maxTime  int64 // milliseconds since 1970
	producer int64
	size     int32
	epoch    int16 // the producer's
	flags    uint8
}

// Flags of an entry.
const (
	flagTransaction = 1 << iota
	flagControl
	flagCommit
	flagDamaged // the batch failed its checksum when the whole segment was read
)

func (e entry) control() bool { return e.flags&flagControl != 0 }

// data reports whether e holds data of a transaction.
func (e entry) data() bool { return e.flags&flagTransaction != 0 && !e.control() }

func entryOf(b Batch, pos int64) entry {
	e := entry{pos: pos, first: b.First, next: b.Next, maxTime: b.MaxTime, producer: b.Producer, size: int32(b.Size), epoch: b.ProducerEpoch}
	if b.Transactional() {
		e.flags |= flagTransaction
	}
	if b.Control() {
		e.flags |= flagControl
	}
	if b.Commit {
		e.flags |= flagCommit
	}
	return e
}

// marker returns the control batch that e describes; ok is false if its size differs.
func (e entry) marker(leader int32) (raw []byte, ok bool) {
	raw = Marker(e.producer, e.epoch, e.flags&flagCommit != 0, e.maxTime)
	place(raw, e.first, leader)
	return raw, e.control() && len(raw) == int(e.size) && e.next == e.first+1
}

// entryBytes is the size of an encoded entry: the segment's first offset (8), pos (8), first (8), next (8), maxTime (8),
// producer (8), size (4), epoch (2), flags (1), a constant (1), checksum of all that (4), reserve (4).
const (
	entryBytes    = 64
	entrySum      = 56
	entryConstant = 0x5e
)

func (e entry) appendTo(out []byte, base int64) []byte {
	var b [entryBytes]byte
	for i, v := range []int64{base, e.pos, e.first, e.next, e.maxTime, e.producer} {
		binary.BigEndian.PutUint64(b[8*i:], uint64(v))
	}
	binary.BigEndian.PutUint32(b[48:], uint32(e.size))
	binary.BigEndian.PutUint16(b[52:], uint16(e.epoch))
	b[54], b[55] = e.flags, entryConstant
	binary.BigEndian.PutUint32(b[entrySum:], crc32.Checksum(b[:entrySum], castagnoli))
	return append(out, b[:]...)
}

// decodeEntry decodes an entry; ok is false if it is damaged.
func decodeEntry(raw []byte) (e entry, base int64, ok bool) {
	if len(raw) < entryBytes || raw[55] != entryConstant || crc32.Checksum(raw[:entrySum], castagnoli) != binary.BigEndian.Uint32(raw[entrySum:]) {
		return entry{}, 0, false
	}
	v := func(i int) int64 { return int64(binary.BigEndian.Uint64(raw[8*i:])) }
	e = entry{pos: v(1), first: v(2), next: v(3), maxTime: v(4), producer: v(5), size: int32(binary.BigEndian.Uint32(raw[48:])),
		epoch: int16(binary.BigEndian.Uint16(raw[52:])), flags: raw[54]}
	return e, v(0), e.size > 0 && e.pos >= 0 && e.first >= 0 && e.next > e.first
}

// decodeEntries decodes all valid entries of raw, whatever segments they belong to, and returns the number of damaged ones.
func decodeEntries(raw []byte) (bySegment map[int64][]entry, damaged int) {
	bySegment = map[int64][]entry{}
	for ; len(raw) > 0; raw = raw[min(entryBytes, len(raw)):] {
		e, base, ok := decodeEntry(raw)
		if !ok {
			damaged++
			continue
		}
		bySegment[base] = append(bySegment[base], e)
	}
	for _, all := range bySegment {
		slices.SortStableFunc(all, func(a, b entry) int { return int(min(1, max(-1, a.pos-b.pos))) })
	}
	return bySegment, damaged
}

// entryIndex returns the index of the first entry with offset or a later one.
func entryIndex(index []entry, offset int64) int {
	return sort.Search(len(index), func(i int) bool { return index[i].next > offset })
}
