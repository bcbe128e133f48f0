package streamkey_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/streamkey"
)

func attributes(t testing.TB, raw map[string]any) pcommon.Map {
	t.Helper()
	m := pcommon.NewMap()
	require.NoError(t, m.FromRaw(raw))
	return m
}

func TestOrderDoesNotMatter(t *testing.T) {
	names := strings.Fields("a b c d e f g h")
	want := streamkey.Key{}
	for trial := range 200 {
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		m := pcommon.NewMap()
		for _, n := range names {
			m.PutStr(n, "value of "+n)
		}
		if trial == 0 {
			want = streamkey.Attributes(m)
		}
		require.Equal(t, want, streamkey.Attributes(m))
	}
}

func TestMinusTakesAttributesOut(t *testing.T) {
	m := attributes(t, map[string]any{"route": "/", "user_id": int64(7), "tags": []any{"x"}})
	rest := attributes(t, map[string]any{"route": "/", "tags": []any{"x"}})
	user, _ := m.Get("user_id")
	assert.Equal(t, streamkey.Attributes(rest), streamkey.Attributes(m).Minus(streamkey.Attribute("user_id", user)))
}

// Whatever differs in a stream's identity differs in its key.
func TestEveryPartOfTheIdentityCounts(t *testing.T) {
	base := func() pmetric.ResourceMetrics {
		rm := pmetric.NewResourceMetrics()
		rm.Resource().Attributes().PutStr("service.name", "checkout")
		sm := rm.ScopeMetrics().AppendEmpty()
		sm.Scope().SetName("lib")
		sm.Scope().SetVersion("1")
		m := sm.Metrics().AppendEmpty()
		m.SetName("requests")
		m.SetUnit("1")
		s := m.SetEmptySum()
		s.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		s.DataPoints().AppendEmpty().Attributes().PutStr("route", "/")
		return rm
	}
	metric := func(rm pmetric.ResourceMetrics) pmetric.Metric { return rm.ScopeMetrics().At(0).Metrics().At(0) }
	point := func(rm pmetric.ResourceMetrics) pcommon.Map {
		return metric(rm).Sum().DataPoints().At(0).Attributes()
	}
	key := func(rm pmetric.ResourceMetrics, attrs pcommon.Map) streamkey.Key {
		sm := rm.ScopeMetrics().At(0)
		return streamkey.Stream(streamkey.Metric(streamkey.Resource(rm.Resource()), streamkey.Scope(sm.Scope()), sm.Metrics().At(0)), attrs)
	}
	set := func(name string, put func(pcommon.Value)) func(pmetric.ResourceMetrics) {
		return func(rm pmetric.ResourceMetrics) { put(point(rm).PutEmpty(name)) }
	}
	changes := map[string]func(pmetric.ResourceMetrics){
		"nothing":            func(pmetric.ResourceMetrics) {},
		"resource":           func(rm pmetric.ResourceMetrics) { rm.Resource().Attributes().PutStr("service.name", "cart") },
		"resource attribute": func(rm pmetric.ResourceMetrics) { rm.Resource().Attributes().PutStr("route", "/") },
		"scope name":         func(rm pmetric.ResourceMetrics) { rm.ScopeMetrics().At(0).Scope().SetName("lib2") },
		"scope version":      func(rm pmetric.ResourceMetrics) { rm.ScopeMetrics().At(0).Scope().SetVersion("2") },
		"scope swapped": func(rm pmetric.ResourceMetrics) {
			rm.ScopeMetrics().At(0).Scope().SetName("1")
			rm.ScopeMetrics().At(0).Scope().SetVersion("lib")
		},
		"scope attribute": func(rm pmetric.ResourceMetrics) { rm.ScopeMetrics().At(0).Scope().Attributes().PutStr("route", "/") },
		"name":            func(rm pmetric.ResourceMetrics) { metric(rm).SetName("responses") },
		"unit":            func(rm pmetric.ResourceMetrics) { metric(rm).SetUnit("s") },
		"monotonic":       func(rm pmetric.ResourceMetrics) { metric(rm).Sum().SetIsMonotonic(true) },
		"temporality": func(rm pmetric.ResourceMetrics) {
			metric(rm).Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		},
		"attribute gone": func(rm pmetric.ResourceMetrics) { point(rm).Clear() },
		"name as value": func(rm pmetric.ResourceMetrics) {
			point(rm).Clear()
			point(rm).PutStr("/", "route")
		},
		"one more": set("b", func(v pcommon.Value) { v.SetStr("1") }),
		"int":      set("b", func(v pcommon.Value) { v.SetInt(1) }),
		"double":   set("b", func(v pcommon.Value) { v.SetDouble(1) }),
		"bool":     set("b", func(v pcommon.Value) { v.SetBool(true) }),
		"false":    set("b", func(v pcommon.Value) { v.SetBool(false) }),
		"empty":    set("b", func(pcommon.Value) {}),
		"bytes":    set("b", func(v pcommon.Value) { v.SetEmptyBytes().FromRaw([]byte("1")) }),
		"slice":    set("b", func(v pcommon.Value) { v.SetEmptySlice().AppendEmpty().SetStr("1") }),
		"slice of two": set("b", func(v pcommon.Value) {
			require.NoError(t, v.SetEmptySlice().FromRaw([]any{"1", "2"}))
		}),
		"slice turned": set("b", func(v pcommon.Value) {
			require.NoError(t, v.SetEmptySlice().FromRaw([]any{"2", "1"}))
		}),
		"no slice": set("b", func(v pcommon.Value) { v.SetEmptySlice() }),
		"no map":   set("b", func(v pcommon.Value) { v.SetEmptyMap() }),
		"map":      set("b", func(v pcommon.Value) { v.SetEmptyMap().PutStr("1", "") }),
	}
	seen := map[streamkey.Key]string{}
	for name, change := range changes {
		rm := base()
		change(rm)
		k := key(rm, point(rm))
		assert.Empty(t, seen[k], "%s has the key of another change", name)
		seen[k] = name
	}
}

// The halves of a key serve as hash and as check, so each half must be free of collisions, and so must be its low and high bits, on typical sets of
// telemetry: small numbers, and values that differ in one digit.
func TestKeysSpread(t *testing.T) {
	const n = 200_000
	hi, lo := make(map[uint64]bool, n), make(map[uint64]bool, n)
	var low, high [256]int
	m := pcommon.NewMap()
	m.PutStr("route", "/api")
	metric := streamkey.Metric(streamkey.Key{}, streamkey.Key{}, pmetric.NewMetric())
	for i := range n {
		switch i % 2 {
		case 0:
			m.PutStr("user_id", fmt.Sprintf("user-%08d", i))
		case 1:
			m.PutInt("user_id", int64(i))
		}
		k := streamkey.Stream(metric, m)
		hi[k.Hi], lo[k.Lo] = true, true
		low[k.Lo&255]++
		high[k.Hi>>56]++
	}
	assert.Len(t, hi, n)
	assert.Len(t, lo, n)
	for i := range 256 { // expected 781, standard deviation 28
		assert.InDelta(t, n/256, low[i], 170)
		assert.InDelta(t, n/256, high[i], 170)
	}
}

func TestStringAttribute(t *testing.T) {
	assert.Equal(t, streamkey.Attributes(attributes(t, map[string]any{"a": "b"})), streamkey.StringAttribute("a", "b"))
}

func TestAppendDecode(t *testing.T) {
	k := streamkey.Key{Hi: 0x0102030405060708, Lo: 0xf1f2f3f4f5f6f7f8}
	b := k.Append(nil)
	assert.Len(t, b, 16)
	assert.Equal(t, k, streamkey.Decode(b))
}

// A stored key must mean the same in the next release: if this test fails, states on disk are void.
func TestKeysAreStable(t *testing.T) {
	m := attributes(t, map[string]any{"s": "x", "i": int64(1), "d": 1.5, "b": true, "y": []byte{1}, "l": []any{"a", int64(2)}, "m": map[string]any{"k": "v"}, "e": nil})
	assert.Equal(t, "{f52373d492a52c38 ca8e09c00496c65}", fmt.Sprintf("%x", streamkey.Attributes(m)))
}

func TestNoAllocations(t *testing.T) {
	m := attributes(t, map[string]any{"s": "x", "i": int64(1), "d": 1.5, "b": true, "l": []any{"a"}, "m": map[string]any{"k": "v"}})
	var sum streamkey.Key
	assert.Zero(t, testing.AllocsPerRun(100, func() { sum = sum.Plus(streamkey.Attributes(m)) }))
}

func ExampleKey_Minus() {
	m := pcommon.NewMap()
	m.PutStr("route", "/cart")
	route := streamkey.Attributes(m)
	m.PutStr("user_id", "4711")
	user, _ := m.Get("user_id")
	fmt.Println(streamkey.Attributes(m) == route)
	fmt.Println(streamkey.Attributes(m).Minus(streamkey.Attribute("user_id", user)) == route)
	// Output:
	// false
	// true
}

func BenchmarkAttributes(b *testing.B) {
	for _, n := range []int{2, 8, 16} {
		b.Run(fmt.Sprintf("attributes=%d", n), func(b *testing.B) {
			m := pcommon.NewMap()
			for i := range n {
				m.PutStr(fmt.Sprintf("attribute.name.%d", i), fmt.Sprintf("some-value-%d", i))
			}
			b.ReportAllocs()
			var sum streamkey.Key
			for b.Loop() {
				sum = sum.Plus(streamkey.Attributes(m))
			}
		})
	}
}
