package rollup

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// A stream stores the values of its attributes packed: as encodeValue writes them, with the tag doubled, and a string that many streams
// share as its number, doubled plus one. The state on disk has them unpacked.

const (
	leastShared = 3    // bytes: a number is not shorter than fewer
	recentTexts = 4096 // a text is shared when it repeats within about as many new ones
)

// values numbers the texts that several streams have. A text that appears for the first time is only noted, so ids that never repeat take
// no memory. Safe for concurrent use.
type values struct {
	*interner
	recent [recentTexts]uint32 // guarded by interner.mu; hashes
}

func newValues() *values { return &values{interner: newInterner()} }

// share returns the number of text, and counts one more user of it, if it appeared before. The lock is held.
func (v *values) share(text []byte) (id uint32, ok bool) {
	if id, ok = v.ids[string(text)]; ok {
		v.entries[id].refs++
		return id, true
	}
	h := xxh3.Hash(text)
	print := uint32(h>>32) | 1
	if at := &v.recent[h%recentTexts]; *at != print {
		*at = print
		return 0, false
	}
	return v.acquireLocked(text), true
}

// pack appends encoded values to b in the form in which streams store them.
func (v *values) pack(b, encoded []byte) []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	for len(encoded) > 0 {
		tag, payload, rest := cutValue(encoded, encoded[0])
		encoded = rest
		if tag == tagString {
			if _, size := binary.Uvarint(payload); len(payload)-size >= leastShared {
				if id, ok := v.share(payload[size:]); ok {
					b = binary.AppendUvarint(b, uint64(id)<<1|1)
					continue
				}
			}
		}
		b = append(append(b, tag<<1), payload...)
	}
	return b
}

// unpack appends the argument of pack to b.
func (v *values) unpack(b, packed []byte) []byte {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for len(packed) > 0 {
		id, shared, size := cutShared(packed)
		if shared {
			b, packed = appendString(append(b, tagString), v.entries[id].text), packed[size:]
			continue
		}
		tag, payload, rest := cutValue(packed, packed[0]>>1)
		b, packed = append(append(b, tag), payload...), rest
	}
	return b
}

// drop counts one user less of every shared text in packed values.
func (v *values) drop(packed []byte) {
	for len(packed) > 0 {
		id, shared, size := cutShared(packed)
		if shared {
			v.release(id)
			packed = packed[size:]
			continue
		}
		_, _, packed = cutValue(packed, packed[0]>>1)
	}
}

// cutShared reads the number of a shared text from the beginning of packed values.
func cutShared[B string | []byte](packed B) (id uint32, shared bool, size int) {
	if packed[0]&1 == 0 {
		return 0, false, 0
	}
	n, size := uvarint(packed)
	return uint32(n >> 1), true, size
}

// uvarint is binary.Uvarint for either type. Its input is never damaged.
func uvarint[B string | []byte](b B) (v uint64, size int) {
	for shift := uint(0); size < len(b); shift += 7 {
		c := b[size]
		size++
		if v |= uint64(c&0x7f) << shift; c < 0x80 {
			break
		}
	}
	return v, size
}

// cutValue splits the first value, whose tag is known, from the others. Invalid data ends them.
func cutValue(b []byte, tag byte) (_ byte, payload, rest []byte) {
	b = b[1:]
	n := 0
	switch tag {
	case tagString:
		length, size := binary.Uvarint(b)
		if size <= 0 || length > uint64(len(b)-size) {
			return tag, nil, nil
		}
		n = size + int(length)
	case tagInt:
		if _, n = binary.Varint(b); n <= 0 {
			return tag, nil, nil
		}
	case tagDouble:
		if n = 8; len(b) < n {
			return tag, nil, nil
		}
	}
	return tag, b[:n], b[n:]
}
