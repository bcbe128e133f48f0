package rollup

import "encoding/binary"

const (
	textChunkBits = 16
	textChunk     = 1 << textChunkBits // bytes
	firstChunk    = 1 << 10
	maxChunks     = 1 << (32 - textChunkBits)
	leastDead     = firstChunk // below this, moving the rest is not worth it
)

// texts holds one text for each stream of a shard in a few large pieces of memory, so that a text needs no header and the garbage
// collector has nothing to scan. What is written never moves or changes, so get is safe during put on a copy of the pieces. Up to 4 GiB.
type texts struct {
	chunks [][]byte
	used   int // of the last chunk
	live   int // bytes in use
	dead   int // bytes discarded
}

// put stores a text and returns its reference; ok is false if there is no room for it.
func (t *texts) put(text []byte) (ref uint32, ok bool) {
	var head [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(head[:], uint64(len(text)))
	need := size + len(text)
	if last := len(t.chunks) - 1; last < 0 || t.used+need > len(t.chunks[last]) {
		if len(t.chunks) == maxChunks {
			return 0, false
		}
		room := firstChunk
		if last >= 0 {
			t.dead += len(t.chunks[last]) - t.used
			room = min(2*len(t.chunks[last]), textChunk)
		}
		t.chunks, t.used = append(t.chunks, make([]byte, max(room, need))), 0
	}
	chunk := t.chunks[len(t.chunks)-1]
	ref = uint32(len(t.chunks)-1)<<textChunkBits | uint32(t.used)
	copy(chunk[t.used:], head[:size])
	copy(chunk[t.used+size:], text)
	t.used += need
	t.live += need
	return ref, true
}

// textAt returns what put stored at ref.
func textAt(chunks [][]byte, ref uint32) []byte {
	b := chunks[ref>>textChunkBits][ref%textChunk:]
	n, size := binary.Uvarint(b)
	return b[size : size+int(n)]
}

// drop discards the text at ref.
func (t *texts) drop(ref uint32) {
	b := t.chunks[ref>>textChunkBits][ref%textChunk:]
	n, size := binary.Uvarint(b)
	t.live -= size + int(n)
	t.dead += size + int(n)
}

// wasteful reports whether most of the memory is discarded.
func (t *texts) wasteful() bool { return t.dead > t.live+leastDead }
