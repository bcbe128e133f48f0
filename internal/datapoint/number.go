package datapoint

import (
	"math"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Number is the value of a gauge or of a sum. Integers stay exact integers until they are added to a float or exceed the range of int64. The zero
// value is the integer 0.
type Number struct {
	bits    uint64
	isFloat bool
}

// Int returns v as a number.
func Int(v int64) Number { return Number{bits: uint64(v)} }

// Float returns v as a number.
func Float(v float64) Number { return Number{bits: math.Float64bits(v), isFloat: true} }

// FromNumber reads the value of dp; a point without a value counts as integer 0.
func FromNumber(dp pmetric.NumberDataPoint) Number {
	if dp.ValueType() == pmetric.NumberDataPointValueTypeDouble {
		return Float(dp.DoubleValue())
	}
	return Int(dp.IntValue())
}

// IsInt says whether n is still an integer.
func (n Number) IsInt() bool { return !n.isFloat }

// Float64 returns n as a float; integers beyond 2^53 are rounded.
func (n Number) Float64() float64 {
	if n.isFloat {
		return math.Float64frombits(n.bits)
	}
	return float64(int64(n.bits))
}

// Finite says whether n is neither infinite nor NaN.
func (n Number) Finite() bool {
	f := n.Float64()
	return f-f == 0
}

// Add returns n + m.
func (n Number) Add(m Number) Number {
	if n.isFloat || m.isFloat {
		return Float(n.Float64() + m.Float64())
	}
	a, b := int64(n.bits), int64(m.bits)
	if c := a + b; (c > a) == (b > 0) {
		return Int(c)
	}
	return Float(float64(a) + float64(b))
}

// Sub returns n - prev, and whether n is less than prev. If it is, or if either is not a number (NaN), the difference is not usable.
func (n Number) Sub(prev Number) (inc Number, fell bool) {
	if n.isFloat || prev.isFloat {
		a, b := n.Float64(), prev.Float64()
		return Float(a - b), a < b
	}
	a, b := int64(n.bits), int64(prev.bits)
	if c := a - b; (c < a) == (b > 0) {
		return Int(c), a < b
	}
	return Float(float64(a) - float64(b)), a < b
}

// Less orders numbers by value.
func (n Number) Less(m Number) bool {
	if n.isFloat || m.isFloat {
		return n.Float64() < m.Float64()
	}
	return int64(n.bits) < int64(m.bits)
}

// CopyTo sets the value of dp.
func (n Number) CopyTo(dp pmetric.NumberDataPoint) {
	if n.isFloat {
		dp.SetDoubleValue(n.Float64())
		return
	}
	dp.SetIntValue(int64(n.bits))
}
