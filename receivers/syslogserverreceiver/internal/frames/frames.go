// Package frames divides a stream into syslog messages, by RFC 6587: a message has its length before it, or a newline or NUL after it.
// Both may be in one stream. A message that is too long is returned in parts.
package frames

import (
	"bufio"
	"bytes"
	"io"
	"sync/atomic"
	"unicode/utf8"
)

const (
	// first is the initial buffer of each stream, which is not part of the budget.
	first = 16 << 10
	// maxDigits bounds a length.
	maxDigits = 8
)

// Budget bounds the buffers of all streams, not counting the first 16 KiB of each. It is safe for concurrent use.
type Budget struct{ left atomic.Int64 }

// NewBudget returns a budget of n bytes.
func NewBudget(n int) *Budget {
	b := &Budget{}
	b.left.Store(int64(n))
	return b
}

func (b *Budget) take(n int) bool {
	if b.left.Add(-int64(n)) >= 0 {
		return true
	}
	b.left.Add(int64(n))
	return false
}

func (b *Budget) give(n int) { b.left.Add(int64(n)) }

// Frame is a message, or a part of one.
type Frame struct {
	// Text is valid until the next call of Next. It may be empty.
	Text []byte
	// Part is 0 for the beginning of a message, and increases for the following parts of a long one.
	Part int
	// More reports that another part follows.
	More bool
	// Short reports that the stream ended before the message had its announced length.
	Short bool
}

// Reader reads the messages of one stream. It is not safe for concurrent use.
type Reader struct {
	in     *bufio.Reader
	max    int
	budget *Budget
	buffer []byte // collects a message that is not completely in the reader's buffer
	held   int    // the buffer's share of the budget
	counts bool   // a message with a length was seen: then a number is a length
	part   int
	octets int // rest of a message with a length
	within bool
	rest   int // start of the next part in the buffer
}

// New returns a reader of messages of at most max bytes, or fewer if the budget is used up; max is at least 4 KiB.
func New(r io.Reader, max int, budget *Budget) *Reader {
	return &Reader{in: bufio.NewReaderSize(r, first), max: max, budget: budget}
}

// Close returns the reader's share of the budget.
func (r *Reader) Close() {
	r.budget.give(r.held)
	r.held, r.buffer = 0, nil
}

// Next returns the next message or part. With an error, io.EOF at the end, it returns what was read before, which may be empty.
func (r *Reader) Next() (Frame, error) {
	if r.rest > 0 {
		r.buffer = r.buffer[:copy(r.buffer, r.buffer[r.rest:])]
		r.rest = 0
	}
	if !r.within {
		if err := r.begin(); err != nil {
			return Frame{}, err
		}
	}
	f := Frame{Part: r.part}
	var err error
	if r.octets > 0 {
		err = r.counted(&f)
	} else {
		err = r.delimited(&f)
	}
	if f.More {
		r.part++
	} else {
		r.part, r.within, r.octets = 0, false, 0
	}
	return f, err
}

// begin determines the framing of the next message. It skips delimiters, because some senders end messages with a length by one too.
func (r *Reader) begin() error {
	if r.held > 4*first { // frees what a long message needed for others
		r.Close()
	}
	r.buffer = r.buffer[:0]
	for {
		head, err := r.in.Peek(1)
		if err != nil {
			return err
		}
		if c := head[0]; c != '\n' && c != '\r' && c != 0 {
			break
		}
		_, _ = r.in.Discard(1)
	}
	r.within = true
	r.octets = r.length()
	r.counts = r.counts || r.octets > 0
	return nil
}

// length reads the number and the space before a message with a length: they are followed by a message's beginning, or a message with a
// length was seen before. 0: the message has no length.
func (r *Reader) length() int {
	n := 0
	for i := range maxDigits + 1 {
		head, err := r.in.Peek(i + 1)
		if err != nil {
			return 0
		}
		c := head[i]
		switch {
		case c >= '0' && c <= '9' && i < maxDigits && (i > 0 || c != '0'):
			n = 10*n + int(c-'0')
			continue
		case c != ' ' || i == 0:
			return 0
		}
		if !r.counts {
			if head, err = r.in.Peek(i + 2); err != nil || head[i+1] != '<' {
				return 0
			}
		}
		_, _ = r.in.Discard(i + 1)
		return n
	}
	return 0
}

// available waits for bytes and returns the available ones, without consuming them.
func (r *Reader) available() ([]byte, error) {
	if _, err := r.in.Peek(1); err != nil {
		return nil, err
	}
	return r.in.Peek(r.in.Buffered())
}

func (r *Reader) counted(f *Frame) error {
	for {
		there, err := r.available()
		if err != nil {
			f.Text, f.Short = r.buffer, true
			return err
		}
		if len(there) >= r.octets && len(r.buffer) == 0 && r.octets <= r.max {
			f.Text = there[:r.octets]
			_, _ = r.in.Discard(r.octets)
			return nil
		}
		took, full := r.collect(there[:min(len(there), r.octets)])
		r.octets -= took
		switch {
		case r.octets == 0:
			f.Text = r.buffer
			return nil
		case full:
			r.cut(f)
			return nil
		}
	}
}

func (r *Reader) delimited(f *Frame) error {
	for {
		there, err := r.available()
		if err != nil {
			f.Text = r.buffer
			return err
		}
		end := bytes.IndexAny(there, "\n\x00")
		if end >= 0 && len(r.buffer) == 0 && end <= r.max {
			f.Text = there[:end]
			_, _ = r.in.Discard(end + 1)
			return nil
		}
		text := there
		if end >= 0 {
			text = there[:end]
		}
		took, full := r.collect(text)
		switch {
		case end >= 0 && took == end:
			_, _ = r.in.Discard(1)
			f.Text = r.buffer
			return nil
		case full:
			r.cut(f)
			return nil
		}
	}
}

// collect adds text to the buffer while there is room; full: there is none for the rest.
func (r *Reader) collect(text []byte) (took int, full bool) {
	if need := len(r.buffer) + len(text); need > cap(r.buffer) {
		r.grow(need)
	}
	took = min(len(text), min(cap(r.buffer), r.max)-len(r.buffer))
	r.buffer = append(r.buffer, text[:took]...)
	_, _ = r.in.Discard(took)
	return took, took < len(text)
}

// grow enlarges the buffer, if the budget allows it.
func (r *Reader) grow(need int) {
	size := max(first, min(max(need, 2*cap(r.buffer)), r.max))
	more := size - first - r.held
	if size <= cap(r.buffer) || more > 0 && !r.budget.take(more) {
		if cap(r.buffer) > 0 {
			return
		}
		size, more = first, 0
	}
	r.held += more
	r.buffer = append(make([]byte, 0, size), r.buffer...)
}

// cut returns a part of the full buffer. An incomplete character is left for the next part.
func (r *Reader) cut(f *Frame) {
	end := len(r.buffer)
	for back := 1; back < utf8.UTFMax && back < end; back++ {
		if c := r.buffer[end-back]; utf8.RuneStart(c) {
			if !utf8.FullRune(r.buffer[end-back : end]) {
				end -= back
			}
			break
		}
	}
	f.Text, f.More, r.rest = r.buffer[:end], true, end
}
