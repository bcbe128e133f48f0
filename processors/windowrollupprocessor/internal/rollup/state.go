package rollup

import (
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/repeat"
	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/internal/window"
)

// State is the rollup of one partition.
//
// Add is safe for concurrent use, also with Render. The other methods are for one goroutine, while none of these runs.
type State struct {
	configured Spec
	spec       Spec // in force; differs from configured between Restore and Adopt
	label      string
	began      int64

	engines []*engine
	streams atomic.Int64 // slots in use, of all engines
	runs    *runs
	names   *interner
	idents  *interner
	metrics *interner

	descriptors *descriptors
	values      *values
	chunks      sync.Pool // of *chunk
	repeats     *repeat.Points

	wmu    sync.Mutex
	water  *window.Watermark // guarded by wmu
	latest int64             // guarded by wmu; event time of the latest counted point

	cmu   sync.RWMutex
	cache map[metricID]wanted // guarded by cmu

	// mark: everything that ends at or before it has closed. It moves in Advance only.
	mark   int64
	outbox []closing
	sent   int         // pieces of the outbox that the next component has already accepted
	dirty  atomic.Bool // a closed window was corrected since

	coarsened int // histograms that lost bounds when windows were merged, not reported yet
	blurred   int // windows whose percentiles exceed the stated error, not reported yet

	lastNewest int64     // newest event time at the last Advance
	activeAt   time.Time // when it last moved
	sweptAt    int64     // event time of the last search for idle streams

	slowest, slowestBefore int64 // event time of the sender that is furthest behind, since the last such search and in the time before it
}

// wanted is a cached match of a metric.
type wanted struct {
	engines []*engine // engines that match it
	key     streamkey.Key
}

// maxCachedMetrics bounds the cache of matches; past it, the cache is cleared.
const maxCachedMetrics = 50_000

// New returns an empty state. label is added to overflow streams, so that those of two partitions are never one series; began is when the
// partition's state began (see datapoint.First).
func New(spec Spec, label string, began time.Time) *State {
	s := &State{configured: spec, label: label, began: began.UnixNano()}
	s.reset(spec)
	for _, r := range spec.Rules {
		s.engines = append(s.engines, newEngine(r, spec.Settings, window.Never))
	}
	return s
}

func (s *State) reset(spec Spec) {
	s.spec, s.engines, s.outbox, s.sent = spec, nil, nil, 0
	s.runs, s.names, s.idents, s.metrics = newRuns(), newInterner(), newInterner(), newInterner()
	s.descriptors, s.values, s.repeats = newDescriptors(), newValues(), repeat.New()
	s.water = window.NewWatermark(spec.IdleTimeout, spec.MaxSources)
	s.cache = map[metricID]wanted{}
	s.streams.Store(0)
	s.mark, s.latest, s.lastNewest, s.sweptAt, s.activeAt = window.Never, window.Never, window.Never, window.Never, time.Time{}
	s.slowest, s.slowestBefore = math.MaxInt64, math.MaxInt64
}

// lookUp finds the engines that match m.
func (s *State) lookUp(m pmetric.Metric) wanted {
	id := identify(m)
	s.cmu.RLock()
	found, ok := s.cache[id]
	s.cmu.RUnlock()
	if ok {
		return found
	}
	found.key = id.key()
	for _, e := range s.engines {
		if e.rule.Match.metric(id.name, id.kind) {
			found.engines = append(found.engines, e)
		}
	}
	s.cmu.Lock()
	defer s.cmu.Unlock()
	if len(s.cache) >= maxCachedMetrics {
		clear(s.cache)
	}
	id.name, id.unit = strings.Clone(id.name), strings.Clone(id.unit)
	s.cache[id] = found
	return found
}

// Status describes a state.
type Status struct {
	Streams      int64 // output streams, including overflow streams
	InputStreams int64 // cumulative input streams whose last value is remembered
	Sources      int   // sources of the watermark
	Newest       int64 // event time, window.Never before the first point
	Mark         int64 // everything up to it has closed; window.Never before that
}

// Status returns the status of s. It must not be called during Advance.
func (s *State) Status() Status {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	st := Status{Streams: s.streams.Load(), InputStreams: s.runs.count.Load(), Sources: s.water.Sources(), Newest: s.water.Newest(), Mark: s.mark}
	for _, e := range s.engines {
		st.Streams += e.folded.Load()
	}
	return st
}

// Merged returns the losses of merging since the last call, after Advance and Render: histograms that lost bounds, and windows whose
// percentiles exceed the stated error, because there were too many buckets or the input was coarser.
func (s *State) Merged() (coarsened, blurred int) {
	coarsened, blurred = s.coarsened, s.blurred
	s.coarsened, s.blurred = 0, 0
	return coarsened, blurred
}
