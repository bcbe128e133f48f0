// Package pushrequest encodes Loki push requests directly into bytes.
//
// The messages are those of github.com/grafana/loki/pkg/push (push.proto): a request contains streams, a stream its labels as text and its
// entries. Encoding them without push.Entry values saves one allocation per attribute, and pairs that many entries share are encoded once.
//
// An entry is represented by its body: line and structured metadata, encoded. Its time is separate, because sorting and nudging need it,
// and is encoded when the request is assembled.
package pushrequest

import (
	"encoding/binary"
	"math/bits"
)

// Field tags of push.proto: number<<3 | 2 (length-delimited), or | 0 (varint).
const (
	tagRequestStream = 1<<3 | 2
	tagStreamLabels  = 1<<3 | 2
	tagStreamEntry   = 2<<3 | 2
	tagEntryTime     = 1<<3 | 2
	tagEntryLine     = 2<<3 | 2
	tagEntryPair     = 3<<3 | 2
	tagPairName      = 1<<3 | 2
	tagPairValue     = 2<<3 | 2
	tagTimeSeconds   = 1 << 3
	tagTimeNanos     = 2 << 3
)

const nanosPerSecond = 1_000_000_000

// Entry is one log entry of a stream.
type Entry struct {
	// Nanos is the entry's time, ns since the epoch, not before it.
	Nanos int64
	// Body is the output of AppendLine and AppendPair. It is not changed here.
	Body []byte
}

// AppendLine appends the entry field with the line.
func AppendLine(dst []byte, line string) []byte {
	return appendString(dst, tagEntryLine, line)
}

// LineBytes returns the length of the line in an entry's body.
func LineBytes(body []byte) int {
	if len(body) == 0 || body[0] != tagEntryLine {
		return 0
	}
	n, _ := binary.Uvarint(body[1:])
	return int(n)
}

// AppendPair appends one pair of structured metadata.
func AppendPair(dst []byte, name, value string) []byte {
	size := stringSize(name) + stringSize(value)
	dst = append(dst, tagEntryPair)
	dst = binary.AppendUvarint(dst, uint64(size))
	dst = appendString(dst, tagPairName, name)
	return appendString(dst, tagPairValue, value)
}

// EntrySize returns the bytes that e needs in its stream.
func EntrySize(e Entry) int {
	n := timeSize(e.Nanos) + len(e.Body)
	return 1 + uvarintSize(n) + n
}

// StreamOverhead bounds the bytes of a stream in a request in addition to its entries.
func StreamOverhead(labels string) int {
	return stringSize(labels) + 1 + binary.MaxVarintLen32
}

// AppendStream appends one stream of a push request. A request is a sequence of streams, so calling this for each makes a whole request.
func AppendStream(dst []byte, labels string, entries []Entry) []byte {
	size := stringSize(labels)
	for i := range entries {
		size += EntrySize(entries[i])
	}
	dst = append(dst, tagRequestStream)
	dst = binary.AppendUvarint(dst, uint64(size))
	dst = appendString(dst, tagStreamLabels, labels)
	for i := range entries {
		dst = appendEntry(dst, entries[i])
	}
	return dst
}

func appendEntry(dst []byte, e Entry) []byte {
	inner := timeSize(e.Nanos)
	dst = append(dst, tagStreamEntry)
	dst = binary.AppendUvarint(dst, uint64(inner+len(e.Body)))
	dst = append(dst, tagEntryTime, byte(inner-2))
	if seconds := uint64(e.Nanos / nanosPerSecond); seconds != 0 {
		dst = append(dst, tagTimeSeconds)
		dst = binary.AppendUvarint(dst, seconds)
	}
	if nanos := uint64(e.Nanos % nanosPerSecond); nanos != 0 {
		dst = append(dst, tagTimeNanos)
		dst = binary.AppendUvarint(dst, nanos)
	}
	return append(dst, e.Body...)
}

// timeSize is the size of an entry's time field, tag and length included. The
// message itself is at most 12 bytes, so its length always takes one.
func timeSize(nanos int64) int {
	n := 2
	if seconds := nanos / nanosPerSecond; seconds != 0 {
		n += 1 + uvarintSize(int(seconds))
	}
	if rest := nanos % nanosPerSecond; rest != 0 {
		n += 1 + uvarintSize(int(rest))
	}
	return n
}

func appendString(dst []byte, tag byte, s string) []byte {
	dst = append(dst, tag)
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func stringSize(s string) int { return 1 + uvarintSize(len(s)) + len(s) }

func uvarintSize(n int) int { return (bits.Len64(uint64(n)|1) + 6) / 7 }
