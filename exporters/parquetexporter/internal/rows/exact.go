package rows

import (
	"encoding/binary"
	"math"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
)

// The column exact is an opentelemetry.proto.common.v1.KeyValueList, field number by field number
// (https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/common/v1/common.proto). Its keys name
// the column, or the element of a list column, whose value the file's own types can't carry.
const (
	tagListEntry   = 1<<3 | 2 // KeyValueList.values, ArrayValue.values
	tagKey         = 1<<3 | 2
	tagValue       = 2<<3 | 2
	tagStringValue = 1<<3 | 2
	tagBoolValue   = 2 << 3
	tagIntValue    = 3 << 3
	tagDoubleValue = 4<<3 | 1
	tagArrayValue  = 5<<3 | 2
	tagKvlistValue = 6<<3 | 2
	tagBytesValue  = 7<<3 | 2
)

// appendSized appends a length-delimited field whose content append writes.
func appendSized(b []byte, tag byte, content func([]byte) []byte) []byte {
	b = append(b, tag)
	start := len(b)
	b = content(b)
	var prefix [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(prefix[:], uint64(len(b)-start))
	b = append(b, prefix[:n]...)
	copy(b[start+n:], b[start:len(b)-n])
	copy(b[start:], prefix[:n])
	return b
}

func appendString(b []byte, tag byte, s string) []byte {
	b = binary.AppendUvarint(append(b, tag), uint64(len(s)))
	return append(b, s...)
}

// appendKeyValue appends one entry of a KeyValueList; value writes an AnyValue.
func appendKeyValue(b []byte, key string, value func([]byte) []byte) []byte {
	return appendSized(b, tagListEntry, func(b []byte) []byte {
		return appendSized(appendString(b, tagKey, key), tagValue, value)
	})
}

func appendMap(b []byte, m pcommon.Map) []byte {
	for k, v := range m.All() {
		b = appendKeyValue(b, k, func(b []byte) []byte { return appendAny(b, v) })
	}
	return b
}

// appendAny appends the content of an AnyValue; an empty value has none.
func appendAny(b []byte, v pcommon.Value) []byte {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return appendString(b, tagStringValue, v.Str())
	case pcommon.ValueTypeBool:
		if v.Bool() {
			return append(b, tagBoolValue, 1)
		}
		return append(b, tagBoolValue, 0)
	case pcommon.ValueTypeInt:
		return binary.AppendUvarint(append(b, tagIntValue), uint64(v.Int()))
	case pcommon.ValueTypeDouble:
		return binary.LittleEndian.AppendUint64(append(b, tagDoubleValue), math.Float64bits(v.Double()))
	case pcommon.ValueTypeBytes:
		raw := v.Bytes().AsRaw()
		return append(binary.AppendUvarint(append(b, tagBytesValue), uint64(len(raw))), raw...)
	case pcommon.ValueTypeMap:
		return appendSized(b, tagKvlistValue, func(b []byte) []byte { return appendMap(b, v.Map()) })
	case pcommon.ValueTypeSlice:
		return appendSized(b, tagArrayValue, func(b []byte) []byte {
			for _, e := range v.Slice().All() {
				b = appendSized(b, tagListEntry, func(b []byte) []byte { return appendAny(b, e) })
			}
			return b
		})
	}
	return b
}

// appendEntities appends a resource's entity references as AnyValue: an array of {schema_url, type, id_keys, description_keys}.
func appendEntities(b []byte, refs entity.EntityRefSlice) []byte {
	list := pcommon.NewValueSlice()
	for _, ref := range refs.All() {
		m := list.Slice().AppendEmpty().SetEmptyMap()
		m.PutStr("schema_url", ref.SchemaUrl())
		m.PutStr("type", ref.Type())
		putStrings(m.PutEmptySlice("id_keys"), ref.IdKeys())
		putStrings(m.PutEmptySlice("description_keys"), ref.DescriptionKeys())
	}
	return appendAny(b, list)
}

func putStrings(to pcommon.Slice, from pcommon.StringSlice) {
	for _, s := range from.All() {
		to.AppendEmpty().SetStr(s)
	}
}
