package delivery

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// maxAnchors bounds the anchors of a checkpoint, not counting one for each recorded range.
const maxAnchors = 16

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// TopicID is a topic's id; zero if the broker reports none.
type TopicID [16]byte

// Anchor identifies a record in a checkpoint, so that the next start can check whether the log still holds it.
type Anchor struct {
	Offset int64
	// Epoch is the record's leader epoch, used only in messages: a copied log may have other epochs.
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

// anchors are the anchors of the last record of each range that a worker has read.
type anchors struct {
	delivered []Anchor // of ranges below next: the last one, and earlier ones at doubling distances; ascending
	recorded  []Anchor // of ranges that are recorded but not delivered; ascending
}

// record keeps the anchor of a range that is recorded before it is delivered.
func (a *anchors) record(r Range) {
	if last, ok := r.last(); ok {
		a.recorded = append(a.recorded[:len(a.recorded):len(a.recorded)], last)
	}
}

// deliver keeps the anchor of a range that was delivered; nil: unknown.
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

// split reverses all, for a checkpoint that resumes at next.
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
