// Package frames divides a stream into syslog messages, by RFC 6587: a message has its length before it, or a newline or NUL behind it. Both
// may be in one stream. A message that is too long comes in parts.
package frames

import (
	"bufio"
	"bytes"
	"io"
	"sync/atomic"
	"unicode/utf8"
)

const (
	// first is the buffer of each stream, which no budget has to permit.
	first = 16 << 10
	// maxDigits bounds a length.
	maxDigits = 8
)

// Budget is what the buffers of all streams may take beside the first 16 KiB of each. It is safe for concurrent use.
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
	// Part is 0 for the beginning of a message, and counts on for what follows of one that was too long.
	Part int
	// More says that another part follows.
	More bool
	// Short says that the stream ended before the message had the length that stood before it.
	Short bool
}

// Reader reads the messages of one stream. It is not safe for concurrent use.
type Reader struct {
	in     *bufio.Reader
	max    int
	budget *Budget
	buffer []byte // collects a message that is not in the reader's buffer as a whole
	held   int    // what the buffer takes of the budget
	counts bool   // a message with a length has come: a number is one
	part   int
	octets int // what is left of a message with a length
	within bool
	rest   int // where in the buffer the next part begins
}

// New returns a reader of messages of at most max bytes, or less where the budget has nothing left; max is 4 KiB at least.
func New(r io.Reader, max int, budget *Budget) *Reader {
	return &Reader{in: bufio.NewReaderSize(r, first), max: max, budget: budget}
}

// Close gives back what the reader has of the budget.
func (r *Reader) Close() {
	r.budget.give(r.held)
	r.held, r.buffer = 0, nil
}

// Next returns the next message or part. With an error, io.EOF at the end, comes what was read before it, which may be empty.
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

// begin finds out how the next message is framed. What delimits messages is skipped: some senders end those with a length too.
func (r *Reader) begin() error {
	if r.held > 4*first { // what a long message needed is for others again
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

// length takes the number and the space before a message, if that is how it is framed: a message begins behind them, or one with a length came
// before. 0: it is not.
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

// available waits for bytes and returns those that are there, without taking them.
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

// collect takes text into the buffer, as far as there is room; full says that there is none for the rest.
func (r *Reader) collect(text []byte) (took int, full bool) {
	if need := len(r.buffer) + len(text); need > cap(r.buffer) {
		r.grow(need)
	}
	took = min(len(text), min(cap(r.buffer), r.max)-len(r.buffer))
	r.buffer = append(r.buffer, text[:took]...)
	_, _ = r.in.Discard(took)
	return took, took < len(text)
}

// grow makes the buffer larger, if the budget permits it.
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

// cut makes a part of the full buffer. A character that is not whole is for the next part.
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
