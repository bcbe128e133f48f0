package rollup

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/penstockhq/penstock/internal/window"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/aggregate"
)

// Spec is everything that determines the output. It is saved with the state.
type Spec struct {
	Settings
	Rules []Rule
}

// OnLate decides about a point whose pane has closed.
type OnLate string

// The choices for a late point.
const (
	Drop    OnLate = "drop"
	Route   OnLate = "route"
	Correct OnLate = "correct"
)

// Settings apply to all rules.
type Settings struct {
	// AllowedLateness is how long a pane stays open after the watermark has passed its end.
	AllowedLateness time.Duration
	// IdleTimeout is how far a source may be behind before it no longer delays the watermark, and how long the input may be silent before
	// the clock closes what is open.
	IdleTimeout time.Duration
	// MaxFuture is how far ahead of the clock a point may be.
	MaxFuture time.Duration
	// ProcessingTime puts points into windows by the time of their arrival.
	ProcessingTime bool
	OnLate         OnLate
	// CorrectFor is how long after its end a window can be corrected.
	CorrectFor time.Duration
	// StreamTimeout is how long a stream without points is remembered, in event time.
	StreamTimeout time.Duration
	// MaxStreams bounds output streams, MaxInputStreams cumulative input streams, MaxSources the
	// sources of the watermark.
	MaxStreams, MaxInputStreams, MaxSources int
	// MaxBuckets bounds a sketch, and an exponential histogram per sign.
	MaxBuckets int
	// Temporality is how additive values are written.
	Temporality Temporality
}

// leastBuckets is the least number of buckets of a sketch.
const leastBuckets = 8

// sound reports whether the bounds make sense, for settings that were not validated as a configuration.
func (s *Settings) sound() bool {
	return s.AllowedLateness >= 0 && s.IdleTimeout > 0 && s.MaxFuture >= 0 && s.CorrectFor >= 0 && s.StreamTimeout > 0 &&
		s.MaxStreams > 0 && s.MaxInputStreams > 0 && s.MaxSources > 0 && s.MaxBuckets >= leastBuckets
}

// Temporality is how values are written that can be added up over windows: sums, counts, increases, histograms.
type Temporality string

// The temporalities.
const (
	// Delta: the value of the window.
	Delta Temporality = "delta"
	// Cumulative: the running total since the stream's first window.
	Cumulative Temporality = "cumulative"
	// PerWindow: a gauge with the value of the window, so that components that accumulate deltas do not change it. Histograms, which can't
	// be gauges, are deltas.
	PerWindow Temporality = "gauge"
)

// Rule is one way to aggregate the metrics that it matches.
type Rule struct {
	Match      Match
	Windows    []window.Spec
	By         []string
	Without    []string
	Aggregates []string
	KeepRaw    bool
	MaxStreams int
}

// Keeps reports whether the output streams of r keep the attribute; "*" means all attributes.
func (r Rule) Keeps(attribute string) bool {
	switch {
	case len(r.By) > 0:
		return slices.Contains(r.By, attribute)
	case len(r.Without) > 0:
		return attribute != "*" && !slices.Contains(r.Without, attribute)
	default:
		return true
	}
}

// maxPanesPerWindow bounds one stream's panes of one hopping window.
const maxPanesPerWindow = 1000

// Validate reports all problems of r, each beginning with the key.
func (r Rule) Validate() error {
	errs := r.Match.validate()
	if len(r.Windows) == 0 {
		errs = errors.Join(errs, errors.New("windows: at least one is needed"))
	}
	sizes := map[time.Duration]bool{}
	for i, w := range r.Windows {
		if err := w.Validate(); err != nil {
			errs = errors.Join(errs, fmt.Errorf("windows::%d: %w", i, err))
			continue
		}
		if w.Size/w.Hop > maxPanesPerWindow {
			errs = errors.Join(errs, fmt.Errorf("windows::%d::hop: %v is too small for size %v: at most %d hops a window", i, w.Hop, w.Size, maxPanesPerWindow))
		}
		if sizes[w.Size] {
			errs = errors.Join(errs, fmt.Errorf("windows::%d::size: %v is listed twice", i, w.Size))
		}
		sizes[w.Size] = true
	}
	if errs == nil && baseWidth(r.Windows) < time.Second {
		errs = fmt.Errorf("windows: the greatest common divisor of their sizes and hops is %v, which is the length of a pane: it must be at least 1s", baseWidth(r.Windows))
	}
	if len(r.By) > 0 && len(r.Without) > 0 {
		errs = errors.Join(errs, errors.New("by, without: set only one of them"))
	}
	if len(r.Aggregates) == 0 {
		errs = errors.Join(errs, errors.New("aggregates: at least one is needed"))
	}
	seen := map[string]bool{}
	for i, name := range r.Aggregates {
		a, err := aggregate.Parse(name)
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("aggregates::%d: %w", i, err))
			continue
		}
		if seen[name] {
			errs = errors.Join(errs, fmt.Errorf("aggregates::%d: %q is listed twice", i, name))
		}
		seen[name] = true
		if kinds := r.Match.kinds(); !slices.ContainsFunc(kinds, a.AppliesTo) {
			errs = errors.Join(errs, fmt.Errorf("aggregates::%d: %q can't be computed from metrics of type %v", i, name, r.Match.Types))
		}
	}
	if r.MaxStreams < 0 {
		errs = errors.Join(errs, fmt.Errorf("max_streams: must not be negative, got %d", r.MaxStreams))
	}
	return errs
}

// baseWidth returns the widest pane of which all windows consist.
func baseWidth(windows []window.Spec) (width time.Duration) {
	for _, w := range windows {
		width = window.GCD(width, w.Hop)
	}
	return width
}
