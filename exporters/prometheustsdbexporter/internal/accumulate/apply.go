package accumulate

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/streamkey"
)

// application is one Apply.
type application struct {
	*State
	batch   Batch
	limit   pcommon.Timestamp
	outcome *Outcome
	scratch []byte

	rm           pmetric.ResourceMetrics
	sm           pmetric.ScopeMetrics
	m            pmetric.Metric
	deduplicated bool          // repetitions of the record are already left out
	key          streamkey.Key // of the metric
	formerKey    streamkey.Key // of the metric in versions 1 and 2
	begun        []func()      // inserts the first points of restarted totals
}

// point is a data point with values of type V.
type point interface {
	Attributes() pcommon.Map
	Timestamp() pcommon.Timestamp
	StartTimestamp() pcommon.Timestamp
	SetStartTimestamp(pcommon.Timestamp)
	SetTimestamp(pcommon.Timestamp)
	Flags() pmetric.DataPointFlags
	Exemplars() pmetric.ExemplarSlice
}

// valueOf is a V that can be written to a P.
type valueOf[P any] interface{ CopyTo(P) }

// points is a slice of data points.
type points[P any] interface {
	AppendEmpty() P
	RemoveIf(func(P) bool)
	Sort(func(a, b P) bool)
}

// metric makes the current metric cumulative and returns how many points are left.
func (a *application) metric() int {
	a.entry++
	a.m.Metadata().PutBool(sample.TotalMetadata, true)
	switch a.m.Type() {
	case pmetric.MetricTypeSum:
		a.m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		ps, monotonic := a.m.Sum().DataPoints(), a.m.Sum().IsMonotonic()
		each(a, &a.numbers, ps, func(p pmetric.NumberDataPoint) (datapoint.Number, error) {
			v := datapoint.FromNumber(p)
			if monotonic && v.Finite() && v.Less(datapoint.Int(0)) { // the total would fall, which means a reset
				return v, datapoint.ErrMalformed
			}
			return v, nil
		})
		return ps.Len()
	case pmetric.MetricTypeHistogram:
		a.m.Histogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		ps := a.m.Histogram().DataPoints()
		each(a, &a.histograms, ps, datapoint.FromHistogram)
		return ps.Len()
	default:
		a.m.ExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		ps := a.m.ExponentialHistogram().DataPoints()
		each(a, &a.exponentials, ps, func(p pmetric.ExponentialHistogramDataPoint) (datapoint.Exponential, error) {
			return datapoint.FromExponential(p, maxBuckets)
		})
		return ps.Len()
	}
}

// each applies the points of a metric.
func each[P point, V valueOf[P]](a *application, f *family[V], ps points[P], read func(P) (V, error)) {
	a.begun = a.begun[:0]
	begin := func(p P, start int64, v V) {
		a.begun = append(a.begun, func() {
			zero := ps.AppendEmpty()
			p.Attributes().CopyTo(zero.Attributes())
			set(zero, start, start, v)
		})
	}
	ps.RemoveIf(func(p P) bool { return !apply(a, f, p, read, begin) })
	if len(a.begun) == 0 {
		return
	}
	for _, put := range a.begun {
		put()
	}
	ps.Sort(func(x, y P) bool { return x.Timestamp() < y.Timestamp() })
}

func set[P point, V valueOf[P]](p P, start, at int64, v V) {
	v.CopyTo(p)
	p.SetStartTimestamp(pcommon.Timestamp(start))
	p.SetTimestamp(pcommon.Timestamp(at))
}

func (a *application) refuse(why Reason) (keep bool) {
	a.outcome.Refused[why]++
	return false
}

// apply adds p to its series and makes it the total; false removes it. begin inserts a point before it.
func apply[P point, V valueOf[P]](a *application, f *family[V], p P, read func(P) (V, error), begin func(p P, start int64, v V)) (keep bool) {
	if p.Timestamp() == 0 || p.Timestamp() > a.limit {
		return true
	}
	now, start := int64(p.Timestamp()), int64(p.StartTimestamp())
	a.sweep(now)
	key := streamkey.Stream(a.key, p.Attributes())
	st := f.streams[key]
	if p.Flags().NoRecordedValue() {
		return end(a, f, st, p)
	}
	if n, ok := any(p).(pmetric.NumberDataPoint); ok && n.ValueType() == pmetric.NumberDataPointValueTypeEmpty {
		return a.refuse(NoValue)
	}
	increase, err := read(p)
	if err != nil {
		return a.refuse(Malformed)
	}
	mark := markOf(a, f, start, now, increase)
	if st != nil && !a.deduplicated && st.repeats(a.entry, mark) {
		return a.refuse(Repeated)
	}
	if st == nil {
		if st, keep = begun(a, f, key, p.Attributes()); st == nil {
			return keep
		}
	}
	sr := st.series
	first := sr.last == 0
	if !first && now <= sr.last && (a.strict || now < a.latest-int64(a.set.Idle)) {
		return a.refuse(OutOfOrder)
	}
	v := f.judge(sr.value, &increase, first)
	at, free := sr.free(now)
	again := (v.rebounds || v.overflows) && free && sr.waiting == nil && at+tick <= now/tick*tick+maxLead*tick
	switch {
	case v.refused:
		return a.refuse(NotFinite)
	case v.overflows && !again:
		return a.refuse(CountOverflow)
	}
	take(a, f, key, st)
	a.marks += st.note(a.entry, mark, a.marks >= maxMarks)
	st.seen, sr.seen = max(st.seen, now), max(sr.seen, now)
	a.outcome.count(v, again)
	switch {
	case first:
		sr.start, sr.value = start, increase
	case again:
		sr.start, sr.value = sr.restart(start, now), increase
		begin(p, sr.start, f.zeroed(increase))
		at = max(sr.start+tick, now)
	default:
		sr.value = f.sum(sr.value, increase)
	}
	if !free {
		hold(a, f, sr, p.Attributes(), p.Exemplars())
		return false
	}
	if sr.waiting != nil { // the waiting increase is sent with this sample, and so are its exemplars
		for _, x := range sr.waiting.exemplars().All() {
			x.CopyTo(p.Exemplars().AppendEmpty())
		}
	}
	sr.last, sr.waiting = at, nil
	set(p, sr.start, at, sr.value)
	return true
}

func (o *Outcome) count(v verdict, again bool) {
	switch {
	case v.sumNotFinite:
		o.SumNotFinite++
	case v.noSum:
		o.NoSum++
	}
	switch {
	case again && v.rebounds:
		o.Rebounded++
	case again:
		o.Overflowed++
	}
}

// begun returns a new stream and its series, which are not in the state yet. It is nil if there is no room for it (then keep is false), or
// if it becomes no series.
func begun[V any](a *application, f *family[V], key streamkey.Key, attributes pcommon.Map) (st *stream[V], keep bool) {
	var known formerStream[V]
	was, ok := streamkey.Key{}, false
	if len(f.former) > 0 { // the keys of those versions contain no tenant
		was = streamkey.Stream(a.formerKey, attributes)
		known, ok = f.former[was]
	}
	if !ok && a.Streams() >= a.set.MaxStreams {
		return nil, a.refuse(StreamLimit)
	}
	name, written := a.batch.Names.Series(a.rm, a.sm, a.m, attributes)
	if !written {
		return nil, true
	}
	sr := f.series[name]
	if sr == nil {
		sr = &series[V]{key: name, start: known.start, last: known.last, seen: known.last, value: known.value}
	}
	return &stream[V]{series: sr, was: was}, true
}

// take puts st and its series into the state, and keeps their former values for Undo.
func take[V any](a *application, f *family[V], key streamkey.Key, st *stream[V]) {
	if st.seen == 0 {
		f.streams[key], st.touched = st, a.State.batch
		delete(f.former, st.was)
		f.undo.newStreams = append(f.undo.newStreams, key)
		if sr := st.series; sr.seen == 0 || f.series[sr.key] == nil {
			f.series[sr.key], sr.touched = sr, a.State.batch
			f.undo.newSeries = append(f.undo.newSeries, sr.key)
		}
	}
	if a.set.Undo {
		f.save(st, a.State.batch)
	}
}

// end makes p, a point flagged as having no value, the end of its series at all bounds of the total. If the series is unknown, p ends the
// bounds that it has itself.
func end[P point, V valueOf[P]](a *application, f *family[V], st *stream[V], p P) (keep bool) {
	if st == nil {
		return true
	}
	at, free := st.series.free(int64(p.Timestamp()))
	if !free {
		return a.refuse(NoValue)
	}
	if a.set.Undo {
		f.save(st, a.State.batch)
	}
	st.series.last = at
	set(p, st.series.start, at, st.series.value)
	return true
}

// free returns the time for a sample of a point with time now; free is false if that would be too late.
func (s *series[V]) free(now int64) (at int64, free bool) {
	ms, last := now/tick, s.last/tick
	if ms > last {
		return now, true
	}
	return (last + 1) * tick, last+1-ms <= maxLead
}

// restart is the start time for a total that restarts with a point of these times: after its last sample, and a millisecond before its
// next.
func (s *series[V]) restart(start, now int64) int64 {
	return max(s.last/tick+1, min(start, now-tick)/tick) * tick
}
