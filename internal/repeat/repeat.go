// Package repeat finds delta points that were sent twice, for pipelines without a journal that leaves out repeated requests.
//
// Points of one metric in one OTLP request never repeat each other. A point of another request that is equal in stream, start, time and value was
// sent twice: its sender did not get the answer, or got an error from another consumer of the same request.
package repeat

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/zeebo/xxh3"

	"github.com/penstockhq/penstock/internal/cursor"
	"github.com/penstockhq/penstock/internal/streamkey"
)

// Remembered is the smallest number of points to remember; at most twice as many, 40 bytes each.
const Remembered = 1 << 18

// Points are the last counted points. Their answers depend only on the points and their order. Safe for concurrent use, except for Append and
// Decode.
type Points struct {
	entry atomic.Uint32

	mu     sync.Mutex
	newer  map[uint64]uint32 // guarded by mu, as is older: by mark, the entry that it came in
	older  map[uint64]uint32
	ending int // how many of newer make it older
}

// New returns an empty set of points.
func New() *Points {
	return &Points{newer: map[uint64]uint32{}, ending: Remembered}
}

// Entry returns the number of another entry: a metric of a request.
func (p *Points) Entry() uint32 { return p.entry.Add(1) }

// Again says whether another entry had a point with that mark. Otherwise it remembers the mark. The caller counts the point before it saves a state
// that remembers it.
func (p *Points) Again(mark uint64, entry uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	of, known := p.newer[mark]
	if !known {
		of, known = p.older[mark]
	}
	if known {
		return of != entry
	}
	if len(p.newer) >= p.ending {
		p.newer, p.older = make(map[uint64]uint32, len(p.newer)), p.newer
	}
	p.newer[mark] = entry
	return false
}

// Mark returns the common identity of a point and its repetitions. value is the encoded value.
func Mark(stream streamkey.Key, start, at int64, value []byte) uint64 {
	var b [24]byte
	binary.LittleEndian.PutUint64(b[:], stream.Lo)
	binary.LittleEndian.PutUint64(b[8:], uint64(start))
	binary.LittleEndian.PutUint64(b[16:], uint64(at))
	return xxh3.HashSeed(b[:], stream.Hi^xxh3.Hash(value))
}

// Append writes the points to b, 8 bytes each.
func (p *Points) Append(b []byte) []byte {
	for _, marks := range []map[uint64]uint32{p.older, p.newer} {
		b = binary.AppendUvarint(b, uint64(len(marks)))
		for mark := range marks {
			b = binary.LittleEndian.AppendUint64(b, mark)
		}
	}
	return b
}

// Decode reads the output of Append, and returns the rest of the bytes. An entry that was half counted when its state was saved is another one
// afterwards.
func (p *Points) Decode(b []byte) (rest []byte, err error) {
	for _, marks := range []*map[uint64]uint32{&p.older, &p.newer} {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size)/8 {
			return nil, fmt.Errorf("marks of points: %w", cursor.ErrCorrupt)
		}
		b, *marks = b[size:], make(map[uint64]uint32, n)
		for range n {
			(*marks)[binary.LittleEndian.Uint64(b)] = 0
			b = b[8:]
		}
	}
	p.entry.Store(0)
	return b, nil
}
