// Package accumulate turns delta points into cumulative ones, one sample a point, with bounded state.
//
// What comes out depends on the points and their order alone, never on how they were cut into batches, so that a second
// reading of a journal gives the same values. Source: https://opentelemetry.io/docs/specs/otel/metrics/data-model/#temporality
package accumulate

import (
	"context"
	"io"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/streamkey"
)

const (
	// maxBuckets bounds an exponential histogram, per sign: what SDKs use.
	maxBuckets = 160
	// tick is what Prometheus tells times apart by.
	tick = int64(time.Millisecond)
)

// Reason is why a delta point was refused.
type Reason int

// The reasons, in the order of their names.
const (
	OutOfOrder  Reason = iota // older than what is remembered of streams
	Repeated                  // of the time of one of its stream's last points: sent twice
	Malformed                 // a histogram that contradicts itself
	StreamLimit               // a new stream, and MaxStreams are kept
	NumReasons
)

var reasonNames = [NumReasons]string{"delta_out_of_order", "delta_repeated", "delta_malformed", "delta_stream_limit"}

// String is the value of the attribute `reason`.
func (r Reason) String() string { return reasonNames[r] }

// Settings bound a State.
type Settings struct {
	MaxStreams int           // over all types
	Idle       time.Duration // in event time: a stream without points for longer is forgotten and begins again from zero; later points are refused
}

// Refused counts points by reason.
type Refused [NumReasons]int

// State holds the running totals of one partition. Memory: about 160 bytes a stream of numbers, 220 and 16 a bucket for
// histograms. Not safe for concurrent use.
type State struct {
	set          Settings
	latest       int64 // the newest time of any point, Unix nanoseconds
	swept        int64 // latest at the last sweep
	strict       bool  // until Adopt: late points are refused, as the version that wrote the state did
	numbers      table[datapoint.Number]
	histograms   table[datapoint.Histogram]
	exponentials table[datapoint.Exponential]
}

var _ delivery.Stateful = (*State)(nil)

// New returns an empty state.
func New(set Settings) *State {
	return &State{
		set:          set,
		numbers:      newTable(datapoint.Number.Add),
		histograms:   newTable(addHistograms),
		exponentials: newTable(addExponentials),
	}
}

func addHistograms(a, b datapoint.Histogram) (sum datapoint.Histogram) {
	sum.Add(a) // Add copies what it keeps, so a stays what it was
	sum.Add(b)
	return sum
}

func addExponentials(a, b datapoint.Exponential) (sum datapoint.Exponential) {
	sum.Add(a, maxBuckets)
	sum.Add(b, maxBuckets)
	return sum
}

// Streams is the number of streams that are kept.
func (s *State) Streams() int {
	return len(s.numbers.streams) + len(s.histograms.streams) + len(s.exponentials.streams)
}

// HasDelta reports whether md holds anything for Apply.
func HasDelta(md pmetric.Metrics) bool {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				if isDelta(m) {
					return true
				}
			}
		}
	}
	return false
}

func isDelta(m pmetric.Metric) bool {
	switch m.Type() {
	case pmetric.MetricTypeSum:
		return m.Sum().AggregationTemporality() == pmetric.AggregationTemporalityDelta
	case pmetric.MetricTypeHistogram:
		return m.Histogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta
	case pmetric.MetricTypeExponentialHistogram:
		return m.ExponentialHistogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta
	}
	return false
}

// Apply makes the delta metrics of md cumulative, in place, and takes out the points that it refuses. A late point becomes a
// total at the end of its stream, a millisecond behind the newest, since another total stands at its own time: increases
// shift, sums stay right. So does the second point of one millisecond. Points without a time or later than limit are left as
// they are and change nothing: the translation refuses them. Until the next Apply, Undo takes it all back.
func (s *State) Apply(md pmetric.Metrics, limit time.Time) (refused Refused) {
	s.numbers.undo, s.histograms.undo, s.exponentials.undo = nil, nil, nil
	a := application{State: s, limit: pcommon.NewTimestampFromTime(limit), refused: &refused}
	for _, rm := range md.ResourceMetrics().All() {
		resource := streamkey.Resource(rm.Resource())
		for _, sm := range rm.ScopeMetrics().All() {
			scope := streamkey.Scope(sm.Scope())
			sm.Metrics().RemoveIf(func(m pmetric.Metric) bool {
				return isDelta(m) && a.metric(streamkey.Metric(resource, scope, m), m) == 0
			})
		}
	}
	return refused
}

// Undo takes back the last Apply: what came of it was not taken.
func (s *State) Undo() {
	s.numbers.rollback()
	s.histograms.rollback()
	s.exponentials.rollback()
}

// application is one Apply.
type application struct {
	*State
	limit   pcommon.Timestamp
	refused *Refused
}

// metric makes m cumulative and returns how many points are left.
func (a *application) metric(key streamkey.Key, m pmetric.Metric) int {
	switch m.Type() {
	case pmetric.MetricTypeSum:
		ps := m.Sum().DataPoints()
		ps.RemoveIf(func(p pmetric.NumberDataPoint) bool {
			return !apply(a, &a.numbers, streamkey.Stream(key, p.Attributes()), p, fromNumber)
		})
		m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		return ps.Len()
	case pmetric.MetricTypeHistogram:
		ps := m.Histogram().DataPoints()
		ps.RemoveIf(func(p pmetric.HistogramDataPoint) bool {
			return !apply(a, &a.histograms, streamkey.Stream(key, p.Attributes()), p, datapoint.FromHistogram)
		})
		m.Histogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		return ps.Len()
	default:
		ps := m.ExponentialHistogram().DataPoints()
		ps.RemoveIf(func(p pmetric.ExponentialHistogramDataPoint) bool {
			return !apply(a, &a.exponentials, streamkey.Stream(key, p.Attributes()), p, fromExponential)
		})
		m.ExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		return ps.Len()
	}
}

func fromNumber(p pmetric.NumberDataPoint) (datapoint.Number, error) {
	return datapoint.FromNumber(p), nil
}

func fromExponential(p pmetric.ExponentialHistogramDataPoint) (datapoint.Exponential, error) {
	return datapoint.FromExponential(p, maxBuckets)
}

// point is a data point whose value is a V.
type point interface {
	Timestamp() pcommon.Timestamp
	StartTimestamp() pcommon.Timestamp
	SetStartTimestamp(pcommon.Timestamp)
	SetTimestamp(pcommon.Timestamp)
	Flags() pmetric.DataPointFlags
}

// apply adds p to its stream and makes it the total; false refuses it.
func apply[P point, V interface{ CopyTo(P) }](a *application, t *table[V], key streamkey.Key, p P, read func(P) (V, error)) bool {
	if p.Timestamp() == 0 || p.Timestamp() > a.limit || p.Flags().NoRecordedValue() {
		return true
	}
	increase, err := read(p)
	if err != nil {
		a.refused[Malformed]++
		return false
	}
	now := int64(p.Timestamp())
	a.sweep(now)
	old, known := t.streams[key]
	late := known && now <= old.last
	switch {
	case old.counted(now):
		a.refused[Repeated]++
		return false
	case late && (a.strict || now < a.latest-int64(a.set.Idle)):
		a.refused[OutOfOrder]++
		return false
	case !known && a.Streams() >= a.set.MaxStreams:
		a.refused[StreamLimit]++
		return false
	}
	at := now
	if known && now/tick <= old.last/tick {
		at = old.last + tick
	}
	total := increase
	if known {
		total = t.sum(old.value, increase)
	} else {
		old.start = int64(p.StartTimestamp())
	}
	next := old.with(now, at, total)
	t.put(key, old, known, next)
	next.value.CopyTo(p)
	p.SetStartTimestamp(pcommon.Timestamp(next.start))
	p.SetTimestamp(pcommon.Timestamp(at))
	return true
}

// sweep forgets idle streams, a few times in each idle period. It goes by the time of points alone.
func (s *State) sweep(now int64) {
	s.latest = max(s.latest, now)
	if s.latest-s.swept < int64(s.set.Idle/4) {
		return
	}
	s.swept = s.latest
	before := s.latest - int64(s.set.Idle)
	s.numbers.forget(before)
	s.histograms.forget(before)
	s.exponentials.forget(before)
}

// Advance closes nothing: every sample leaves with its point.
func (*State) Advance(_ time.Time, _ bool, low time.Time) (bool, time.Time) { return false, low }

// Flush has nothing to send.
func (*State) Flush(context.Context) error { return nil }

// Adopt lets late points count, where the state was of a version that refused them. The bounds are not part of the state.
func (s *State) Adopt() { s.strict = false }

// Snapshot writes the totals.
func (s *State) Snapshot(w io.Writer) error {
	e := encoder{w: w}
	e.header(s.latest, s.swept, s.strict)
	encodeTable(&e, s.numbers, datapoint.Number.Append)
	encodeTable(&e, s.histograms, datapoint.Histogram.Append)
	encodeTable(&e, s.exponentials, datapoint.Exponential.Append)
	return e.err
}

// Restore reads what Snapshot wrote.
func (s *State) Restore(r io.Reader) error {
	d, err := newDecoder(r)
	if err != nil {
		return err
	}
	s.latest, s.swept, s.strict = d.header()
	decodeTable(d, s.numbers, (*datapoint.Number).Decode)
	decodeTable(d, s.histograms, (*datapoint.Histogram).Decode)
	decodeTable(d, s.exponentials, (*datapoint.Exponential).Decode)
	return d.end()
}
