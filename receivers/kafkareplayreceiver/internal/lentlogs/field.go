package lentlogs

import "encoding/binary"

// Tags of fields: number << 3 | wire type. Every field of the messages below has a tag of one byte.
// https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto
const (
	requestResource = 1<<3 | typeBytes

	resourceResource = 1<<3 | typeBytes
	resourceScope    = 2<<3 | typeBytes
	resourceURL      = 3<<3 | typeBytes

	attributesOfResource = 1<<3 | typeBytes
	droppedOfResource    = 2<<3 | typeVarint

	scopeScope  = 1<<3 | typeBytes
	scopeRecord = 2<<3 | typeBytes
	scopeURL    = 3<<3 | typeBytes

	scopeName         = 1<<3 | typeBytes
	scopeVersion      = 2<<3 | typeBytes
	attributesOfScope = 3<<3 | typeBytes
	droppedOfScope    = 4<<3 | typeVarint

	recordTime         = 1<<3 | typeFixed64
	recordNumber       = 2<<3 | typeVarint
	recordText         = 3<<3 | typeBytes
	recordBody         = 5<<3 | typeBytes
	attributesOfRecord = 6<<3 | typeBytes
	droppedOfRecord    = 7<<3 | typeVarint
	recordFlags        = 8<<3 | typeFixed32
	recordTrace        = 9<<3 | typeBytes
	recordSpan         = 10<<3 | typeBytes
	recordObserved     = 11<<3 | typeFixed64
	recordEvent        = 12<<3 | typeBytes

	entryKey   = 1<<3 | typeBytes
	entryValue = 2<<3 | typeBytes

	valueString = 1<<3 | typeBytes
	valueBool   = 2<<3 | typeVarint
	valueInt    = 3<<3 | typeVarint
	valueDouble = 4<<3 | typeFixed64
	valueArray  = 5<<3 | typeBytes
	valueMap    = 6<<3 | typeBytes
	valueBytes  = 7<<3 | typeBytes

	elementOfList = 1<<3 | typeBytes // of ArrayValue and KeyValueList
)

const (
	typeVarint  = 0
	typeFixed64 = 1
	typeBytes   = 2
	typeFixed32 = 5
)

// cut takes the first field from b, which is not empty: content of typeBytes, or a number. What it returns stays in registers.
func cut(b []byte) (tag byte, number uint64, content, rest []byte, ok bool) {
	tag = b[0]
	switch tag & 7 {
	case typeBytes:
		length, n := varint(b[1:])
		if n <= 0 || length > uint64(len(b)-1-n) {
			return tag, 0, nil, nil, false
		}
		end := 1 + n + int(length)
		return tag, 0, b[1+n : end], b[end:], true
	case typeVarint:
		number, n := varint(b[1:])
		if n <= 0 {
			return tag, 0, nil, nil, false
		}
		return tag, number, nil, b[1+n:], true
	case typeFixed64:
		if len(b) < 9 {
			return tag, 0, nil, nil, false
		}
		return tag, binary.LittleEndian.Uint64(b[1:]), nil, b[9:], true
	case typeFixed32:
		if len(b) < 5 {
			return tag, 0, nil, nil, false
		}
		return tag, uint64(binary.LittleEndian.Uint32(b[1:])), nil, b[5:], true
	}
	return tag, 0, nil, nil, false
}

// varint is binary.Uvarint, which the compiler does not inline, with a short way for one byte.
func varint(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return binary.Uvarint(b)
}

// count returns the number of fields of b with tag, up to the first malformed one.
func count(b []byte, tag byte) (n int) {
	for len(b) > 0 {
		t, _, _, rest, ok := cut(b)
		if !ok {
			return n
		}
		if t == tag {
			n++
		}
		b = rest
	}
	return n
}
