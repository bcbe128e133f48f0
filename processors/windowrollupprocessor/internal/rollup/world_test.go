package rollup_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

const second = int64(1e9)

// epoch is where the streams of a world begin.
var epoch = int64(1_700_000_000) / 3600 * 3600 * second

// form is a type of metric with a temporality.
type form int

const (
	gauge form = iota
	upDown
	deltaUpDown
	deltaCounter
	counter
	deltaHistogram
	histogram
	deltaExponential
	exponential
	summary
	forms
)

func (f form) cumulative() bool {
	return f == upDown || f == counter || f == histogram || f == exponential || f == summary
}

// stream is a source of events.
type stream struct {
	form             form
	service, host    string
	route, code      string
	bounds           []float64
	scale            int32
	noSum, noExtrema bool // never
	noStart          bool // counters only

	start, last int64
	total       float64
	samples     []float64 // of the run
}

func (s *stream) name() string { return fmt.Sprintf("metric.%d", s.form) }

func (s *stream) id() string { return fmt.Sprint(s.form, s.service, s.host, s.route, s.code) }

// event is one data point. value is a number's; samples are what a histogram or summary has seen, since its start if
// it is cumulative.
type event struct {
	s         *stream
	at, start int64
	value     float64
	samples   []float64
	bounds    []float64
	noValue   bool
	untold    bool    // a number without a value and without the flag that says so
	infinite  float64 // instead of a number, or of a histogram's sum; 0: no
	noSum     bool
}

// tellsSum reports whether the sum of a histogram can be used.
func (e event) tellsSum() bool { return !e.noSum && e.infinite == 0 }

// world makes events: resets, reordering, repetitions, late ones, sources that fall silent.
type world struct {
	rnd     *rand.Rand
	now     int64
	streams []*stream
	silent  map[string]int64 // host: until
	sent    []event
	hour    bool // jumps of many minutes
}

func newWorld(rnd *rand.Rand) *world {
	w := &world{rnd: rnd, now: epoch, silent: map[string]int64{}, hour: rnd.IntN(3) == 0}
	for range 4 + rnd.IntN(24) {
		s := &stream{
			form: form(rnd.IntN(int(forms))), service: fmt.Sprint("service-", rnd.IntN(2)), host: fmt.Sprint("host-", rnd.IntN(3)),
			route: fmt.Sprint("/", rnd.IntN(3)), code: fmt.Sprint(200 + rnd.IntN(2)), start: epoch - 2*second, last: epoch - second,
			scale: int32(4 + rnd.IntN(5)), noSum: rnd.IntN(5) == 0, noExtrema: rnd.IntN(3) == 0, noStart: rnd.IntN(3) == 0,
			bounds: boundsOf(rnd),
		}
		if !slices.ContainsFunc(w.streams, func(o *stream) bool { return o.id() == s.id() }) {
			w.streams = append(w.streams, s)
		}
	}
	return w
}

func boundsOf(rnd *rand.Rand) []float64 {
	return [][]float64{{1, 2, 5, 10, 100}, {1, 5, 100}, {2, 5, 10}, {}}[min(rnd.IntN(8), 3)]
}

// number is a multiple of a quarter, so that sums are exact in any order.
func (w *world) number() float64 { return float64(w.rnd.IntN(4000)+1) / 4 }

// next makes an event, or repeats one.
func (w *world) next() (event, bool) {
	w.now += int64(w.rnd.IntN(8)) * second
	if w.hour && w.rnd.IntN(60) == 0 {
		w.now += int64(w.rnd.IntN(1500)) * second
	}
	if n := len(w.sent); n > 0 && w.rnd.IntN(15) == 0 {
		return w.sent[n-1-w.rnd.IntN(min(n, 20))], true
	}
	s := w.streams[w.rnd.IntN(len(w.streams))]
	if w.silent[s.host] > w.now {
		return event{}, false
	}
	if w.rnd.IntN(60) == 0 {
		w.silent[s.host] = w.now + int64(w.rnd.IntN(400))*second
	}
	at := w.now
	switch w.rnd.IntN(20) {
	case 0, 1:
		at -= int64(w.rnd.IntN(40)) * second
	case 2:
		at -= int64(w.rnd.IntN(900)) * second
	}
	if s.form.cumulative() {
		at = max(at, s.last+2) // a process has its own points in order; they are reordered in transit
	}
	if w.rnd.IntN(30) == 0 {
		s.bounds = boundsOf(w.rnd) // a deploy
	}
	e := event{s: s, at: at, start: s.last, bounds: s.bounds, noValue: w.rnd.IntN(80) == 0, noSum: s.noSum || w.rnd.IntN(10) == 0}
	if e.noValue {
		e.untold = s.form <= counter && w.rnd.IntN(2) == 0
		return e, true
	}
	if s.form != summary && w.rnd.IntN(40) == 0 {
		e.infinite = []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[w.rnd.IntN(3)]
	}
	if s.form.cumulative() && s.form != upDown && w.rnd.IntN(10) == 0 {
		s.start, s.total, s.samples = s.last+int64(w.rnd.IntN(2)), 0, nil
		if s.noStart {
			s.total = -1 // falls for sure
		}
	}
	s.last = max(s.last, at)
	if s.form.cumulative() {
		e.start = s.start
	}
	switch s.form {
	case gauge, upDown, deltaUpDown:
		e.value = w.number() - 500
	case deltaCounter:
		e.value = w.number()
	case counter:
		if s.total < 0 {
			s.total = 0
		} else {
			s.total += w.number()
		}
		e.value = s.total
		if s.noStart {
			e.start = 0
		}
	default:
		fresh := make([]float64, w.rnd.IntN(5))
		for i := range fresh {
			fresh[i] = w.number()
		}
		e.samples = fresh
		if s.form.cumulative() {
			s.samples = append(s.samples[:len(s.samples):len(s.samples)], fresh...)
			e.samples = s.samples
		}
	}
	w.sent = append(w.sent, e)
	return e, true
}

// delayed holds some events back, so that they come out of order.
func (w *world) batch(held *[]event) []event {
	var out []event
	for range 1 + w.rnd.IntN(12) {
		e, ok := w.next()
		if !ok {
			continue
		}
		if w.rnd.IntN(8) == 0 {
			*held = append(*held, e)
			continue
		}
		out = append(out, e)
	}
	for len(*held) > 0 && w.rnd.IntN(2) == 0 {
		i := w.rnd.IntN(len(*held))
		out = append(out, (*held)[i])
		*held = slices.Delete(*held, i, i+1)
	}
	return out
}

// metrics writes events as OTLP, each in a resource of its own.
func metrics(events []event) pmetric.Metrics {
	md := pmetric.NewMetrics()
	for _, e := range events {
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", e.s.service)
		rm.Resource().Attributes().PutStr("host.name", e.s.host)
		sm := rm.ScopeMetrics().AppendEmpty()
		sm.Scope().SetName("library")
		e.write(sm.Metrics().AppendEmpty())
	}
	return md
}

type settable interface {
	SetTimestamp(pcommon.Timestamp)
	SetStartTimestamp(pcommon.Timestamp)
	SetFlags(pmetric.DataPointFlags)
	Attributes() pcommon.Map
}

func (e event) describe(dp settable) {
	dp.SetTimestamp(pcommon.Timestamp(e.at))
	dp.SetStartTimestamp(pcommon.Timestamp(max(e.start, 0)))
	dp.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(e.noValue && !e.untold))
	dp.Attributes().PutStr("route", e.s.route)
	dp.Attributes().PutStr("code", e.s.code)
}

func (e event) write(m pmetric.Metric) {
	m.SetName(e.s.name())
	m.SetUnit("ms")
	temporality := pmetric.AggregationTemporalityDelta
	if e.s.form.cumulative() {
		temporality = pmetric.AggregationTemporalityCumulative
	}
	switch e.s.form {
	case gauge:
		dp := m.SetEmptyGauge().DataPoints().AppendEmpty()
		e.describe(dp)
		e.setNumber(dp)
	case upDown, deltaUpDown, deltaCounter, counter:
		sum := m.SetEmptySum()
		sum.SetAggregationTemporality(temporality)
		sum.SetIsMonotonic(e.s.form == deltaCounter || e.s.form == counter)
		dp := sum.DataPoints().AppendEmpty()
		e.describe(dp)
		e.setNumber(dp)
	case deltaHistogram, histogram:
		h := m.SetEmptyHistogram()
		h.SetAggregationTemporality(temporality)
		dp := h.DataPoints().AppendEmpty()
		e.describe(dp)
		dp.SetCount(uint64(len(e.samples)))
		e.setSum(dp)
		if !e.s.noExtrema && len(e.samples) > 0 {
			dp.SetMin(slices.Min(e.samples))
			dp.SetMax(slices.Max(e.samples))
		}
		if len(e.bounds) > 0 {
			dp.ExplicitBounds().FromRaw(e.bounds)
			dp.BucketCounts().FromRaw(bucketize(e.samples, e.bounds))
		}
	case deltaExponential, exponential:
		h := m.SetEmptyExponentialHistogram()
		h.SetAggregationTemporality(temporality)
		dp := h.DataPoints().AppendEmpty()
		e.describe(dp)
		dp.SetCount(uint64(len(e.samples)))
		e.setSum(dp)
		if !e.s.noExtrema && len(e.samples) > 0 {
			dp.SetMin(slices.Min(e.samples))
			dp.SetMax(slices.Max(e.samples))
		}
		dp.SetScale(e.s.scale)
		if len(e.samples) > 0 {
			low, high := index(slices.Min(e.samples), e.s.scale), index(slices.Max(e.samples), e.s.scale)
			counts := make([]uint64, high-low+1)
			for _, v := range e.samples {
				counts[index(v, e.s.scale)-low]++
			}
			dp.Positive().SetOffset(low)
			dp.Positive().BucketCounts().FromRaw(counts)
		}
	case summary:
		dp := m.SetEmptySummary().DataPoints().AppendEmpty()
		e.describe(dp)
		dp.SetCount(uint64(len(e.samples)))
		dp.SetSum(sum(e.samples))
		dp.QuantileValues().AppendEmpty().SetQuantile(0.5)
	}
}

func (e event) setNumber(dp pmetric.NumberDataPoint) {
	switch {
	case e.untold:
	case e.infinite != 0:
		dp.SetDoubleValue(e.infinite)
	case e.value == math.Trunc(e.value) && e.s.form != gauge:
		dp.SetIntValue(int64(e.value))
	default:
		dp.SetDoubleValue(e.value)
	}
}

func (e event) setSum(dp interface{ SetSum(float64) }) {
	switch {
	case e.infinite != 0:
		dp.SetSum(e.infinite)
	case !e.noSum:
		dp.SetSum(sum(e.samples))
	}
}

// index is the bucket of v > 0 as the OTLP data model defines it.
func index(v float64, scale int32) int32 {
	frac, exp := math.Frexp(v)
	if frac == 0.5 { // a power of two is the upper end of its bucket
		return int32((exp-1)<<scale) - 1
	}
	return int32(math.Ceil(math.Ldexp(math.Log2(v), int(scale)))) - 1
}

func bucketize(samples, bounds []float64) []uint64 {
	counts := make([]uint64, len(bounds)+1)
	for _, v := range samples {
		i, _ := slices.BinarySearch(bounds, v) // a bound belongs to the bucket below it
		counts[i]++
	}
	return counts
}

func sum(samples []float64) (total float64) {
	for _, v := range samples {
		total += v
	}
	return total
}
