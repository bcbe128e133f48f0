package rows

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/penstockhq/penstock/internal/columnar"
)

// distinct estimates how many different ids there are, by linear counting (Whang et al., TODS 1990): a bit for each hash, in four to eight times as many
// bits as there are ids. The error is below 1 % from some thousand ids on.
type distinct struct{ bits []uint64 }

// reset makes room for n ids.
func (d *distinct) reset(n int) {
	words := 1 << max(6, bits.Len(uint(n)>>4)) // n/16 words of 64 bits, rounded up to a power of two
	if cap(d.bits) < words {
		d.bits = make([]uint64, words)
	}
	d.bits = d.bits[:words]
	clear(d.bits)
}

// add adds an id.
func (d *distinct) add(id [16]byte) {
	h := (binary.LittleEndian.Uint64(id[:]) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(id[8:]), 32)) * 0x9E3779B97F4A7C15
	h ^= h >> 32
	h *= 0xD6E8FEB86659FD93
	at := h >> 20 & uint64(len(d.bits)*64-1)
	d.bits[at>>6] |= 1 << (at & 63)
}

// count returns the estimate.
func (d *distinct) count() int {
	zero := 0
	for _, w := range d.bits {
		zero += 64 - bits.OnesCount64(w)
	}
	m := float64(64 * len(d.bits))
	return int(math.Round(m * math.Log(m/float64(max(zero, 1)))))
}

// repetition says how often the ids of a partition's rows, in their order, come again. Rows without one don't count.
func (e *encoder) repetition(p Partition, id func(row int32) [16]byte) (r columnar.Repetition) {
	e.seen.reset(p.Rows)
	var last [16]byte
	for _, o := range e.order[p.begin : p.begin+p.Rows] {
		if at := id(o.row); at != last && at != [16]byte{} {
			r.Runs++
			last = at
			e.seen.add(at)
		}
	}
	r.Distinct = e.seen.count()
	return r
}
