package wire

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed says that bytes are not a protobuf message.
var ErrMalformed = errors.New("malformed protobuf message")

const (
	typeVarint  = 0
	typeFixed64 = 1
	typeBytes   = 2
	typeFixed32 = 5
)

// Field is one field of a message.
type Field struct {
	Number int
	// Raw is the whole field, tag included.
	Raw []byte
	// Bytes is the content of a length-delimited field, nil for other types.
	Bytes []byte
}

// Fields calls visit for each field of msg, in order; false ends it early. The slices point into msg.
func Fields(msg []byte, visit func(Field) bool) error {
	for len(msg) > 0 {
		tag, n := binary.Uvarint(msg)
		if n <= 0 || tag>>3 == 0 {
			return ErrMalformed
		}
		f := Field{Number: int(tag >> 3)}
		size := n
		switch tag & 7 {
		case typeVarint:
			_, m := binary.Uvarint(msg[n:])
			if m <= 0 {
				return ErrMalformed
			}
			size += m
		case typeFixed64:
			size += 8
		case typeFixed32:
			size += 4
		case typeBytes:
			length, m := binary.Uvarint(msg[n:])
			if m <= 0 || length > uint64(len(msg)-n-m) {
				return ErrMalformed
			}
			f.Bytes = msg[n+m : n+m+int(length)]
			size += m + int(length)
		default:
			return ErrMalformed
		}
		if size > len(msg) {
			return ErrMalformed
		}
		f.Raw, msg = msg[:size], msg[size:]
		if !visit(f) {
			return nil
		}
	}
	return nil
}

// AppendBytes appends a length-delimited field.
func AppendBytes(dst []byte, number int, content []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(number)<<3|typeBytes)
	dst = binary.AppendUvarint(dst, uint64(len(content)))
	return append(dst, content...)
}
