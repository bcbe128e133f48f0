// Package accumulate turns delta points into cumulative ones, with bounded state.
//
// There is one total for each written series, and every stream that becomes the series adds to it: two processes without
// service.instance.id, k="" beside no k, the integer 200 beside "200". Each point gets its own sample if a millisecond is free for it: not
// before the point's time, and at most maxLead later. Otherwise its increase is sent with the next sample of its series, or through the
// outbox.
//
// The output depends only on the points, their order and the records they came in, never on how they were cut into batches, so that a
// second reading of a journal gives the same values. Source: https://opentelemetry.io/docs/specs/otel/metrics/data-model/#temporality
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
	// maxBuckets bounds an exponential histogram, per sign; it is the SDKs' default.
	maxBuckets = 160
	// tick is the resolution of Prometheus' times.
	tick = int64(time.Millisecond)
	// maxLead is how many milliseconds a sample may be later than its point. One more is reserved for the outbox.
	maxLead = 9
)

// Reason is why a delta point was refused.
type Reason int

// The reasons.
const (
	OutOfOrder    Reason = iota // older than the history of series
	Repeated                    // its stream had a point with that start, time and value: sent twice
	Malformed                   // a histogram that contradicts itself, or a negative increase of a monotonic stream
	StreamLimit                 // a new stream, and the state has MaxStreams
	NoValue                     // it has no value
	NotFinite                   // its value is NaN or infinite, or would make the total so
	CountOverflow               // the total's count would exceed 64 bits, and no millisecond is free to restart the total
	NumReasons
)

var reasonNames = [NumReasons]string{"delta_out_of_order", "delta_repeated", "delta_malformed", "delta_stream_limit", "no_value", "not_finite", "count_overflow"}

// String is the value of the attribute `reason`.
func (r Reason) String() string { return reasonNames[r] }

// Settings bound a State.
type Settings struct {
	MaxStreams int           // over all types
	Idle       time.Duration // in event time: a series without points for longer is forgotten and restarts from zero; later points are refused
	Undo       bool          // keep the data that Undo needs
}

// Names maps points to the series that they are written to.
type Names interface {
	// Series returns the key of the series that a point of m with these attributes becomes; of a histogram, one key for all its series. ok
	// is false if it becomes none: then the translation refuses it.
	Series(rm pmetric.ResourceMetrics, sm pmetric.ScopeMetrics, m pmetric.Metric, attributes pcommon.Map) (key streamkey.Key, ok bool)
}

// Batch describes the metrics that are applied.
type Batch struct {
	Names   Names
	Limit   time.Time       // later points stay unchanged: the translation refuses them
	Tenant  string          // from client metadata
	Records []origin.Record // of each resource; nil without a journal
}

// Outcome counts the results of points.
type Outcome struct {
	Refused [NumReasons]int
	// Points whose total continues without their sum, which is missing although others have one, or not finite.
	NoSum, SumNotFinite int
	// Exemplars beyond those that a waiting increase can keep.
	Exemplars int
	// Totals that restarted with a new start time: the bounds of a histogram changed, or its count would have exceeded 64 bits.
	Rebounded, Overflowed int
}

// State holds the running totals of one partition. Not safe for concurrent use.
//
// Memory: about 300 bytes per stream of numbers that is a series of its own, 380 and 16 per bucket for histograms; and 8 bytes for each
// point past the eighth of a stream in an entry, of which the last two entries are remembered, up to maxMarks.
type State struct {
	set    Settings
	latest int64  // the newest time of any point, Unix nanoseconds
	swept  int64  // value of latest at the last sweep
	strict bool   // until Adopt: late points are refused, as in version 1, which wrote the state
	entry  uint32 // number of the current metric
	batch  uint32 // number of the current Apply
	marks  int    // those beyond the first eight of each stream

	numbers      family[datapoint.Number]
	histograms   family[datapoint.Histogram]
	exponentials family[datapoint.Exponential]

	waitingAt time.Time // when Advance first saw waiting increases; zero: there are none
	outbox    []Release
}

// New returns an empty state.
func New(set Settings) *State {
	return &State{set: set, numbers: newFamily(numberArithmetic), histograms: newFamily(histogramArithmetic), exponentials: newFamily(exponentialArithmetic)}
}

// Streams is the number of streams in the state.
func (s *State) Streams() int {
	return s.numbers.len() + s.histograms.len() + s.exponentials.len()
}

// HasDelta reports whether md has delta metrics for Apply.
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

// Apply makes the delta metrics of md cumulative, in place. It removes the points that it refuses, and those whose increase is sent later.
// Points without a time or later than b.Limit stay unchanged and have no effect: the translation refuses them. Until the next Apply, Undo
// can revert it, if the settings say so.
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

// Undo reverts the last Apply, because the next component refused its output.
func (s *State) Undo() {
	s.numbers.rollback()
	s.histograms.rollback()
	s.exponentials.rollback()
}

func (s *State) forgetUndo() {
	s.numbers.undo, s.histograms.undo, s.exponentials.undo = undo[datapoint.Number]{}, undo[datapoint.Histogram]{}, undo[datapoint.Exponential]{}
}

// sweep forgets idle series, a few times in each idle period. It uses only the time of points.
func (s *State) sweep(now int64) {
	s.latest = max(s.latest, now)
	if s.latest-s.swept < int64(s.set.Idle/4) {
		return
	}
	s.swept = s.latest
	before := s.latest - int64(s.set.Idle)
	s.marks -= s.numbers.forget(before) + s.histograms.forget(before) + s.exponentials.forget(before)
}

// Adopt accepts late points if the state was from a version that refused them. The bounds are not part of the state.
func (s *State) Adopt() { s.strict = false }
