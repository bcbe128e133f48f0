package wire_test

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/internal/journal/wire"
)

// metrics returns a request with every kind of metric under several resources and scopes.
func metrics(r *rand.Rand) pmetric.Metrics {
	md := pmetric.NewMetrics()
	n := 0
	for range 1 + r.IntN(3) {
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutInt("resource", r.Int64N(100))
		rm.SetSchemaUrl("of the resource")
		for range 1 + r.IntN(3) {
			sm := rm.ScopeMetrics().AppendEmpty()
			sm.Scope().SetName(fmt.Sprint("scope", r.IntN(9)))
			for range 1 + r.IntN(6) {
				m := sm.Metrics().AppendEmpty()
				m.SetName(fmt.Sprint("metric", r.IntN(9)))
				m.SetUnit("By")
				points := 1 + r.IntN(4)
				switch r.IntN(5) {
				case 0:
					for range points {
						n++
						m.SetEmptyGauge().DataPoints().AppendEmpty().SetIntValue(int64(n))
					}
				case 1:
					sum := m.SetEmptySum()
					sum.SetIsMonotonic(true)
					sum.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
					for range points {
						n++
						sum.DataPoints().AppendEmpty().SetDoubleValue(float64(n))
					}
				case 2:
					h := m.SetEmptyHistogram()
					h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
					for range points {
						n++
						h.DataPoints().AppendEmpty().SetCount(uint64(n))
					}
				case 3:
					h := m.SetEmptyExponentialHistogram()
					for range points {
						n++
						h.DataPoints().AppendEmpty().SetCount(uint64(n))
					}
				case 4:
					s := m.SetEmptySummary()
					for range points {
						n++
						s.DataPoints().AppendEmpty().SetCount(uint64(n))
					}
				}
			}
		}
	}
	return md
}

// lines writes every data point of a request with all enclosing messages, one per line, sorted.
func lines(t *testing.T, requests ...[]byte) (all []string) {
	t.Helper()
	for _, request := range requests {
		md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(request)
		require.NoError(t, err)
		for _, rm := range md.ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					add := func(p any) {
						all = append(all, fmt.Sprint(rm.Resource().Attributes().AsRaw(), rm.SchemaUrl(), sm.Scope().Name(), m.Name(), m.Unit(), m.Type(), p))
					}
					switch m.Type() {
					case pmetric.MetricTypeGauge:
						for _, p := range m.Gauge().DataPoints().All() {
							add(p.IntValue())
						}
					case pmetric.MetricTypeSum:
						for _, p := range m.Sum().DataPoints().All() {
							add(fmt.Sprint(m.Sum().IsMonotonic(), m.Sum().AggregationTemporality(), p.DoubleValue()))
						}
					case pmetric.MetricTypeHistogram:
						for _, p := range m.Histogram().DataPoints().All() {
							add(fmt.Sprint(m.Histogram().AggregationTemporality(), p.Count()))
						}
					case pmetric.MetricTypeExponentialHistogram:
						for _, p := range m.ExponentialHistogram().DataPoints().All() {
							add(p.Count())
						}
					case pmetric.MetricTypeSummary:
						for _, p := range m.Summary().DataPoints().All() {
							add(p.Count())
						}
					}
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

func TestGroupsHoldEveryItemOnceWithItsSurroundings(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		request, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(metrics(r))
		require.NoError(t, err)
		assigned := map[int]int{}
		groups, messages, err := wire.Group(request, wire.MetricPoints, func(wire.Item) int {
			g := r.IntN(4)
			assigned[g]++
			return g
		})
		require.NoError(t, err)
		require.Equal(t, lines(t, request), lines(t, messages...), "seed %d", seed)
		for i, g := range groups {
			assert.Len(t, lines(t, messages[i]), assigned[g], "seed %d", seed)
		}
	}
}

func TestPiecesFitAndKeepEverything(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 2))
		request, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(metrics(r))
		require.NoError(t, err)
		const limit = 120
		pieces, tooLarge, err := wire.Split(request, wire.MetricPoints, limit)
		require.NoError(t, err)
		for _, p := range pieces {
			assert.LessOrEqual(t, len(p), limit)
		}
		require.Equal(t, lines(t, request), lines(t, append(pieces, tooLarge...)...), "seed %d", seed)
	}
}

func TestSplitKeepsOrderAndSetsLargeItemsAside(t *testing.T) {
	ld := plog.NewLogs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for i := range 20 {
		body := fmt.Sprintf("%02d", i)
		if i == 7 {
			body += string(make([]byte, 500))
		}
		records.AppendEmpty().Body().SetStr(body)
	}
	request, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	require.NoError(t, err)
	pieces, tooLarge, err := wire.Split(request, wire.LogRecords, 60)
	require.NoError(t, err)
	bodies := func(requests [][]byte) (all []string) {
		for _, p := range requests {
			got, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(p)
			require.NoError(t, err)
			for _, l := range got.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
				all = append(all, l.Body().Str()[:2])
			}
		}
		return all
	}
	assert.Equal(t, []string{"07"}, bodies(tooLarge))
	got := bodies(pieces)
	assert.Len(t, got, 19)
	assert.True(t, slices.IsSorted(got), "%v", got)
}

func TestSpansAreFound(t *testing.T) {
	td := ptrace.NewTraces()
	for i := range 3 {
		span := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		span.SetName(fmt.Sprint(i))
	}
	request, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	require.NoError(t, err)
	groups, _, err := wire.Group(request, wire.Spans, func(i wire.Item) string { return hex.EncodeToString(i.Bytes) })
	require.NoError(t, err)
	assert.Len(t, groups, 3)
}

func FuzzFields(f *testing.F) {
	request, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(metrics(rand.New(rand.NewPCG(1, 1))))
	require.NoError(f, err)
	f.Add(request)
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte{0x08, 0x80})
	f.Fuzz(func(t *testing.T, msg []byte) {
		var joined []byte
		if err := wire.Fields(msg, func(f wire.Field) bool { joined = append(joined, f.Raw...); return true }); err == nil {
			assert.Equal(t, msg, append([]byte{}, joined...))
		}
		_, _, _ = wire.Split(msg, wire.MetricPoints, len(msg)/2)
	})
}

func ExampleSplit() {
	ld := plog.NewLogs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for range 4 {
		records.AppendEmpty().Body().SetStr("a line of twenty-four B.")
	}
	request, _ := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	pieces, _, _ := wire.Split(request, wire.LogRecords, len(request)*2/3)
	fmt.Println(len(pieces))
	// Output: 2
}
