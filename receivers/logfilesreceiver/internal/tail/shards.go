package tail

import (
	"encoding/json"
	"fmt"
)

// shards is how many pieces the positions are saved in, because only changed pieces are written.
const shards = 64

func shardOf(id ID) int { return int((id.Inode ^ id.Device*0x9e3779b97f4a7c15) % shards) }

func (s *Set) touch(id ID) { s.dirty[shardOf(id)] = true }

// ShardKeys returns the keys of the pieces, for a storage that can't list.
func ShardKeys() []string {
	keys := make([]string, shards)
	for i := range keys {
		keys[i] = shardKey(i)
	}
	return keys
}

func shardKey(i int) string { return fmt.Sprintf("positions.%02d", i) }

// DecodeShard decodes a piece; nil is an empty one.
func DecodeShard(text []byte) (positions []Position, err error) {
	if len(text) == 0 {
		return nil, nil
	}
	err = json.Unmarshal(text, &positions)
	return positions, err
}

// Finish makes the next Changed return all positions, including the sizes of files that have undelivered text, and when they were last
// seen.
func (s *Set) Finish() {
	for _, f := range s.files {
		f.dirty = true
	}
}

// Changed returns the pieces that changed since Saved, by key.
func (s *Set) Changed() (map[string][]byte, error) {
	for id, f := range s.files {
		if f.dirty {
			s.touch(id)
		}
	}
	pieces := map[int][]Position{}
	for i, dirty := range s.dirty {
		if dirty {
			pieces[i] = []Position{}
		}
	}
	if len(pieces) == 0 {
		return nil, nil
	}
	add := func(p Position) {
		if piece, ok := pieces[shardOf(p.ID)]; ok {
			pieces[shardOf(p.ID)] = append(piece, p)
		}
	}
	for _, p := range s.known {
		add(p)
	}
	for _, f := range s.files {
		p := f.Position
		p.Size = f.size
		add(p)
	}
	encoded := make(map[string][]byte, len(pieces))
	for i, piece := range pieces {
		text, err := json.Marshal(piece)
		if err != nil {
			return nil, err
		}
		encoded[shardKey(i)] = text
	}
	return encoded, nil
}

// Saved notes that the result of Changed is on disk.
func (s *Set) Saved() {
	clear(s.dirty[:])
	for _, f := range s.files {
		f.dirty = false
	}
}
