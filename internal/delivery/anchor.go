package delivery

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// maxAnchors bounds the anchors of a checkpoint, beside one for each recorded range.
const maxAnchors = 16

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// TopicID is a topic's id; zero where the broker gives none.
type TopicID [16]byte

// Anchor is what a checkpoint remembers of a record, to find out whether the log still holds it.
type Anchor struct {
	Offset int64
	// Epoch is the leader epoch of the record, for messages; a copy of a log may number them anew.
	Epoch int32
	// Sum is the CRC32C of key, value and timestamp: see [AnchorSum].
	Sum uint32
}

// AnchorSum returns the CRC32C of a record's key, value and timestamp (milliseconds, 8 bytes little endian).
func AnchorSum(key, value []byte, at time.Time) uint32 {
	sum := crc32.Update(0, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, value)
	return crc32.Update(sum, castagnoli, binary.LittleEndian.AppendUint64(nil, uint64(at.UnixMilli())))
}

// anchors are those of the records that a worker read: of the last record of each range.
type anchors struct {
	delivered []Anchor // of ranges below next: the last one, and older ones at doubling distances; ascending
	recorded  []Anchor // of ranges that are recorded and not delivered; ascending
}

// record keeps the anchor of a range that is recorded before it is delivered.
func (a *anchors) record(r Range) {
	if last, ok := r.last(); ok {
		a.recorded = append(a.recorded[:len(a.recorded):len(a.recorded)], last)
	}
}

// deliver keeps the anchor of a range that was delivered; nil: it is not known.
func (a *anchors) deliver(b Bounds, last *Anchor) {
	for len(a.recorded) > 0 && a.recorded[0].Offset < b.Next {
		a.recorded = a.recorded[1:]
	}
	if last == nil {
		return
	}
	a.delivered = thin(append(a.delivered, *last), maxAnchors, func(older Anchor) int64 { return last.Offset - older.Offset })
}

// all returns the anchors for a checkpoint.
func (a *anchors) all() []Anchor {
	return append(a.delivered[:len(a.delivered):len(a.delivered)], a.recorded...)
}

// split takes what all returned, for a checkpoint that resumes at next.
func (a *anchors) split(all []Anchor, next int64) {
	*a = anchors{}
	for _, x := range all {
		if x.Offset < next {
			a.delivered = append(a.delivered, x)
		} else {
			a.recorded = append(a.recorded, x)
		}
	}
}

// last returns the anchor of r's last record, if it is known.
func (r Range) last() (Anchor, bool) {
	if r.Last == nil || r.Last.Offset < r.First || r.Last.Offset >= r.Next {
		return Anchor{}, false // The range was shortened.
	}
	return *r.Last, true
}
