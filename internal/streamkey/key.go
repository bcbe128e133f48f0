package streamkey

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/zeebo/xxh3"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Key identifies a stream, a resource, or any other set of attributes. The zero Key is that of the empty set. Keys are
// comparable, the same on every host and after every restart, and safe to store.
type Key struct{ Hi, Lo uint64 }

// Append appends k to b, in 16 bytes.
func (k Key) Append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, k.Hi), k.Lo)
}

// Decode reads a key that Append wrote from the first 16 bytes of b, which must exist.
func Decode(b []byte) Key {
	return Key{Hi: binary.BigEndian.Uint64(b), Lo: binary.BigEndian.Uint64(b[8:])}
}

// Plus returns the key of the union of two disjoint sets of attributes. It is commutative and associative.
func (k Key) Plus(o Key) Key { return Key{Hi: k.Hi + o.Hi, Lo: k.Lo + o.Lo} }

// Minus removes the elements of o from k: for a whole attribute set and some of its attributes, it is the key of the set without them.
func (k Key) Minus(o Key) Key { return Key{Hi: k.Hi - o.Hi, Lo: k.Lo - o.Lo} }

// In returns the key of k inside parent: the attributes of a data point inside its metric. It is not commutative, and
// Plus and Minus no longer apply to the result.
func (k Key) In(parent Key) Key {
	return Key{
		Hi: mix(k.Hi^bits.RotateLeft64(parent.Hi, 23), k.Lo+parent.Lo),
		Lo: mix(k.Lo^bits.RotateLeft64(parent.Lo, 41), k.Hi+parent.Hi),
	}
}

// Stream returns the key of one stream: the attributes of a data point inside metric (see [Metric]).
func Stream(metric Key, attributes pcommon.Map) Key { return Attributes(attributes).In(metric) }

// Metric returns the key of everything that identifies a stream beside its attributes: resource, scope (see [Resource],
// [Scope]), name, unit, type, temporality and monotonicity. The description does not count.
func Metric(resource, scope Key, m pmetric.Metric) Key {
	kind := uint64(m.Type())
	switch m.Type() {
	case pmetric.MetricTypeSum:
		kind |= uint64(m.Sum().AggregationTemporality()) << 8
		if m.Sum().IsMonotonic() {
			kind |= 1 << 16
		}
	case pmetric.MetricTypeHistogram:
		kind |= uint64(m.Histogram().AggregationTemporality()) << 8
	case pmetric.MetricTypeExponentialHistogram:
		kind |= uint64(m.ExponentialHistogram().AggregationTemporality()) << 8
	}
	own := pair(text(m.Name()), text(m.Unit()), kind)
	return own.In(scope.In(resource))
}

// Resource returns the key of a resource: its attributes.
func Resource(r pcommon.Resource) Key { return Attributes(r.Attributes()) }

// Scope returns the key of an instrumentation scope: name, version and attributes.
func Scope(s pcommon.InstrumentationScope) Key {
	return Attributes(s.Attributes()).Plus(pair(text(s.Name()), text(s.Version()), kindScope))
}

// Attributes returns the key of a set of attributes, whatever their order: the sum of [Attribute] over them.
func Attributes(m pcommon.Map) Key {
	var sum Key
	m.Range(func(name string, v pcommon.Value) bool {
		if v.Type() == pcommon.ValueTypeStr { // Nearly all are strings, and this way the calls are inlined.
			sum = sum.Plus(pair(attributeName(name), text(v.Str()), kindAttribute))
			return true
		}
		sum = sum.Plus(Attribute(name, v))
		return true
	})
	return sum
}

// Attribute returns the key of one attribute. Values of different types differ, even if they print alike.
func Attribute(name string, v pcommon.Value) Key {
	return pair(attributeName(name), Value(v), kindAttribute)
}

// StringAttribute returns the key of an attribute whose value is a string.
func StringAttribute(name, value string) Key {
	return pair(attributeName(name), text(value), kindAttribute)
}

// attributeName is a hash of 64 bits, used for both halves: names are few, and two of them would have to collide under
// equal values (ten thousand names: 3e-12).
func attributeName(name string) Key {
	h := xxh3.HashString(name)
	return Key{Hi: h, Lo: h}
}

// Value returns the key of a value, for comparison with other values of the same attribute.
func Value(v pcommon.Value) Key {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return text(v.Str())
	case pcommon.ValueTypeInt:
		return number(uint64(v.Int()), kindInt)
	case pcommon.ValueTypeDouble:
		return number(math.Float64bits(v.Double()), kindDouble)
	case pcommon.ValueTypeBool:
		if v.Bool() {
			return number(1, kindBool)
		}
		return number(0, kindBool)
	case pcommon.ValueTypeBytes:
		b := v.Bytes()
		h := xxh3.Hash128(b.AsRaw())
		return pair(Key(h), Key{}, kindBytes)
	case pcommon.ValueTypeMap:
		return Attributes(v.Map()).In(number(uint64(v.Map().Len()), kindMap))
	case pcommon.ValueTypeSlice:
		s := v.Slice()
		sum := number(uint64(s.Len()), kindSlice)
		for i := range s.Len() {
			sum = Value(s.At(i)).In(sum)
		}
		return sum
	default:
		return number(0, kindEmpty)
	}
}

// Kinds distinguish values with equal bytes.
const (
	kindAttribute = iota + 1
	kindScope
	kindInt
	kindDouble
	kindBool
	kindBytes
	kindMap
	kindSlice
	kindEmpty
)

// text is the XXH3 hash of s in 128 bits.
func text(s string) Key { return Key(xxh3.HashString128(s)) }

func number(n, kind uint64) Key {
	return Key{Hi: mix(n, odd1*kind), Lo: mix(n+odd2, odd3*kind)}
}

// pair combines two hashes. Each half of the result depends on one half of a and of b, so both halves collide only if two independent 64-bit hashes
// do.
func pair(a, b Key, kind uint64) Key {
	return Key{
		Hi: mix(a.Hi+odd1*kind, bits.RotateLeft64(b.Hi, 29)),
		Lo: mix(a.Lo+odd2*kind, bits.RotateLeft64(b.Lo, 37)),
	}
}

// Odd constants without structure: the golden ratio and two primes of the xxHash specification.
const (
	odd1 = 0x9e3779b97f4a7c15
	odd2 = 0xc2b2ae3d27d4eb4f
	odd3 = 0x165667b19e3779f9
)

// mix folds the 128-bit product of a and b, as wyhash does: one instruction with good avalanche. Adding the operands
// again keeps a zero operand from losing the other.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^odd1, b^odd3)
	return (hi ^ lo) + bits.RotateLeft64(a, 31) + b
}
