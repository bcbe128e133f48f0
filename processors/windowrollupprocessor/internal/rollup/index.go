package rollup

import (
	"math/bits"
	"math/rand/v2"

	"github.com/penstockhq/penstock/internal/streamkey"
)

// index finds the place of a key in a list that its user keeps. It is made for tables that no cache holds:
//
//   - Places are given in the order in which streams appear, and a sender mostly writes its streams in the same order
//     again. So the first guess is the place behind the one found last: neighbours in memory, which the processor fetches
//     ahead. Only a wrong guess asks the table.
//   - The table is open addressing with linear probing: eight bytes an entry, half of them a fingerprint, so that a search
//     reads one line of memory and then the one key that fits.
//   - candidate does the first of these two steps alone. A loop over many keys waits for all their lines at once.
//
// Memory: 16 bytes a key, and 9 to 18 of the table. The fingerprints are keyed by a random factor (multiply-shift hashing,
// Dietzfelbinger et al. 1997), so that nobody can choose attributes that collide. Not safe for concurrent use.
type index struct {
	keys    slab[streamkey.Key] // by place; the zero key where there is none
	entries []uint64            // fingerprint << 32 | place + 1; 0 is free; the length is a power of two
	shift   uint                // of an entry, so that what is left is where its search begins
	used    int
	guess   uint32
	factor  uint64
}

const (
	fingerprintMask = 0xffffffff << 32
	leastEntries    = 16
)

func (ix *index) fingerprint(k streamkey.Key) uint64 { return (k.Lo * ix.factor) & fingerprintMask }

// find returns the place of k.
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

// candidate returns a place + 1 that k may have, 0 if it has none for sure.
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

// is says whether a candidate has k.
func (ix *index) is(candidate uint32, k streamkey.Key) bool {
	return candidate != 0 && *ix.keys.at(candidate - 1) == k
}

// put gives k, which must not be there, a place: the next, or one that was removed.
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

// skip leaves the next place without a key.
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

// entry returns where the entry of a place is, which must be in use.
func (ix *index) entry(place uint32) uint64 {
	mask := uint64(len(ix.entries) - 1)
	for i := ix.fingerprint(*ix.keys.at(place)) >> ix.shift; ; i++ {
		if uint32(ix.entries[i&mask]) == place+1 {
			return i & mask
		}
	}
}

// remove frees a place, which must be in use. What probing had moved behind it comes forward, so nothing is left to skip.
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

// removeAndFill frees a place and gives it to the key of the last one, so that there are no gaps. It returns the last
// place, which is no more.
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
