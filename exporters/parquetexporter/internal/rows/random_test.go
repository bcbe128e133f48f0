package rows_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
)

// random makes telemetry that holds every field, every oddity, and every absence.
type random struct {
	*rand.Rand
	t     *testing.T
	scale int // multiplies the number of records
}

func pick[T any](r random, of ...T) T { return of[r.IntN(len(of))] }

func (r random) str() string {
	return pick(r, "", "", "a", "GET", "häßlich", "日本", "\x00", "a\"b\\c\n\t\x01", "bad\xff\xfeutf8", "\xff", strings.Repeat("long ", 300), "text")
}

func (r random) time() pcommon.Timestamp {
	base := uint64(1700000000_000000000)
	return pcommon.Timestamp(pick(r, base, base+1, base+r.Uint64N(7200e9), base+r.Uint64N(7200e9), 0, 1, math.MaxInt64, math.MaxInt64+1, math.MaxUint64))
}

func (r random) float() float64 {
	return pick(r, 0, math.Copysign(0, -1), 1.5, -3, math.NaN(), oddNaN, math.Inf(1), math.Inf(-1), math.MaxFloat64, 5e-324, r.NormFloat64())
}

func (r random) u32() uint32 { return pick(r, 0, 0, 1, math.MaxUint32, r.Uint32()) }
func (r random) u64() uint64 { return pick(r, 0, 1, math.MaxUint64, r.Uint64()) }
func (r random) i64() int64 {
	return pick(r, 0, -1, math.MinInt64, math.MaxInt64, 200, int64(r.Uint64()))
}
func (r random) bool() bool { return r.IntN(2) == 0 }

func (r random) bytes() []byte {
	b := make([]byte, r.IntN(5))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func (r random) traceID() (id pcommon.TraceID) {
	if r.bool() {
		binary.BigEndian.PutUint64(id[:], r.Uint64())
	}
	return id
}

func (r random) spanID() (id pcommon.SpanID) {
	if r.bool() {
		binary.BigEndian.PutUint64(id[:], r.Uint64())
	}
	return id
}

func (r random) value(v pcommon.Value, depth int) {
	switch r.IntN(9 - 2*min(depth, 1)) {
	case 0:
	case 1, 2:
		v.SetStr(r.str())
	case 3:
		v.SetInt(r.i64())
	case 4:
		v.SetDouble(r.float())
	case 5:
		v.SetBool(r.bool())
	case 6:
		v.SetEmptyBytes().FromRaw(r.bytes())
	case 7:
		r.attributes(v.SetEmptyMap(), depth+1)
	case 8:
		s := v.SetEmptySlice()
		for range r.IntN(3) {
			r.value(s.AppendEmpty(), depth+1)
		}
	}
}

var someKeys = []string{
	"a", "b", "key", "", "日本", "http.request.method", "http.response.status_code", "http.route", "error.type", "service.name",
	"host.name", "k8s.pod.name", "bad\xff", "bad\xfe", "tenant.id",
}

// attributes fills m; one in eight maps has a key twice, which pdata can hold after decoding only.
func (r random) attributes(m pcommon.Map, depth int) {
	for range pick(r, 0, 0, 1, 3, 6) {
		k := someKeys[r.IntN(len(someKeys))]
		switch r.IntN(4) {
		case 0:
			m.PutStr(k, pick(r, "GET", "checkout", ""))
		case 1:
			m.PutInt(k, 404)
		default:
			r.value(m.PutEmpty(k), depth)
		}
	}
	if depth == 0 && m.Len() > 0 && r.IntN(8) == 0 {
		for k, v := range m.All() {
			again := pcommon.NewMap()
			v.CopyTo(again.PutEmpty(k))
			decodeKeyValues(r.t, append(encodeMap(m), encodeMap(again)...)).MoveTo(m)
			break
		}
	}
}

func (r random) resource(res pcommon.Resource) {
	if r.IntN(4) > 0 {
		res.Attributes().PutStr("service.name", pick(r, "checkout", "cart", ""))
	}
	r.attributes(res.Attributes(), 0)
	res.SetDroppedAttributesCount(r.u32())
	if r.IntN(3) == 0 {
		ref := entity.ResourceEntityRefs(res).AppendEmpty()
		ref.SetType(r.str())
		ref.SetSchemaUrl(r.str())
		ref.IdKeys().FromRaw([]string{r.str(), "b"}[:r.IntN(3)])
		ref.DescriptionKeys().FromRaw([]string{"c"}[:r.IntN(2)])
	}
}

func (r random) scope(s pcommon.InstrumentationScope) {
	s.SetName(r.str())
	s.SetVersion(r.str())
	r.attributes(s.Attributes(), 0)
	s.SetDroppedAttributesCount(r.u32())
}

func (r random) logs() plog.Logs {
	ld := plog.NewLogs()
	for range r.IntN(4) {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.SetSchemaUrl(r.str())
		r.resource(rl.Resource())
		for range r.IntN(3) {
			sl := rl.ScopeLogs().AppendEmpty()
			sl.SetSchemaUrl(r.str())
			r.scope(sl.Scope())
			for range r.IntN(8) * r.scale {
				lr := sl.LogRecords().AppendEmpty()
				lr.SetTimestamp(r.time())
				lr.SetObservedTimestamp(r.time())
				lr.SetSeverityNumber(plog.SeverityNumber(pick(r, 0, 9, 17, -5, math.MaxInt32)))
				lr.SetSeverityText(r.str())
				r.value(lr.Body(), 0)
				lr.SetEventName(r.str())
				lr.SetTraceID(r.traceID())
				lr.SetSpanID(r.spanID())
				lr.SetFlags(plog.LogRecordFlags(r.u32()))
				r.attributes(lr.Attributes(), 0)
				lr.SetDroppedAttributesCount(r.u32())
			}
		}
	}
	return ld
}

func (r random) traces() ptrace.Traces {
	td := ptrace.NewTraces()
	for range r.IntN(4) {
		rs := td.ResourceSpans().AppendEmpty()
		rs.SetSchemaUrl(r.str())
		r.resource(rs.Resource())
		for range r.IntN(3) {
			ss := rs.ScopeSpans().AppendEmpty()
			ss.SetSchemaUrl(r.str())
			r.scope(ss.Scope())
			for range r.IntN(6) * r.scale {
				r.span(ss.Spans().AppendEmpty())
			}
		}
	}
	return td
}

func (r random) span(s ptrace.Span) {
	s.SetTraceID(r.traceID())
	s.SetSpanID(r.spanID())
	s.SetParentSpanID(r.spanID())
	s.TraceState().FromRaw(r.str())
	s.SetName(r.str())
	s.SetKind(ptrace.SpanKind(pick(r, 0, 1, 2, 3, 4, 5, 6, -1)))
	s.SetStartTimestamp(r.time())
	s.SetEndTimestamp(r.time())
	s.Status().SetCode(ptrace.StatusCode(pick(r, 0, 1, 2, 3)))
	s.Status().SetMessage(r.str())
	s.SetFlags(r.u32())
	r.attributes(s.Attributes(), 0)
	s.SetDroppedAttributesCount(r.u32())
	s.SetDroppedEventsCount(r.u32())
	s.SetDroppedLinksCount(r.u32())
	for range r.IntN(3) {
		e := s.Events().AppendEmpty()
		e.SetName(r.str())
		e.SetTimestamp(r.time())
		r.attributes(e.Attributes(), 0)
		e.SetDroppedAttributesCount(r.u32())
	}
	for range r.IntN(3) {
		l := s.Links().AppendEmpty()
		l.SetTraceID(r.traceID())
		l.SetSpanID(r.spanID())
		l.TraceState().FromRaw(r.str())
		l.SetFlags(r.u32())
		r.attributes(l.Attributes(), 0)
		l.SetDroppedAttributesCount(r.u32())
	}
}

func (r random) metrics() pmetric.Metrics {
	md := pmetric.NewMetrics()
	for range r.IntN(4) {
		rm := md.ResourceMetrics().AppendEmpty()
		rm.SetSchemaUrl(r.str())
		r.resource(rm.Resource())
		for range r.IntN(3) {
			sm := rm.ScopeMetrics().AppendEmpty()
			sm.SetSchemaUrl(r.str())
			r.scope(sm.Scope())
			for range r.IntN(6) * r.scale {
				r.metric(sm.Metrics().AppendEmpty())
			}
		}
	}
	return md
}

func (r random) metric(m pmetric.Metric) {
	m.SetName(r.str())
	m.SetDescription(r.str())
	m.SetUnit(r.str())
	r.attributes(m.Metadata(), 0)
	temporality := pmetric.AggregationTemporality(pick(r, 0, 1, 2, 7))
	n := 1 + r.IntN(3)
	switch r.IntN(5) {
	case 0:
		for range n {
			r.number(m.SetEmptyGauge().DataPoints().AppendEmpty())
		}
	case 1:
		m.SetEmptySum().SetIsMonotonic(r.bool())
		m.Sum().SetAggregationTemporality(temporality)
		for range n {
			r.number(m.Sum().DataPoints().AppendEmpty())
		}
	case 2:
		m.SetEmptyHistogram().SetAggregationTemporality(temporality)
		for range n {
			dp := m.Histogram().DataPoints().AppendEmpty()
			r.point(dp)
			dp.SetCount(r.u64())
			r.optional(dp.SetSum, dp.SetMin, dp.SetMax)
			for range r.IntN(4) {
				dp.BucketCounts().Append(r.u64())
				dp.ExplicitBounds().Append(r.float())
			}
			r.exemplars(dp.Exemplars())
		}
	case 3:
		m.SetEmptyExponentialHistogram().SetAggregationTemporality(temporality)
		for range n {
			dp := m.ExponentialHistogram().DataPoints().AppendEmpty()
			r.point(dp)
			dp.SetCount(r.u64())
			r.optional(dp.SetSum, dp.SetMin, dp.SetMax)
			dp.SetScale(pick[int32](r, 0, -10, 20, math.MinInt32))
			dp.SetZeroCount(r.u64())
			dp.SetZeroThreshold(r.float())
			for _, b := range []pmetric.ExponentialHistogramDataPointBuckets{dp.Positive(), dp.Negative()} {
				b.SetOffset(pick[int32](r, 0, -3, math.MaxInt32))
				for range r.IntN(4) {
					b.BucketCounts().Append(r.u64())
				}
			}
			r.exemplars(dp.Exemplars())
		}
	case 4:
		for range n {
			dp := m.SetEmptySummary().DataPoints().AppendEmpty()
			r.point(dp)
			dp.SetCount(r.u64())
			dp.SetSum(r.float())
			for range r.IntN(4) {
				q := dp.QuantileValues().AppendEmpty()
				q.SetQuantile(r.float())
				q.SetValue(r.float())
			}
		}
	}
}

type settablePoint interface {
	SetTimestamp(pcommon.Timestamp)
	SetStartTimestamp(pcommon.Timestamp)
	SetFlags(pmetric.DataPointFlags)
	Attributes() pcommon.Map
}

func (r random) point(dp settablePoint) {
	dp.SetTimestamp(r.time())
	dp.SetStartTimestamp(r.time())
	dp.SetFlags(pmetric.DataPointFlags(r.u32()))
	r.attributes(dp.Attributes(), 0)
}

func (r random) number(dp pmetric.NumberDataPoint) {
	r.point(dp)
	switch r.IntN(3) {
	case 0:
		dp.SetIntValue(r.i64())
	case 1:
		dp.SetDoubleValue(r.float())
	}
	r.exemplars(dp.Exemplars())
}

func (r random) optional(set ...func(float64)) {
	for _, s := range set {
		if r.bool() {
			s(r.float())
		}
	}
}

func (r random) exemplars(es pmetric.ExemplarSlice) {
	for range r.IntN(3) {
		e := es.AppendEmpty()
		e.SetTimestamp(r.time())
		e.SetTraceID(r.traceID())
		e.SetSpanID(r.spanID())
		r.attributes(e.FilteredAttributes(), 0)
		switch r.IntN(3) {
		case 0:
			e.SetIntValue(r.i64())
		case 1:
			e.SetDoubleValue(r.float())
		}
	}
}

// encodeMap is the wire form of a map as KeyValueList, by pdata's own encoder.
func encodeMap(m pcommon.Map) []byte {
	ld := plog.NewLogs()
	m.CopyTo(ld.ResourceLogs().AppendEmpty().Resource().Attributes())
	msg, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		panic(err)
	}
	// LogsData{1: ResourceLogs{1: Resource{1: attributes}}, 2: scope logs: none}
	return field(field(msg, 1), 1)
}

func encodeEntry(key string) []byte {
	m := pcommon.NewMap()
	m.PutEmpty(key)
	return encodeMap(m)
}

// field returns the content of the first length-delimited field of that number.
func field(msg []byte, number uint64) []byte {
	for len(msg) > 0 {
		tag, n := binary.Uvarint(msg)
		size, k := binary.Uvarint(msg[n:])
		msg = msg[n+k:]
		if tag == number<<3|2 {
			return msg[:size]
		}
		msg = msg[size:]
	}
	return nil
}

// sortMap orders attributes, whose order has no meaning in OTLP, so that messages can be compared by their bytes.
func sortMap(m pcommon.Map) {
	type entry struct{ key, value string }
	var list []entry
	for k, v := range m.All() {
		one := pcommon.NewMap()
		v.CopyTo(one.PutEmpty(k))
		list = append(list, entry{k, string(encodeMap(one))})
	}
	slices.SortFunc(list, func(a, b entry) int {
		if a.key != b.key {
			return strings.Compare(a.key, b.key)
		}
		return strings.Compare(a.value, b.value)
	})
	var all []byte
	for _, e := range list {
		all = append(all, e.value...)
	}
	decodeAny(all).MoveTo(m)
}

func decodeAny(list []byte) pcommon.Map {
	var t testing.T
	return decodeKeyValues(&t, list)
}

func sameItems(t *testing.T, want, got []string) {
	t.Helper()
	slices.Sort(want)
	slices.Sort(got)
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i], got[i], "item %d", i)
	}
}
