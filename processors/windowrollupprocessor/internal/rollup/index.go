package rollup

import (
	"math/bits"
	"math/rand/v2"

	"github.com/penstockhq/penstock/internal/streamkey"
)

// index finds the position of a key in its user's list. It is made for tables that exceed the caches:
//
//   - Positions are assigned in the order in which streams appear, and a sender mostly repeats its streams in the same
//     order. So the first guess is the position after the last one found: neighbours in memory, which the CPU prefetches.
//     Only after a wrong guess is the table used.
//   - The table is open addressing with linear probing: eight bytes an entry, half of them a fingerprint, so that a search
//     reads one cache line and then the one key that fits.
//   - candidate does the first of these two steps alone. A loop over many keys waits for all their lines at once.
//
// Memory: 16 bytes per key, and 9 to 18 for the table. The fingerprints are keyed by a random factor (multiply-shift hashing,
// Dietzfelbinger et al. 1997), so that nobody can choose attributes that collide. Not safe for concurrent use.
type index struct {
	keys    slab[streamkey.Key] // by position; the zero key for a free one
	entries []uint64            // fingerprint << 32 | position + 1; 0 is free; the length is a power of two
	shift   uint                // shift that leaves an entry's first position in the table
	used    int
	guess   uint32
	factor  uint64
}

const (
	fingerprintMask = 0xffffffff << 32
	leastEntries    = 16
)

func (ix *index) fingerprint(k streamkey.Key) uint64 { return (k.Lo * ix.factor) & fingerprintMask }

// find returns the position of k.
func (ix *index) find(k streamkey.Key) (place uint32, ok bool) {
	if place, ok = ix.guessed(k); ok || ix.used == 0 {
		return place, ok
	}
	print, mask := ix.fingerprint(k), uint64(len(ix.entries)-1)
	for i := print >> ix.shift; ; i++ {
		e := ix.entries[i&mask]
		if e == 0 {
			return 0, false
		}
		if e&fingerprintMask == print {
			if place = uint32(e) - 1; *ix.keys.at(place) == k {
				ix.guess = place + 1
				return place, true
			}
		}
	}
}

func (ix *index) guessed(k streamkey.Key) (place uint32, ok bool) {
	if g := ix.guess; g < ix.keys.n && *ix.keys.at(g) == k && k != (streamkey.Key{}) {
		ix.guess++
		return g, true
	}
	return 0, false
}

// candidate returns a position + 1 that k may have, 0 if it certainly has none.
func (ix *index) candidate(k streamkey.Key) uint32 {
	if place, ok := ix.guessed(k); ok {
		return place + 1
	}
	if ix.used == 0 {
		return 0
	}
	print, mask := ix.fingerprint(k), uint64(len(ix.entries)-1)
	for i := print >> ix.shift; ; i++ {
		e := ix.entries[i&mask]
		if e == 0 || e&fingerprintMask == print {
			if e != 0 {
				ix.guess = uint32(e)
			}
			return uint32(e)
		}
	}
}

// is reports whether a candidate has k.
func (ix *index) is(candidate uint32, k streamkey.Key) bool {
	return candidate != 0 && *ix.keys.at(candidate - 1) == k
}

// put assigns a position to k, which must be new: the next one, or a removed one.
func (ix *index) put(k streamkey.Key, place uint32) {
	if place == ix.keys.n {
		ix.keys.grow()
	}
	*ix.keys.at(place) = k
	if ix.used >= len(ix.entries)/8*7 {
		ix.rehash()
	}
	ix.insert(ix.fingerprint(k) | uint64(place+1))
	ix.used++
}

// skip leaves the next position without a key.
func (ix *index) skip() { ix.keys.grow() }

func (ix *index) insert(e uint64) {
	mask := uint64(len(ix.entries) - 1)
	i := e >> ix.shift
	for ix.entries[i&mask] != 0 {
		i++
	}
	ix.entries[i&mask] = e
}

func (ix *index) rehash() {
	old := ix.entries
	if ix.factor == 0 {
		ix.factor = rand.Uint64() | 1
	}
	ix.entries = make([]uint64, max(leastEntries, 2*len(old)))
	ix.shift = uint(64 - bits.TrailingZeros(uint(len(ix.entries))))
	for _, e := range old {
		if e != 0 {
			ix.insert(e)
		}
	}
}

// entry returns the index of a position's entry, which must be in use.
func (ix *index) entry(place uint32) uint64 {
	mask := uint64(len(ix.entries) - 1)
	for i := ix.fingerprint(*ix.keys.at(place)) >> ix.shift; ; i++ {
		if uint32(ix.entries[i&mask]) == place+1 {
			return i & mask
		}
	}
}

// remove frees a position, which must be in use. Entries that probing had moved past it move forward, so no tombstone is left.
func (ix *index) remove(place uint32) {
	mask := uint64(len(ix.entries) - 1)
	gap := ix.entry(place)
	for i := gap + 1; ix.entries[i&mask] != 0; i++ {
		e := ix.entries[i&mask]
		if (i-e>>ix.shift)&mask >= (i-gap)&mask {
			ix.entries[gap&mask], gap = e, i
		}
	}
	ix.entries[gap&mask] = 0
	ix.used--
	*ix.keys.at(place) = streamkey.Key{}
}

// removeAndFill frees a position and moves the last key to it, so that there are no gaps. It returns the last position, which is then
// unused.
func (ix *index) removeAndFill(place uint32) (last uint32) {
	ix.remove(place)
	if last = ix.keys.n - 1; last != place {
		at := ix.entry(last)
		ix.entries[at] = ix.entries[at]&fingerprintMask | uint64(place+1)
		*ix.keys.at(place) = *ix.keys.at(last)
	}
	ix.keys.drop()
	return last
}
