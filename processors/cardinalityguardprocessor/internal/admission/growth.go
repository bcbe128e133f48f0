package admission

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/axiomhq/hyperloglog"
)

const (
	// sketchPrecision gives 2^11 registers of a byte: 2 KiB per full sketch, standard error 1.04/√2048 = 2.3 %.
	sketchPrecision = 11
	// maxAttributes bounds how many attributes of a metric are counted; further ones can't be found guilty.
	maxAttributes = 64
	// guiltyShare: an attribute causes the growth if it has at least a tenth as many values as the metric has series.
	guiltyShare = 10
	// verdictWindows is after how many windows without a fold a verdict ends.
	verdictWindows = 2
	// calm is how full, in quarters, a budget may be with all series that were limited in a window, for the verdict to end. Series stay
	// active for up to 5/4 of a window, so growth that reaches the budget at all limits more than 4/5 of it in every window.
	calm = 3
)

// Growth finds the attributes that make a metric grow, and remembers the verdict. Values are counted by HyperLogLog over this window and
// the one before (a window is the idle time), so values that are no longer sent are forgotten.
//
// An attribute is guilty if it has at least a tenth as many distinct values as the metric has series; if none has, the one with the most
// values is guilty (a product of harmless attributes). If the series without the guilty attributes still exceed their own budget, the
// attribute with the next most values is added: [Growth.Widen].
//
// A verdict ends after two windows in which nothing was limited, or after one in which the limited series, distinct ones by HyperLogLog,
// would have fit beside the active ones: see [Tree.NextWindow]. So an attribute that grows slowly without end does not repeatedly get the
// places of its own idle series, and a metric that grew once, when pods were replaced, recovers.
//
// Memory: up to 64 attributes with two sketches of at most 2 KiB each, and one for the series; small sketches are sparse. It allocates
// nothing before the first Note. The zero value is ready. It is safe for concurrent use, and Verdict takes no lock.
type Growth struct {
	verdict atomic.Pointer[Verdict]

	mu      sync.Mutex
	idle    int32                // windows since a series was last limited; guarded by mu, as are all here
	values  map[string]*distinct // by attribute
	limited *hyperloglog.Sketch  // series that were limited in this window; nil for none
}

// distinct counts the values of one attribute.
type distinct struct {
	now, before *hyperloglog.Sketch
	estimate    uint64
	fresh       int    // notes since the estimate was computed
	warned      uint32 // window of the last warning, plus 1
}

func newSketch() *hyperloglog.Sketch {
	sk, err := hyperloglog.NewSketch(sketchPrecision, true)
	if err != nil {
		panic(err) // The precision is a constant within bounds.
	}
	return sk
}

// AttributeCount is an attribute with the estimated number of its distinct values.
type AttributeCount struct {
	Name   string
	Values uint64
}

// Note counts one value of an attribute, by its hash, and returns the estimated number of values, which lags by at most 1/64, or by 16
// notes.
func (g *Growth) Note(name string, hash uint64) (values uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.values[name]
	if d == nil {
		if len(g.values) >= maxAttributes {
			return 0
		}
		if g.values == nil {
			g.values = map[string]*distinct{}
		}
		d = &distinct{now: newSketch()}
		g.values[clone(name)] = d
	}
	d.now.InsertHash(hash)
	if d.fresh++; d.fresh >= 16 && uint64(d.fresh) >= d.estimate/64 || d.estimate == 0 {
		d.count()
	}
	return d.estimate
}

func (d *distinct) count() {
	d.fresh = 0
	if d.before == nil {
		d.estimate = d.now.Estimate()
		return
	}
	both := d.before.Clone()
	if err := both.Merge(d.now); err != nil {
		panic(err) // Only sketches of different precision can't be merged.
	}
	d.estimate = both.Estimate()
}

// Noting reports whether values were counted since the window before last.
func (g *Growth) Noting() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.values) > 0
}

// Limit notes that a series, given by its hash, was limited, which prolongs the verdict.
func (g *Growth) Limit(series uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limited == nil {
		g.limited = newSketch()
	}
	g.limited.InsertHash(series)
	g.idle = 0
}

// mayWarn allows one warning per window about an attribute's values.
func (g *Growth) mayWarn(name string, window uint32) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.values[name]
	if d == nil || d.warned == window {
		return false
	}
	d.warned = window
	return true
}

// limitedSeries returns the estimated number of distinct series that were limited in this window.
func (g *Growth) limitedSeries() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limited == nil {
		return 0
	}
	return int64(g.limited.Estimate())
}

// rotate starts the next window. fits says that all the series that were limited in this one would have found a place. maxValues is the
// budget of an attribute's values, 0 for none: an attribute that exceeds it stays guilty.
func (g *Growth) rotate(fits bool, maxValues uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v := g.verdict.Load(); v != nil {
		for _, name := range v.Names {
			if d := g.values[name]; d != nil && maxValues > 0 && d.now.Estimate() > maxValues*calm/4 {
				fits = false
			}
		}
		if g.idle++; g.idle >= verdictWindows || fits && g.limited != nil {
			g.verdict.Store(nil)
		}
	}
	g.limited = nil
	for name, d := range g.values {
		if d.before, d.now = d.now, newSketch(); d.before.Estimate() == 0 {
			delete(g.values, name)
			continue
		}
		d.count()
	}
}

// Distinct returns the attributes, those with most values first.
func (g *Growth) Distinct() []AttributeCount {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.distinctLocked()
}

func (g *Growth) distinctLocked() []AttributeCount {
	list := make([]AttributeCount, 0, len(g.values))
	for name, d := range g.values {
		if d.fresh > 0 {
			d.count()
		}
		list = append(list, AttributeCount{name, d.estimate})
	}
	slices.SortFunc(list, func(a, b AttributeCount) int {
		return cmp.Or(cmp.Compare(b.Values, a.Values), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// Verdict names the attributes that cause a metric's growth. Levels grow: level i removes Names[:Ends[i]], level 0 the fewest. A verdict
// is immutable; a new one replaces it.
type Verdict struct {
	Names []string
	Ends  []int
}

// Removes reports whether level removes the attribute.
func (v *Verdict) Removes(name string, level int) bool {
	return slices.Contains(v.Names[:v.Ends[level]], name)
}

// Verdict returns the present verdict, nil if there is none.
func (g *Growth) Verdict() *Verdict { return g.verdict.Load() }

// Acquit ends the verdict, after the rules have changed.
func (g *Growth) Acquit() { g.verdict.Store(nil) }

// Judge returns the verdict on a metric with that many series, and makes one if there is none. Protected attributes are never guilty. A
// verdict may be empty if nothing is known yet; then level 0 removes nothing.
func (g *Growth) Judge(series int64, protected func(string) bool) *Verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.idle = 0
	if v := g.verdict.Load(); v != nil {
		return v
	}
	v := &Verdict{}
	for _, a := range g.distinctLocked() {
		if a.Values < 2 || protected(a.Name) {
			continue
		}
		if len(v.Names) > 0 && a.Values*guiltyShare < uint64(max(series, 1)) {
			break
		}
		v.Names = append(v.Names, a.Name)
	}
	v.Ends = []int{len(v.Names)}
	g.verdict.Store(v)
	return v
}

// Accuse adds an attribute as a separate level. It changes nothing if the last level already removes it.
func (g *Growth) Accuse(name string) *Verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.accuseLocked(name)
}

func (g *Growth) accuseLocked(name string) *Verdict {
	g.idle = 0
	old := g.verdict.Load()
	switch {
	case old == nil:
		old = &Verdict{}
	case slices.Contains(old.Names, name):
		return old
	}
	names := append(slices.Clone(old.Names), clone(name))
	v := &Verdict{Names: names, Ends: append(slices.Clone(old.Ends), len(names))}
	g.verdict.Store(v)
	return v
}

// Widen adds a level that removes one more attribute: the remaining one with the most values. ok is false if no remaining one has more
// than one value.
func (g *Growth) Widen(protected func(string) bool) (v *Verdict, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.verdict.Load()
	for _, a := range g.distinctLocked() {
		if a.Values > 1 && !protected(a.Name) && (old == nil || !slices.Contains(old.Names, a.Name)) {
			return g.accuseLocked(a.Name), true
		}
	}
	return old, false
}

// Busy reports whether there is a verdict or a counted value.
func (g *Growth) Busy() bool { return g.Verdict() != nil || g.Noting() }
