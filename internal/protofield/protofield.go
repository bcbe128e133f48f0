// Package protofield walks through the fields of an encoded protobuf message, for messages of which only a few fields are needed.
package protofield

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// Errors of Each.
var (
	ErrTag   = errors.New("a field's tag is wrong")
	ErrValue = errors.New("a field's value is wrong")
)

// Each calls visit with each field of a message: the bytes of a length-delimited one, which alias message, or the number of a varint; neither for a
// field of another type. It ends with the first error, its own or one of visit.
func Each(message []byte, visit func(number protowire.Number, value []byte, n uint64) error) error {
	for len(message) > 0 {
		number, kind, used := protowire.ConsumeTag(message)
		if used < 0 {
			return ErrTag
		}
		message = message[used:]
		var value []byte
		var n uint64
		switch kind {
		case protowire.BytesType:
			value, used = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			n, used = protowire.ConsumeVarint(message)
		default:
			used = protowire.ConsumeFieldValue(number, kind, message)
		}
		if used < 0 {
			return ErrValue
		}
		message = message[used:]
		if err := visit(number, value, n); err != nil {
			return err
		}
	}
	return nil
}
