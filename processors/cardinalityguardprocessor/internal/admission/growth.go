package admission

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/axiomhq/hyperloglog"
)

const (
	// sketchPrecision gives 2^11 registers of a byte: 2 KiB a full sketch, standard error 1.04/√2048 = 2.3 %.
	sketchPrecision = 11
	// maxAttributes bounds how many attributes of a metric are counted; further ones can't be found guilty.
	maxAttributes = 64
	// guiltyShare: an attribute drives the growth if it has at least a tenth as many values as the metric has series.
	guiltyShare = 10
	// verdictWindows is how many windows without a fold end a verdict.
	verdictWindows = 2
	// calm is how full, in quarters, a budget may be with all that was limited in a window, for the verdict to end. Series stay for
	// up to 5/4 of a window, so growth that reaches the budget at all limits more than 4/5 of it in every window.
	calm = 3
)

// Growth finds out which attributes make a metric grow, and remembers the verdict. Values are counted by HyperLogLog
// over this window and the one before (a window is the idle time), so values that are no longer sent are forgotten.
//
// An attribute is guilty if it has at least a tenth as many distinct values as the metric has series; if none has, the
// one with the most values is (a product of harmless attributes). When what is left without the guilty ones still grows
// past its own budget, the one with the next most values joins them: [Growth.Widen].
//
// A verdict ends after two windows in which nothing was limited, or after one in which the series that were limited, distinct
// ones by HyperLogLog, would have fit in beside those that are active: see [Tree.NextWindow]. So an attribute that grows slowly but for ever
// does not get the places of its own idle series again and again, and a metric that grew once, when pods were replaced, recovers.
//
// Memory: up to 64 attributes with two sketches of at most 2 KiB each, and one for the series; small sketches are sparse. Nothing before the
// first Note. The zero value is ready. It is safe for concurrent use, and Verdict takes no lock.
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
	fresh       int    // notes since estimate was made
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

// Note counts one value of an attribute, by its hash, and returns about how many there are: the estimate is at most
// 1/64 of itself, or 16 notes, behind.
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

// Noting says whether values have been counted since the last but one window.
func (g *Growth) Noting() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.values) > 0
}

// Limit notes that a series was limited, by its hash, which keeps the verdict alive.
func (g *Growth) Limit(series uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limited == nil {
		g.limited = newSketch()
	}
	g.limited.InsertHash(series)
	g.idle = 0
}

// mayWarn says, once a window, that a warning about an attribute's values may be given.
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

// limitedSeries returns about how many distinct series were limited in this window.
func (g *Growth) limitedSeries() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limited == nil {
		return 0
	}
	return int64(g.limited.Estimate())
}

// rotate begins the next window. fits says that all the series that were limited in this one would have found a place, and
// maxValues is the budget of an attribute's values, 0 for none: what was guilty of more is still.
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

// Verdict is what a metric's growth is put down to. Levels grow: level i removes Names[:Ends[i]], level 0 the least. A
// verdict is never changed, only replaced.
type Verdict struct {
	Names []string
	Ends  []int
}

// Removes says whether level removes the attribute.
func (v *Verdict) Removes(name string, level int) bool {
	return slices.Contains(v.Names[:v.Ends[level]], name)
}

// Verdict returns the present verdict, nil if there is none.
func (g *Growth) Verdict() *Verdict { return g.verdict.Load() }

// Acquit ends the verdict, after the rules have changed.
func (g *Growth) Acquit() { g.verdict.Store(nil) }

// Judge returns the verdict, and makes it if there is none, for a metric with that many series. Protected attributes are
// never guilty. A verdict may name nobody: nothing is known yet, and level 0 removes nothing.
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

// Accuse adds an attribute as a level of its own. It changes nothing if the last level removes it already.
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

// Widen adds a level that removes one attribute more: the one with most values that is left. ok is false if none is left
// that has more than one.
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

// Busy says whether there is a verdict or a value that has been counted.
func (g *Growth) Busy() bool { return g.Verdict() != nil || g.Noting() }
