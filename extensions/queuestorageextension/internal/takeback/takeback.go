// Package takeback moves a queue's requests in flight back into its read range, so that a queue that starts after a crash reads them in its normal
// way and has nothing to recover.
//
// A persistent queue of exporterhelper numbers its requests. Those in [read, write) wait; those that consumers hold ("dispatched") are below read,
// in any order and with gaps where later requests were finished first. The package moves the dispatched requests together directly below read, each
// in one transaction, and then sets read back below them, in another transaction. So every request is in the queue exactly once at every moment.
package takeback

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of the fields of exporterhelper's message PersistentMetadata (internal/queue/meta.proto, v0.159).
const (
	fieldReadIndex  = protowire.Number(3)
	fieldWriteIndex = protowire.Number(4)
	fieldDispatched = protowire.Number(5)
)

// ErrMalformed says that bytes are not the metadata of a queue in a known form.
var ErrMalformed = errors.New("malformed queue metadata")

// Metadata is the state of a queue. It is not safe for concurrent use.
type Metadata struct {
	read, write uint64
	dispatched  []uint64 // ascending, distinct, all below read
	rest        []byte   // unchanged fields that only the queue understands
}

// Move is a request to be stored under another number.
type Move struct {
	From, To uint64
}

// Parse parses the queue's own encoding. It keeps unknown fields for Append. The result does not alias encoded.
func Parse(encoded []byte) (Metadata, error) {
	var m Metadata
	for len(encoded) > 0 {
		number, kind, tagLen := protowire.ConsumeTag(encoded)
		if tagLen < 0 {
			return Metadata{}, fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(tagLen))
		}
		valueLen := protowire.ConsumeFieldValue(number, kind, encoded[tagLen:])
		if valueLen < 0 {
			return Metadata{}, fmt.Errorf("%w: field %d: %w", ErrMalformed, number, protowire.ParseError(valueLen))
		}
		field, value := encoded[:tagLen+valueLen], encoded[tagLen:tagLen+valueLen]
		encoded = encoded[len(field):]
		if number < fieldReadIndex || number > fieldDispatched {
			m.rest = append(m.rest, field...)
			continue
		}
		indexes, err := fixed64s(kind, value)
		if err != nil {
			return Metadata{}, fmt.Errorf("%w: field %d: %w", ErrMalformed, number, err)
		}
		switch {
		case number == fieldDispatched:
			m.dispatched = append(m.dispatched, indexes...)
		case len(indexes) != 1:
			return Metadata{}, fmt.Errorf("%w: field %d is a list", ErrMalformed, number)
		case number == fieldReadIndex:
			m.read = indexes[0]
		default:
			m.write = indexes[0]
		}
	}
	if m.read > m.write {
		return Metadata{}, fmt.Errorf("%w: read index %d is past write index %d", ErrMalformed, m.read, m.write)
	}
	slices.Sort(m.dispatched)
	m.dispatched = slices.Compact(m.dispatched)
	if n := len(m.dispatched); n > 0 && m.dispatched[n-1] >= m.read {
		return Metadata{}, fmt.Errorf("%w: request %d is dispatched and not yet read", ErrMalformed, m.dispatched[n-1])
	}
	return m, nil
}

// fixed64s decodes a single or packed value.
func fixed64s(kind protowire.Type, value []byte) ([]uint64, error) {
	if kind == protowire.BytesType {
		value, _ = protowire.ConsumeBytes(value)
	} else if kind != protowire.Fixed64Type {
		return nil, fmt.Errorf("wire type %d instead of fixed64", kind)
	}
	if len(value)%8 != 0 {
		return nil, fmt.Errorf("%d bytes are not a list of fixed64", len(value))
	}
	indexes := make([]uint64, 0, len(value)/8)
	for len(value) > 0 {
		index, _ := protowire.ConsumeFixed64(value)
		indexes = append(indexes, index)
		value = value[8:]
	}
	return indexes, nil
}

// Append appends the queue's encoding of m to b.
func (m *Metadata) Append(b []byte) []byte {
	b = append(b, m.rest...)
	b = protowire.AppendTag(b, fieldReadIndex, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, m.read)
	b = protowire.AppendTag(b, fieldWriteIndex, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, m.write)
	if len(m.dispatched) == 0 {
		return b
	}
	b = protowire.AppendTag(b, fieldDispatched, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(m.dispatched))*8)
	for _, index := range m.dispatched {
		b = protowire.AppendFixed64(b, index)
	}
	return b
}

// Dispatched returns the numbers of the requests in flight, ascending. The caller owns the result.
func (m *Metadata) Dispatched() []uint64 {
	return slices.Clone(m.dispatched)
}

// Forget removes a request that is no longer stored from those in flight.
func (m *Metadata) Forget(index uint64) {
	if at, found := slices.BinarySearch(m.dispatched, index); found {
		m.dispatched = slices.Delete(m.dispatched, at, at+1)
	}
}

// NextMove returns a move that brings the requests in flight closer together and keeps their order, or false if they lie without a gap directly
// below the read index. The new number is free, and larger than the old one.
func (m *Metadata) NextMove() (Move, bool) {
	to := m.read
	for _, from := range slices.Backward(m.dispatched) {
		to--
		if from != to {
			return Move{From: from, To: to}, true
		}
	}
	return Move{}, false
}

// After returns the state after move, the NextMove of m. The result and m share no mutable data.
func (m *Metadata) After(move Move) Metadata {
	next := *m
	next.dispatched = slices.Clone(m.dispatched)
	if at, found := slices.BinarySearch(next.dispatched, move.From); found {
		next.dispatched[at] = move.To
	}
	return next
}

// Rewind sets the read index back to the first request in flight; then none is in flight. The queue reads missing numbers in between as missing
// requests.
func (m *Metadata) Rewind() {
	if len(m.dispatched) > 0 {
		m.read = m.dispatched[0]
		m.dispatched = nil
	}
}

// Waiting returns the numbers of the waiting requests: from read up to, not including, write.
func (m *Metadata) Waiting() (read, write uint64) { return m.read, m.write }

// Holding returns the metadata of a queue in which requests, ascending, are all in flight and none waits. The other fields are those of m.
func (m *Metadata) Holding(requests []uint64) Metadata {
	next := Metadata{dispatched: slices.Clone(requests), rest: m.rest}
	if n := len(requests); n > 0 {
		next.read = requests[n-1] + 1
		next.write = next.read
	}
	return next
}
