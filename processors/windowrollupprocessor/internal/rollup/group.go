package rollup

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/internal/tenant"
)

// A grouping decides which attributes an output stream keeps. Without one (both nil) it keeps all.
type grouping struct {
	by, without []string
}

func (g grouping) all() bool { return g.by == nil && g.without == nil }

func (g grouping) keeps(name string) bool {
	switch {
	case g.by != nil:
		return slices.Contains(g.by, name)
	case g.without != nil:
		return !slices.Contains(g.without, name)
	default:
		return true
	}
}

// keepsOfResource keeps the tenant in every grouping: tenants are never merged.
func (g grouping) keepsOfResource(name string) bool { return name == tenant.Attribute || g.keeps(name) }

// keyOf returns the key of the attributes that keep accepts.
func keyOf(m pcommon.Map, keep func(string) bool) (sum streamkey.Key) {
	for name, v := range m.All() {
		if keep(name) {
			sum = sum.Plus(streamkey.Attribute(name, v))
		}
	}
	return sum
}

// keyOf returns the key of the attributes that g keeps.
func (g grouping) keyOf(m pcommon.Map) (sum streamkey.Key) {
	for name, v := range m.All() {
		if g.keeps(name) {
			sum = sum.Plus(streamkey.Attribute(name, v))
		}
	}
	return sum
}

// keyOfText returns the key of a text that is not an attribute; name identifies it.
func keyOfText(name, text string) streamkey.Key {
	return streamkey.Attribute(name, pcommon.NewValueStr(text))
}

// metricID is the part of a metric, in addition to its name, that makes output streams different. Temporality does not: increments are
// increments.
type metricID struct {
	name, unit string
	kind       pmetric.MetricType
	monotonic  bool
}

func identify(m pmetric.Metric) metricID {
	return metricID{m.Name(), m.Unit(), m.Type(), m.Type() == pmetric.MetricTypeSum && m.Sum().IsMonotonic()}
}

func (id metricID) key() streamkey.Key {
	return keyOfText("name", id.name).Plus(keyOfText("unit", id.unit)).
		Plus(keyOfText("type", fmt.Sprint(id.kind, id.monotonic)))
}

// Attributes are stored as two strings: names, which many streams share, and values.

const (
	tagString = iota
	tagInt
	tagDouble
	tagFalse
	tagTrue
)

type attribute struct {
	name  string
	value pcommon.Value
}

// attributeEncoder is reusable memory for encoding.
type attributeEncoder struct {
	kept          []attribute
	names, values []byte
}

// encodeAttributes writes the attributes that keep accepts, ordered by name. Of several with the same name the first counts. The result is
// valid until the next call.
func (a *attributeEncoder) encode(m pcommon.Map, keep func(string) bool) (names, values []byte) {
	kept := a.kept[:0]
	names, values = a.names[:0], a.values[:0]
	for name, v := range m.All() {
		if keep == nil || keep(name) {
			kept = append(kept, attribute{name, v})
		}
	}
	slices.SortStableFunc(kept, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	for i, x := range kept {
		if i > 0 && x.name == kept[i-1].name {
			continue
		}
		names = appendString(names, x.name)
		values = encodeValue(values, x.value)
	}
	a.kept, a.names, a.values = kept, names, values
	return names, values
}

func encodeValue(b []byte, v pcommon.Value) []byte {
	switch v.Type() {
	case pcommon.ValueTypeInt:
		return binary.AppendVarint(append(b, tagInt), v.Int())
	case pcommon.ValueTypeDouble:
		return binary.LittleEndian.AppendUint64(append(b, tagDouble), math.Float64bits(v.Double()))
	case pcommon.ValueTypeBool:
		if v.Bool() {
			return append(b, tagTrue)
		}
		return append(b, tagFalse)
	default: // lists, maps and bytes are encoded as their text
		return appendString(append(b, tagString), v.AsString())
	}
}

// decodeAttributes adds the attributes that an attributeEncoder wrote to m, which shares the strings' memory. They come from this package
// or from a state with a valid checksum, so it merely leaves out what it can't decode.
func decodeAttributes(names, values string, m pcommon.Map) {
	for values != "" {
		name, rest, ok := cutString(names)
		if !ok {
			return
		}
		names = rest
		values = setValue(m.PutEmpty(name), values[0], values[1:])
	}
}

// setValue sets v to the first of encoded values, whose tag has been read, and returns the others.
func setValue(v pcommon.Value, tag byte, values string) (rest string) {
	switch tag {
	case tagString:
		text, rest, ok := cutString(values)
		if !ok {
			return ""
		}
		v.SetStr(text)
		return rest
	case tagInt:
		i, n := binary.Varint([]byte(values[:min(len(values), binary.MaxVarintLen64)]))
		if n <= 0 {
			return ""
		}
		v.SetInt(i)
		return values[n:]
	case tagDouble:
		if len(values) < 8 {
			return ""
		}
		v.SetDouble(math.Float64frombits(binary.LittleEndian.Uint64([]byte(values[:8]))))
		return values[8:]
	default:
		v.SetBool(tag == tagTrue)
		return values
	}
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func cutString(s string) (head, rest string, ok bool) {
	n, size := binary.Uvarint([]byte(s[:min(len(s), binary.MaxVarintLen64)]))
	if size <= 0 || n > uint64(len(s)-size) {
		return "", s, false
	}
	return s[size : size+int(n)], s[size+int(n):], true
}
