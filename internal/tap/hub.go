package tap

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxRate is the highest number of records a second that a tap shows.
	MaxRate = 100
	// DefaultRate is used where a viewer asks for none.
	DefaultRate = 10
	// MaxRecord is the longest line of a record, in bytes. What is longer is cut by package sampler.
	MaxRecord = 8 << 10
	// Waiting is how many lines wait for a viewer that reads slowly. A tap takes at most Waiting × MaxRecord bytes, 800 KiB.
	Waiting = 100
)

// Values of Place.Side.
const (
	Before = "before" // the component's input
	After  = "after"  // its output
)

// ErrTooMany says that as many taps are open as may be.
var ErrTooMany = errors.New("too many taps are open")

// Place says where a point is.
type Place struct {
	Side      string `json:"side"`      // Before or After
	Kind      string `json:"kind"`      // receiver, processor, exporter or connector
	Component string `json:"component"` // its id
	Signal    string `json:"signal"`    // of the records at this point
	// Pipeline is the pipeline of a processor; empty for components that several pipelines share.
	Pipeline string `json:"pipeline,omitempty"`
}

// Point is a place that batches pass. Its owner asks Open for each batch, and shows records to Taps only if it is. It is safe for
// concurrent use.
type Point struct {
	Place
	taps atomic.Pointer[[]*Tap] // nil while nobody looks; written under the hub's lock
}

// NewPoint returns a point at which nobody can look before it is added to a hub.
func NewPoint(p Place) *Point { return &Point{Place: p} }

// Open says whether somebody looks: one atomic load.
func (p *Point) Open() bool { return p.taps.Load() != nil }

// Taps returns who looks. The slice must not be changed.
func (p *Point) Taps() []*Tap {
	if taps := p.taps.Load(); taps != nil {
		return *taps
	}
	return nil
}

// Filter selects points, and the tenant whose records are shown. Empty fields select all.
type Filter struct {
	Side      string
	Kind      string
	Component string // an id, or a type: kafka_replay selects kafka_replay/lake too
	Signal    string
	Pipeline  string // a pipeline's id, or its signal: logs selects logs/lake too
	// Tenant is the only one whose records are shown, if OneTenant.
	Tenant    string
	OneTenant bool
}

// Selects says whether the filter selects points at the place.
func (f *Filter) Selects(p *Place) bool {
	return (f.Side == "" || f.Side == p.Side) && (f.Kind == "" || f.Kind == p.Kind) && (f.Signal == "" || f.Signal == p.Signal) &&
		named(f.Component, p.Component) && (f.Pipeline == "" || named(f.Pipeline, p.Pipeline))
}

// named says whether id is the wanted one, or of the wanted type.
func named(want, id string) bool {
	return want == "" || want == id || len(id) > len(want) && id[:len(want)] == want && id[len(want)] == '/'
}

// Hub connects taps with points. It is safe for concurrent use. Memory: a pointer for each point, and what the open taps take.
type Hub struct {
	maxTaps int

	mu     sync.Mutex
	points map[*Point]struct{} // guarded by mu
	taps   map[*Tap]struct{}   // guarded by mu
}

// NewHub returns a hub at which at most maxTaps taps are open.
func NewHub(maxTaps int) *Hub {
	return &Hub{maxTaps: maxTaps, points: map[*Point]struct{}{}, taps: map[*Tap]struct{}{}}
}

// MaxTaps returns how many taps may be open.
func (h *Hub) MaxTaps() int { return h.maxTaps }

// Add lets taps look at the point, those that are open too.
func (h *Hub) Add(p *Point) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.points[p] = struct{}{}
	h.connectLocked(p)
}

// Remove ends that; it may be repeated.
func (h *Hub) Remove(p *Point) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.points, p)
	p.taps.Store(nil)
}

// Places lists where points are, each place once, in order of kinds as data passes them.
func (h *Hub) Places() []Place {
	h.mu.Lock()
	all := make([]Place, 0, len(h.points))
	for p := range h.points {
		all = append(all, p.Place)
	}
	h.mu.Unlock()
	slices.SortFunc(all, func(a, b Place) int {
		return cmp.Or(cmp.Compare(order(a.Kind), order(b.Kind)), cmp.Compare(a.Component, b.Component), cmp.Compare(a.Pipeline, b.Pipeline),
			cmp.Compare(a.Signal, b.Signal), strings.Compare(b.Side, a.Side))
	})
	return slices.Compact(all)
}

func order(kind string) int {
	return slices.Index([]string{"receiver", "processor", "connector", "exporter"}, kind)
}

// Open opens a tap that shows at most rate records a second, from 1 to MaxRate. It must be closed.
func (h *Hub) Open(f Filter, rate int) (*Tap, error) {
	if rate < 1 || rate > MaxRate {
		return nil, fmt.Errorf("rate: %d must be from 1 to %d", rate, MaxRate)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.taps) >= h.maxTaps {
		return nil, fmt.Errorf("%w: %d", ErrTooMany, h.maxTaps)
	}
	t := &Tap{Filter: f, rate: float64(rate), tokens: float64(rate), lines: make(chan []byte, Waiting)}
	h.taps[t] = struct{}{}
	h.connectAllLocked()
	return t, nil
}

// Close closes a tap; it may be repeated.
func (h *Hub) Close(t *Tap) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.taps, t)
	h.connectAllLocked()
}

func (h *Hub) connectAllLocked() {
	for p := range h.points {
		h.connectLocked(p)
	}
}

func (h *Hub) connectLocked(p *Point) {
	var taps []*Tap
	for t := range h.taps {
		if t.Selects(&p.Place) {
			taps = append(taps, t)
		}
	}
	if taps == nil {
		p.taps.Store(nil)
		return
	}
	p.taps.Store(&taps)
}

// Tap is what one viewer sees. It is safe for concurrent use.
type Tap struct {
	Filter
	rate  float64
	lines chan []byte

	mu     sync.Mutex
	tokens float64   // guarded by mu
	last   time.Time // guarded by mu: when tokens were added

	seen, shown, slow, long, unscrubbed atomic.Int64
}

// Counts say what became of the records that passed the points of a tap. What is in none of the others of Seen was passed over, because
// more came than the rate allows.
type Counts struct {
	Seen int64 `json:"seen"`
	// Shown were handed to the viewer.
	Shown int64 `json:"shown"`
	// Slow were not shown because the viewer had not read the ones before.
	Slow int64 `json:"slow"`
	// Long were not shown because they are too long to be copied.
	Long int64 `json:"long"`
	// Unscrubbed were not shown because they could not be scrubbed.
	Unscrubbed int64 `json:"unscrubbed"`
}

// Lines are what the viewer reads, one record each, never closed.
func (t *Tap) Lines() <-chan []byte { return t.lines }

// Counts returns the numbers since the tap was opened.
func (t *Tap) Counts() Counts {
	return Counts{t.seen.Load(), t.shown.Load(), t.slow.Load(), t.long.Load(), t.unscrubbed.Load()}
}

// See counts n records that passed.
func (t *Tap) See(n int) { t.seen.Add(int64(n)) }

// Take returns how many of n records may be shown now, at most most.
func (t *Tap) Take(now time.Time, n, most int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last.IsZero() {
		t.last = now
	}
	if gone := now.Sub(t.last); gone > 0 {
		t.tokens = min(t.rate, t.tokens+gone.Seconds()*t.rate)
		t.last = now
	}
	n = min(n, most, int(t.tokens))
	t.tokens -= float64(n)
	return n
}

// Show hands a line to the viewer, who keeps it. It never waits.
func (t *Tap) Show(line []byte) {
	t.shown.Add(1) // first, so that who has the line finds it counted
	select {
	case t.lines <- line:
	default:
		t.shown.Add(-1)
		t.slow.Add(1)
	}
}

// TooLong counts a record that was too long to be copied.
func (t *Tap) TooLong() { t.long.Add(1) }

// Unscrubbed counts a record that could not be scrubbed, and so is not shown.
func (t *Tap) Unscrubbed() { t.unscrubbed.Add(1) }
