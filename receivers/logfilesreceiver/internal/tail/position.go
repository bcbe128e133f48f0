package tail

import (
	"io"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/lines"
)

const (
	// headBytes and tailBytes are how much the marks cover. Both are read again when a file has changed.
	headBytes = 1024
	tailBytes = 256
)

// ID identifies a file on a machine, as long as the file exists.
type ID struct {
	Device uint64 `json:"dev"`
	Inode  uint64 `json:"ino"`
}

// Mark is a checksum of some bytes of a file.
type Mark struct {
	Length int64  `json:"n"`
	Sum    uint64 `json:"sum"`
}

// Position is the offset up to which a file was delivered, and the data that identifies the file.
type Position struct {
	ID
	Path     string         `json:"path"`
	Offset   int64          `json:"offset"`
	Head     Mark           `json:"head"` // over the first bytes, at most up to Offset
	Tail     Mark           `json:"tail"` // over the bytes before Offset
	Encoding lines.Encoding `json:"encoding,omitempty"`
	// Part is how many pieces of the line at Offset were delivered, if that line is longer than a record.
	Part int `json:"part,omitempty"`
	// Size is how large the file was at the last check.
	Size int64 `json:"size,omitempty"`
	// Seen is when the file last existed.
	Seen time.Time `json:"seen"`
}

// unread is how many undelivered bytes the file is known to have had.
func (p *Position) unread() int64 { return max(0, p.Size-p.Offset) }

// markAt computes the mark of length bytes that end at end; ok is false if the file does not have them.
func markAt(r io.ReaderAt, end, length int64) (m Mark, ok bool) {
	var buf [headBytes]byte
	b := buf[:length]
	if n, err := r.ReadAt(b, end-length); int64(n) < length && err != nil {
		return m, false
	}
	return Mark{Length: length, Sum: xxhash.Sum64(b)}, true
}

// move sets the position to offset, and computes its marks.
func (p *Position) move(r io.ReaderAt, offset int64) bool {
	head := p.Head
	if want := min(offset, headBytes); head.Length != want {
		var ok bool
		if head, ok = markAt(r, want, want); !ok {
			return false
		}
	}
	tail, ok := markAt(r, offset, min(offset, tailBytes))
	if !ok {
		return false
	}
	if offset == 0 {
		head, tail = Mark{}, Mark{}
	}
	p.Offset, p.Head, p.Tail = offset, head, tail
	return true
}

// fits reports whether the file has the text of the position's marks.
func (p *Position) fits(r io.ReaderAt) bool { return p.fitsHead(r, nil) && p.fitsTail(r) }

func (p *Position) fitsTail(r io.ReaderAt) bool {
	if p.Tail.Length == 0 {
		return true
	}
	tail, ok := markAt(r, p.Offset, p.Tail.Length)
	return ok && tail == p.Tail
}

// fitsHead compares the first bytes. cache, if not nil, keeps the file's marks by length: a new file is compared with many positions.
func (p *Position) fitsHead(r io.ReaderAt, cache map[int64]Mark) bool {
	if p.Head.Length == 0 {
		return true
	}
	head, ok := cache[p.Head.Length]
	if !ok {
		if head, ok = markAt(r, p.Head.Length, p.Head.Length); !ok {
			return false
		}
		if cache != nil {
			cache[p.Head.Length] = head
		}
	}
	return head == p.Head
}
