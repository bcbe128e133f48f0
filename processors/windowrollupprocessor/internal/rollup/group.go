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

// keepsOfResource keeps the tenant whatever the grouping: tenants are never merged.
func (g grouping) keepsOfResource(name string) bool { return name == tenant.Attribute || g.keeps(name) }

// keyOf returns the key of those attributes that keep keeps.
func keyOf(m pcommon.Map, keep func(string) bool) (sum streamkey.Key) {
	for name, v := range m.All() {
		if keep(name) {
			sum = sum.Plus(streamkey.Attribute(name, v))
		}
	}
	return sum
}

// keyOfText returns the key of something that is no attribute; name tells what it is.
func keyOfText(name, text string) streamkey.Key {
	return streamkey.Attribute(name, pcommon.NewValueStr(text))
}

// metricID is what makes two metrics of one name different streams of the output. Temporality does not: increments are
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

// Attributes are kept as two strings: names, of which many streams share the same, and values.

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

// encodeAttributes writes what keep keeps, ordered by name. Of several with one name the first counts.
func encodeAttributes(m pcommon.Map, keep func(string) bool) (names, values []byte) {
	if m.Len() == 0 {
		return nil, nil
	}
	kept := make([]attribute, 0, 16)
	for name, v := range m.All() {
		if keep == nil || keep(name) {
			kept = append(kept, attribute{name, v})
		}
	}
	slices.SortStableFunc(kept, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	names, values = make([]byte, 0, 256), make([]byte, 0, 256)
	for i, a := range kept {
		if i > 0 && a.name == kept[i-1].name {
			continue
		}
		names = appendString(names, a.name)
		values = encodeValue(values, a.value)
	}
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
	default: // lists, maps and bytes come out as their text
		return appendString(append(b, tagString), v.AsString())
	}
}

// decodeAttributes puts what encodeAttributes wrote into m, which shares the strings' memory. They come from this
// package or from a state whose checksum was right, so what does not fit is only left out.
func decodeAttributes(names, values string, m pcommon.Map) {
	const usual = 12
	m.EnsureCapacity(usual)
	for {
		name, rest, ok := cutString(names)
		if !ok || values == "" {
			return
		}
		names = rest
		tag := values[0]
		values = values[1:]
		switch tag {
		case tagString:
			var v string
			if v, values, ok = cutString(values); !ok {
				return
			}
			m.PutStr(name, v)
		case tagInt:
			v, n := binary.Varint([]byte(values[:min(len(values), binary.MaxVarintLen64)]))
			if n <= 0 {
				return
			}
			m.PutInt(name, v)
			values = values[n:]
		case tagDouble:
			if len(values) < 8 {
				return
			}
			m.PutDouble(name, math.Float64frombits(binary.LittleEndian.Uint64([]byte(values[:8]))))
			values = values[8:]
		default:
			m.PutBool(name, tag == tagTrue)
		}
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
