package otlp

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Sieve returns the request in b, in protobuf, without the items for which check returns an error, and without those that have more than limit
// bytes together with their resource, scope and metric. check gets a request with one item (or none: then the resource, scope or metric is
// checked), which it must not keep. An error is about the whole request: ErrProtobuf. Time is linear in len(b), without check; memory twice the
// request.
func Sieve(signal Signal, b []byte, limit int, check func(request []byte) error) (out []byte, rejected Rejected, err error) {
	s := &sieve{check: check, limit: limit, rejected: &rejected}
	out, ok := s.message(make([]byte, 0, len(b)), signal.root(), b)
	if !ok {
		return nil, rejected, ErrProtobuf
	}
	return out, rejected, nil
}

// Error turns check's error into one about an item: the reason, and a description.
func (r Reason) Error(what string) error { return &fault{reason: r, what: what} }

// sieve walks through the messages around items. numbers are the fields on the path.
type sieve struct {
	check    func([]byte) error
	limit    int // bytes of an item with all enclosing messages
	around   int // bytes of the item's resource, scope and metric
	rejected *Rejected
	numbers  []uint64
	path     []step
}

// leads says whether a field leads to items: a list, or one of a metric's kinds.
func leads(f *field) bool {
	return f != nil && f.form == embedded && (f.message.level != part || f.message.byNumber[1] != nil && f.message.byNumber[1].form == embedded &&
		f.message.byNumber[1].message.level == itemLevel)
}

// message appends the remaining part of m to out; false: its frame is malformed.
func (s *sieve) message(out []byte, m *message, b []byte) ([]byte, bool) {
	indexes := map[uint64]int{}
	for len(b) > 0 {
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return out, false
		}
		size := protowire.ConsumeFieldValue(number, wire, b[n:])
		if size < 0 {
			return out, false
		}
		whole, value := b[:n+size], b[n:n+size]
		b = b[n+size:]
		f := m.byNumber[uint64(number)]
		if wire != protowire.BytesType || !leads(f) {
			out = append(out, whole...)
			continue
		}
		value, _ = protowire.ConsumeBytes(value)
		index := -1
		if f.repeated {
			index = indexes[f.number]
			indexes[f.number]++
		}
		s.path, s.numbers = append(s.path, step{f.name, index}), append(s.numbers, f.number)
		out = s.element(out, f, value)
		s.path, s.numbers = s.path[:len(s.path)-1], s.numbers[:len(s.numbers)-1]
	}
	return out, true
}

// element appends the remaining part of one element of a list.
func (s *sieve) element(out []byte, f *field, value []byte) []byte {
	if f.message.level == itemLevel {
		err := s.fits(value)
		if err == nil {
			err = s.runCheck(value)
		}
		if err != nil {
			s.reject(err, 1)
			return out
		}
		return protowire.AppendBytes(protowire.AppendTag(out, protowire.Number(f.number), protowire.BytesType), value)
	}
	shell, items, ok := frame(f.message, value)
	err := error(nil)
	if !ok {
		err = Malformed.Error("is not a valid message")
	} else if err = s.fits(shell); err == nil {
		err = s.runCheck(shell)
	}
	if err != nil {
		s.reject(err, items)
		return out
	}
	before := s.rejected.Items
	s.around += len(shell)
	inner, ok := s.message(make([]byte, 0, len(value)), f.message, value)
	s.around -= len(shell)
	if !ok || len(inner) == len(shell) && s.rejected.Items > before {
		return out // nothing remains in it
	}
	return protowire.AppendBytes(protowire.AppendTag(out, protowire.Number(f.number), protowire.BytesType), inner)
}

// fits says whether b, an item or an enclosing message, is within the limit together with the messages around it.
func (s *sieve) fits(b []byte) error {
	if len(b)+s.around > s.limit {
		return Size.Error(fmt.Sprintf("has more than %d bytes with its resource and scope (max_item_size)", s.limit))
	}
	return nil
}

// runCheck calls check with a request that contains only the message.
func (s *sieve) runCheck(b []byte) error {
	request := append(make([]byte, 0, len(b)+16*len(s.numbers)), b...)
	for i := len(s.numbers) - 1; i >= 0; i-- {
		head := protowire.AppendTag(nil, protowire.Number(s.numbers[i]), protowire.BytesType)
		head = protowire.AppendVarint(head, uint64(len(request)))
		request = append(request, head...)
		copy(request[len(head):], request)
		copy(request, head)
	}
	return s.check(request)
}

// frame returns a message without the fields that lead to items, and its number of items; ok is false if it is malformed.
func frame(m *message, b []byte) (shell []byte, items int, ok bool) {
	ok = true
	for len(b) > 0 {
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return shell, items, false
		}
		size := protowire.ConsumeFieldValue(number, wire, b[n:])
		if size < 0 {
			return shell, items, false
		}
		f := m.byNumber[uint64(number)]
		switch {
		case wire != protowire.BytesType || !leads(f):
			shell = append(shell, b[:n+size]...)
		case f.message.level == itemLevel:
			items++
		default:
			value, _ := protowire.ConsumeBytes(b[n:])
			_, more, _ := frame(f.message, value)
			items += more
		}
		b = b[n+size:]
	}
	return shell, items, ok
}

func (s *sieve) reject(err error, items int) {
	f, ok := err.(*fault)
	if !ok {
		f = &fault{reason: Malformed, what: "is not a valid message"}
	}
	t := transcoder{path: s.path}
	f.where = t.where()
	s.rejected.add(f, items)
}
