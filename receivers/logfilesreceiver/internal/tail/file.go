package tail

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/join"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/lines"
)

const (
	// readBytes is how much is read from a file at once.
	readBytes = 256 << 10
	// textBytes is how much of it becomes one string, of which lines are parts: a line that is kept keeps that much in memory.
	textBytes = 16 << 10
)

// File is a followed file. Set.Poll and Read must not run at the same time for one file.
type File struct {
	Position
	// State belongs to the caller.
	State any
	// Gone reports that no path leads to the file any more: it is read to its end, then forgotten.
	Gone bool
	// Visited is when it was last read.
	Visited time.Time

	handle   *os.File
	read     int64  // offset of the next read; at or past Offset
	part     int    // pieces of the line at read that were emitted
	last     piece  // the last emitted line
	tail     []byte // the bytes before read, as they were read: at most tailBytes
	zeros    bool   // it ends with zeros, like a preallocated file: they are not a line until something is written there
	size     int64
	modified time.Time
	grown    time.Time // when the size last changed
	behind   bool      // it may have more than was read
	dirty    bool      // the position changed since it was saved
	cut      bool      // it was truncated
}

// piece is an emitted line, or a piece of one.
type piece struct {
	start  int64
	before int // pieces of the line before it
}

// Buffer is memory for Read that calls can share one after the other. It holds bytes that were read and not emitted, so that a Read which
// visit ended continues without the disk. Only valid between two calls of Set.Poll.
type Buffer struct {
	bytes []byte
	of    *File // nil: of no file
	from  int64 // in that file
	have  int   // bytes
}

// rest takes over what is left of an earlier Read of f.
func (b *Buffer) rest(f *File) (have int) {
	if len(b.bytes) < readBytes {
		b.bytes = make([]byte, readBytes)
	}
	if b.of == f && b.from == f.read {
		have = b.have
	}
	b.of = nil
	return have
}

// Behind reports whether the file may have more than was read.
func (f *File) Behind() bool { return f.behind }

// Unended reports whether the file ends with a line that has no newline yet.
func (f *File) Unended() bool { return !f.behind && !f.zeros && f.read < f.size }

// Grown returns when the size last changed.
func (f *File) Grown() time.Time { return f.grown }

// Read emits lines until the end of the file, or until visit returns false. A line longer than limit is emitted in parts, numbered from 1.
// The end of a file without a newline is a line if flush is true.
func (f *File) Read(buf *Buffer, limit int, flush bool, visit func(join.Line) bool) error {
	if err := f.open(); err != nil {
		return err
	}
	f.Visited, f.zeros = time.Now(), false
	if f.read == 0 {
		if err := f.detect(); err != nil {
			return err
		}
	}
	if f.Encoding != lines.UTF8 {
		limit = limit / 3 * 2 // two bytes can become three
	}
	have := buf.rest(f) // bytes in buf that have not been emitted
	for rest := have > 0; ; rest = false {
		if have == len(buf.bytes) {
			buf.bytes = append(buf.bytes, make([]byte, len(buf.bytes))...)
		}
		var n, scanned int
		var err error
		if !rest {
			if n, err = f.handle.ReadAt(buf.bytes[have:], f.read+int64(have)); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			if n == 0 && (!flush || have == 0) || !hasTail(f.handle, f.read, f.tail) {
				// The rest is not a line yet; or the file was truncated since the last check and has grown past here, which the next check
				// notices. What was read before its tail was compared is certainly of the old text.
				f.behind = false
				return nil
			}
			if f.Encoding == lines.UTF8 {
				scanned = max(0, have-1) // there was no newline before
			}
			have += n
		}
		used, more := f.split(buf.bytes[:have], scanned, limit, flush && err != nil, visit)
		f.keep(buf.bytes[:used])
		have = copy(buf.bytes, buf.bytes[used:have])
		if !more {
			f.behind = true
			buf.of, buf.from, buf.have = f, f.read, have
			return nil
		}
		if err != nil { // the end
			if have == 0 || !flush {
				f.behind = false
				return nil
			}
		}
	}
}

// split emits the lines in b, of which the first scanned bytes have no newline, and returns how many bytes they were.
func (f *File) split(b []byte, scanned, limit int, last bool, visit func(join.Line) bool) (used int, more bool) {
	var shared texts
	for used < len(b) {
		if b[used] == 0 && f.part == 0 && f.Encoding == lines.UTF8 {
			n, wait := hole(b[used:], limit)
			if wait {
				f.zeros = last
				return used, true
			}
			used += n
			f.read += int64(n)
			scanned = max(0, scanned-n)
		}
		end, next := f.Encoding.Newline(b[used+scanned:])
		if end >= 0 {
			end, next = end+scanned, next+scanned
		}
		scanned = 0
		part, rest := 0, len(b)-used
		switch {
		case end < 0 && rest < limit && !last:
			return used, true
		case end > limit, end < 0 && rest >= limit:
			end = f.Encoding.Whole(b[used:], limit)
			next = end
			f.part++
			part = f.part
		case end < 0: // the end of the file
			if end = f.Encoding.Whole(b[used:], rest); end == 0 {
				return used, true
			}
			next = end
		}
		if part == 0 && f.part > 0 { // the rest of a line
			part = f.part + 1
			f.part = 0
		}
		f.last = piece{start: f.read, before: max(0, part-1)}
		line := join.Line{Text: shared.of(f.Encoding, b, used, used+end), Start: f.read, End: f.read + int64(next), Part: part}
		used += next
		f.read += int64(next)
		if end == 0 && part > 0 {
			continue // the end of a line that was emitted in pieces
		}
		if !visit(line) {
			return used, false
		}
	}
	return used, true
}

// texts makes strings of parts of a buffer, many at once.
type texts struct {
	text string
	at   int // of text in the buffer
}

// of returns the text of the line at b[from:to].
func (t *texts) of(e lines.Encoding, b []byte, from, to int) string {
	if e != lines.UTF8 {
		return e.Text(b[from:to])
	}
	if to > t.at+len(t.text) {
		t.at, t.text = from, string(b[from:min(len(b), max(to, from+textBytes))])
	}
	return lines.Trim(t.text[from-t.at : to-t.at])
}

// hole returns how many zeros b begins with: a truncated file has a hole if its writer continues at the old offset. wait reports that
// nothing follows them yet, and that something may still be written there.
func hole(b []byte, limit int) (n int, wait bool) {
	for n < len(b) && b[n] == 0 {
		n++
	}
	return n, n == len(b) && n < limit
}

// keep remembers the last emitted bytes.
func (f *File) keep(used []byte) {
	if len(used) >= tailBytes {
		f.tail = append(f.tail[:0], used[len(used)-tailBytes:]...)
		return
	}
	f.tail = append(f.tail, used...)
	f.tail = f.tail[:copy(f.tail, f.tail[max(0, len(f.tail)-tailBytes):])]
}

// hasTail reports whether the bytes before end are those that were read.
func hasTail(r io.ReaderAt, end int64, tail []byte) bool {
	var buf [tailBytes]byte
	b := buf[:len(tail)]
	n, _ := r.ReadAt(b, end-int64(len(tail)))
	return n == len(tail) && bytes.Equal(b, tail)
}

// detect detects the encoding at the beginning of a file.
func (f *File) detect() error {
	head := make([]byte, headBytes)
	n, err := f.handle.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var mark int64
	f.Encoding, mark = lines.Detect(head[:n])
	f.read = mark
	return nil
}

// Delivered moves the position: everything before offset has been delivered. False: the file no longer has that text, because it was
// truncated meanwhile; the position stays.
func (f *File) Delivered(offset int64) bool {
	if offset == f.Offset {
		return true
	}
	if f.open() != nil || !hasTail(f.handle, f.read, f.tail) || !f.move(f.handle, offset) {
		return false
	}
	switch offset {
	case f.read:
		f.Part = f.part
	case f.last.start:
		f.Part = f.last.before
	default:
		f.Part = 0
	}
	f.dirty = true
	return true
}

// ReadTo returns the offset of the next read.
func (f *File) ReadTo() int64 { return f.read }

// Rewind returns to the position: what was read since is read again.
func (f *File) Rewind() { f.read, f.part, f.tail, f.behind = f.Offset, f.Part, f.tail[:0], true }

func (f *File) open() error {
	if f.handle != nil {
		return nil
	}
	handle, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	info, err := handle.Stat()
	if err == nil && idOf(f.Path, info) != f.ID {
		err = os.ErrNotExist // replaced since
	}
	if err != nil {
		return errors.Join(err, handle.Close())
	}
	f.handle = handle
	return nil
}

func (f *File) close() {
	if f.handle != nil {
		_ = f.handle.Close() // read only
		f.handle = nil
	}
}

// Size returns how large the file was at the last check.
func (f *File) Size() int64 { return f.size }
