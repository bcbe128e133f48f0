package delivery

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/cespare/xxhash/v2"
)

// A snapshot is, all integers little endian:
//
//	magic "PSTK", format version uint8, began int64 (Unix ns)
//	per state: 0x01, id length uint16, id, then chunks: length uint32 (>0), bytes; length 0 ends the state
//	0x00, xxhash64 of everything before
//
// It uses chunks because a state's size is unknown before it has been written. The checksum distinguishes a damaged state from one that a
// component refuses.
const (
	magic         = "PSTK"
	formatVersion = 1
	chunkBytes    = 64 << 10
	headerBytes   = len(magic) + 1 + 8

	tagEnd   = 0
	tagState = 1
)

type encoder struct {
	w   io.Writer // feeds sum as well
	sum *xxhash.Digest
	out io.Writer
	buf *bufio.Writer // reused for each state
	err error
}

func newEncoder(w io.Writer, began time.Time) *encoder {
	e := &encoder{sum: xxhash.New(), out: w}
	e.w = io.MultiWriter(w, e.sum)
	e.buf = bufio.NewWriterSize(chunkWriter{e}, chunkBytes)
	header := append([]byte(magic), formatVersion)
	e.write(binary.LittleEndian.AppendUint64(header, uint64(began.UnixNano())))
	return e
}

// write remembers the first error.
func (e *encoder) write(p []byte) {
	if e.err == nil {
		_, e.err = e.w.Write(p)
	}
}

// state writes one state, which fill produces.
func (e *encoder) state(id string, fill func(io.Writer) error) error {
	head := binary.LittleEndian.AppendUint16([]byte{tagState}, uint16(len(id)))
	e.write(append(head, id...))
	if err := fill(e.buf); err != nil {
		return err
	}
	if err := e.buf.Flush(); err != nil {
		return err
	}
	e.write(make([]byte, 4))
	return e.err
}

func (e *encoder) close() error {
	e.write([]byte{tagEnd})
	if e.err != nil {
		return e.err
	}
	_, err := e.out.Write(binary.LittleEndian.AppendUint64(nil, e.sum.Sum64()))
	return err
}

type chunkWriter struct{ e *encoder }

func (c chunkWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.e.write(binary.LittleEndian.AppendUint32(nil, uint32(len(p))))
	c.e.write(p)
	return len(p), c.e.err
}

// decode returns the states in data by component id. Each is a slice of data if it fitted into one chunk, else a copy.
func decode(data []byte) (began time.Time, states map[string][]byte, err error) {
	damaged := func(what string) error { return fmt.Errorf("snapshot: %s: %w", what, ErrState) }
	if len(data) < headerBytes+1+8 || string(data[:len(magic)]) != magic {
		return began, nil, damaged("not a snapshot")
	}
	if v := data[len(magic)]; v != formatVersion {
		return began, nil, damaged(fmt.Sprintf("format version %d, this release reads %d", v, formatVersion))
	}
	body, sum := data[:len(data)-8], data[len(data)-8:]
	if xxhash.Sum64(body) != binary.LittleEndian.Uint64(sum) {
		return began, nil, damaged("checksum differs")
	}
	began = time.Unix(0, int64(binary.LittleEndian.Uint64(body[len(magic)+1:])))
	states = map[string][]byte{}
	rest := body[headerBytes:]
	take := func(n int) (p []byte, ok bool) {
		if n > len(rest) {
			return nil, false
		}
		p, rest = rest[:n:n], rest[n:]
		return p, true
	}
	for {
		tag, ok := take(1)
		if !ok {
			return began, nil, damaged("it ends early")
		}
		if tag[0] == tagEnd {
			return began, states, nil
		}
		size, ok := take(2)
		if !ok {
			return began, nil, damaged("it ends early")
		}
		id, ok := take(int(binary.LittleEndian.Uint16(size)))
		if !ok {
			return began, nil, damaged("it ends early")
		}
		var state []byte
		for {
			size, ok := take(4)
			if !ok {
				return began, nil, damaged("it ends early")
			}
			n := binary.LittleEndian.Uint32(size)
			if n == 0 {
				break
			}
			chunk, ok := take(int(n))
			if !ok {
				return began, nil, damaged("it ends early")
			}
			if state == nil {
				state = chunk
			} else {
				state = append(state, chunk...)
			}
		}
		states[string(id)] = state
	}
}
