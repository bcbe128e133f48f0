// Package nesting tells how deeply encoded data is nested, without decoding it and without recursion.
package nesting

import "encoding/binary"

// Wire types of protobuf.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// ProtobufExceeds says whether the message in b may hold messages in each other more than limit deep. It knows no schema: what
// could be a message is taken for one as soon as it is entered, because a decoder enters it too, whatever comes later. So it never
// misses depth, and bytes that happen to look like messages count; as each lies within the one around it, that hardly ever goes
// beyond a few levels. Time is linear in len(b): what turns out not to be a message is left at once and not looked at again.
// Memory is eight bytes a level. Groups, which OTLP does not have, are not entered.
func ProtobufExceeds(b []byte, limit int) bool {
	ends := make([]int, 1, 32) // ends of the messages that lie around pos
	ends[0] = len(b)
	for pos := 0; ; {
		for pos >= ends[len(ends)-1] {
			if len(ends) == 1 {
				return false
			}
			ends = ends[:len(ends)-1]
		}
		end := ends[len(ends)-1]
		next, length, ok := field(b[pos:end])
		switch {
		case !ok: // not a message after all
			pos = end
		case length == 0:
			pos += next
		case len(ends) >= limit:
			return true
		default:
			pos += next
			ends = append(ends, pos+length)
		}
	}
}

// field reads the field at the beginning of b. next is where its value begins if it is a non-empty run of bytes of this length,
// or else where the field ends.
func field(b []byte) (next, length int, ok bool) {
	tag, n := binary.Uvarint(b)
	if n <= 0 || tag>>3 == 0 {
		return 0, 0, false
	}
	switch tag & 7 {
	case wireVarint:
		_, m := binary.Uvarint(b[n:])
		return n + m, 0, m > 0
	case wireFixed64:
		return n + 8, 0, len(b) >= n+8
	case wireFixed32:
		return n + 4, 0, len(b) >= n+4
	case wireBytes:
		size, m := binary.Uvarint(b[n:])
		if m <= 0 || size > uint64(len(b)-n-m) {
			return 0, 0, false
		}
		return n + m, int(size), true
	default:
		return 0, 0, false
	}
}

// JSONExceeds says whether objects and arrays lie in each other more than limit deep. It does not check that b is JSON.
func JSONExceeds(b []byte, limit int) bool {
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
