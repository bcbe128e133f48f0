// Package accumulate turns delta points into cumulative ones, with bounded state.
//
// There is one total for each series that is written, and every stream that becomes the series adds to it: two processes
// without service.instance.id, k="" beside no k, the integer 200 beside "200". Each point gets a sample of its own if a
// millisecond is free for it: not before its own time, and at most maxLead later. Else its increase leaves with the next
// sample of its series, or through the outbox.
//
// What comes out depends on the points, their order and the records they came in alone, never on how they were cut into
// batches, so that a second reading of a journal gives the same values.
// Source: https://opentelemetry.io/docs/specs/otel/metrics/data-model/#temporality
package accumulate

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/origin"
	"github.com/penstockhq/penstock/internal/streamkey"
)

const (
	// maxBuckets bounds an exponential histogram, per sign: what SDKs use.
	maxBuckets = 160
	// tick is what Prometheus tells times apart by.
	tick = int64(time.Millisecond)
	// maxLead is how many milliseconds a sample may stand behind its point's time. One more is left to the outbox.
	maxLead = 9
)

// Reason is why a delta point was refused.
type Reason int

// The reasons.
const (
	OutOfOrder    Reason = iota // older than what is remembered of series
	Repeated                    // its stream had a point of that start, time and value: sent twice
	Malformed                   // a histogram that contradicts itself, or a negative increase of what only grows
	StreamLimit                 // a new stream, and MaxStreams are kept
	NoValue                     // it has no value
	NotFinite                   // its value is NaN or infinite, or would make the total so
	CountOverflow               // the count of the total would pass 64 bits, and no millisecond is free to begin another
	NumReasons
)

var reasonNames = [NumReasons]string{"delta_out_of_order", "delta_repeated", "delta_malformed", "delta_stream_limit", "no_value", "not_finite", "count_overflow"}

// String is the value of the attribute `reason`.
func (r Reason) String() string { return reasonNames[r] }

// Settings bound a State.
type Settings struct {
	MaxStreams int           // over all types
	Idle       time.Duration // in event time: a series without points for longer is forgotten and begins again from zero; later points are refused
	Undo       bool          // keep what Undo needs
}

// Names tells which series points are written to.
type Names interface {
	// Series returns the key of the series that a point of m with these attributes becomes; of a histogram, of all its series
	// together. ok is false if it becomes none: then the translation refuses it.
	Series(rm pmetric.ResourceMetrics, sm pmetric.ScopeMetrics, m pmetric.Metric, attributes pcommon.Map) (key streamkey.Key, ok bool)
}

// Batch is what is known of the metrics that are applied.
type Batch struct {
	Names   Names
	Limit   time.Time       // later points are left as they are: the translation refuses them
	Tenant  string          // from client metadata
	Records []origin.Record // of each resource; nil without a journal
}

// Outcome counts what became of points.
type Outcome struct {
	Refused [NumReasons]int
	// Points whose total goes on without their sum: it is missing where others have one, or not finite.
	NoSum, SumNotFinite int
	// Exemplars of points whose increases wait that there was no room for.
	Exemplars int
	// Totals that began again, with a new start time: the bounds of a histogram changed, or its count passed 64 bits.
	Rebounded, Overflowed int
}

// State holds the running totals of one partition. Not safe for concurrent use.
//
// Memory: about 300 bytes a stream of numbers that is a series of its own, 380 and 16 a bucket for histograms; 8 bytes for
// each point past the eighth of a stream in an entry, of which the last two entries are remembered, up to maxMarks.
type State struct {
	set    Settings
	latest int64  // the newest time of any point, Unix nanoseconds
	swept  int64  // latest at the last sweep
	strict bool   // until Adopt: late points are refused, as version 1 did, which wrote the state
	entry  uint32 // number of the metric at hand
	batch  uint32 // number of the Apply at hand
	marks  int    // beyond the first eight of each stream

	numbers      family[datapoint.Number]
	histograms   family[datapoint.Histogram]
	exponentials family[datapoint.Exponential]

	waitingAt time.Time // when Advance saw first that increases wait; zero: none do
	outbox    []Release
}

// New returns an empty state.
func New(set Settings) *State {
	return &State{set: set, numbers: newFamily(numberArithmetic), histograms: newFamily(histogramArithmetic), exponentials: newFamily(exponentialArithmetic)}
}

// Streams is the number of streams that are kept.
func (s *State) Streams() int {
	return s.numbers.len() + s.histograms.len() + s.exponentials.len()
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

// Apply makes the delta metrics of md cumulative, in place. It takes out the points that it refuses, and those whose
// increase leaves later. Points without a time or later than b.Limit are left as they are and change nothing: the
// translation refuses them. Until the next Apply, Undo takes it all back, if the settings say so.
func (s *State) Apply(md pmetric.Metrics, b Batch) (o Outcome) {
	s.forgetUndo()
	s.batch++
	a := application{State: s, batch: b, limit: pcommon.NewTimestampFromTime(b.Limit), outcome: &o}
	for i, rm := range md.ResourceMetrics().All() {
		a.rm, a.deduplicated = rm, i < len(b.Records) && b.Records[i].Deduplicated
		plain := streamkey.Resource(rm.Resource())
		resource := plain
		if b.Tenant != "" {
			resource = plain.In(streamkey.StringAttribute("tenant", b.Tenant))
		}
		for _, sm := range rm.ScopeMetrics().All() {
			scope := streamkey.Scope(sm.Scope())
			a.sm = sm
			sm.Metrics().RemoveIf(func(m pmetric.Metric) bool {
				if !isDelta(m) {
					return false
				}
				a.m, a.key, a.formerKey = m, streamkey.Metric(resource, scope, m), streamkey.Metric(plain, scope, m)
				return a.metric() == 0
			})
		}
	}
	return o
}

// Undo takes back the last Apply: what came of it was not taken.
func (s *State) Undo() {
	s.numbers.rollback()
	s.histograms.rollback()
	s.exponentials.rollback()
}

func (s *State) forgetUndo() {
	s.numbers.undo, s.histograms.undo, s.exponentials.undo = undo[datapoint.Number]{}, undo[datapoint.Histogram]{}, undo[datapoint.Exponential]{}
}

// sweep forgets what is idle, a few times in each idle period. It goes by the time of points alone.
func (s *State) sweep(now int64) {
	s.latest = max(s.latest, now)
	if s.latest-s.swept < int64(s.set.Idle/4) {
		return
	}
	s.swept = s.latest
	before := s.latest - int64(s.set.Idle)
	s.marks -= s.numbers.forget(before) + s.histograms.forget(before) + s.exponentials.forget(before)
}

// Adopt lets late points count, where the state was of a version that refused them. The bounds are not part of the state.
func (s *State) Adopt() { s.strict = false }
