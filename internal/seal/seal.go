// Package seal prepends a checksum to a value, so that a value that a disk has changed can be detected.
//
// A sealed value is 8 bytes with which no value of a collector begins, the CRC-32C of the value (little endian), and the value. A value without a
// seal, from an earlier release, is accepted unchanged.
package seal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/bits"
)

// ErrDamaged says that a value differs from the sealed one.
var ErrDamaged = errors.New("the value does not match its checksum")

const (
	// mark begins a sealed value. Protobuf messages can't begin with its first byte (wire type 7), nor can JSON and text.
	mark       = 0xF7_50_53_4B_9C_E3_A1_01
	markSize   = 8
	headerSize = markSize + 4
	// maxFlips is how many bits of the mark may differ for a value to count as damaged instead of unsealed.
	maxFlips = 8
)

var table = crc32.MakeTable(crc32.Castagnoli)

// Seal returns value with its checksum prepended, in new memory.
func Seal(value []byte) []byte {
	b := make([]byte, 0, headerSize+len(value))
	b = binary.BigEndian.AppendUint64(b, mark)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(value, table))
	return append(b, value...)
}

// Open returns the value in sealed, which it shares memory with, or ErrDamaged. A value without a seal is returned unchanged, unless it begins with
// 8 zeros, as after the loss of a disk block.
func Open(sealed []byte) ([]byte, error) {
	if len(sealed) < markSize {
		if len(sealed) > 0 && bytes.HasPrefix(binary.BigEndian.AppendUint64(nil, mark), sealed) {
			return nil, ErrDamaged
		}
		return sealed, nil
	}
	found := binary.BigEndian.Uint64(sealed)
	switch {
	case found == mark && len(sealed) >= headerSize:
		value := sealed[headerSize:]
		if crc32.Checksum(value, table) != binary.LittleEndian.Uint32(sealed[markSize:]) {
			return nil, ErrDamaged
		}
		return value, nil
	case found == 0, bits.OnesCount64(found^mark) <= maxFlips:
		return nil, ErrDamaged
	}
	return sealed, nil
}
