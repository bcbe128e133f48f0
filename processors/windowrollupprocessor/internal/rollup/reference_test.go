package rollup_test

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/penstockhq/penstock/internal/window"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/rollup"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/sketch"
)

// part is one point's contribution to a window.
type part struct {
	at            int64
	form          form
	value, latest float64 // numbers
	samples       []float64
	bounds        []float64
	scale         int32
	total         float64
	sum, extrema  bool // are known
	unplaced      bool // the bounds changed: all samples are in the last bucket
}

// reference keeps every part of every output stream, and computes windows from the definitions.
type reference struct {
	spec    rollup.Spec
	began   int64
	sources map[string]int64
	newest  int64
	water   int64
	last    map[string]event   // by input stream
	sums    map[string]float64 // of histograms, the last known one
	deltas  map[string]bool    // counted
	parts   []map[string][]part
	lost    map[rollup.Reason]int
	rolled  int
	routed  int
}

func newReference(spec rollup.Spec, began int64) *reference {
	r := &reference{spec: spec, began: began, sources: map[string]int64{}, newest: math.MinInt64, water: math.MinInt64,
		last: map[string]event{}, sums: map[string]float64{}, deltas: map[string]bool{}, lost: map[rollup.Reason]int{}}
	for range spec.Rules {
		r.parts = append(r.parts, map[string][]part{})
	}
	return r
}

// base is the width of a rule's panes: what all its hops are multiples of.
func base(rule rollup.Rule) (width int64) {
	for _, w := range rule.Windows {
		for a, b := width, int64(w.Hop); ; a, b = b, a%b {
			if b == 0 {
				width = a
				break
			}
		}
	}
	return width
}

func align(t, width int64) int64 { return t / width * width }

// add adds an event; mark is the time up to which everything has closed.
func (r *reference) add(e event, mark int64) {
	r.sources[e.s.host+e.s.service] = max(r.sources[e.s.host+e.s.service], e.at)
	r.newest = max(r.newest, e.at)
	var wanted []int
	late, raw := true, false
	for i, rule := range r.spec.Rules {
		if !applies(rule, e.s.form) {
			continue
		}
		wanted = append(wanted, i)
		late = late && r.late(rule, e.at, mark)
		raw = raw || rule.KeepRaw
	}
	switch {
	case len(wanted) == 0:
		return
	case e.noValue:
		r.lost[rollup.NoValue]++
		return
	case late && r.spec.OnLate == rollup.Route && !raw:
		r.routed++
		return
	case late:
		r.lost[rollup.Late] += len(wanted)
		return
	}
	if e.infinite != 0 && e.s.form <= counter {
		r.lost[rollup.NotFinite]++
		return
	}
	p, why, ok := r.increase(e)
	if !ok {
		r.lost[why]++
		return
	}
	r.rolled++
	for _, i := range wanted {
		if rule := r.spec.Rules[i]; r.late(rule, e.at, mark) {
			r.lost[rollup.Late]++
		} else {
			key := group(rule, e.s)
			r.parts[i][key] = append(r.parts[i][key], p)
		}
	}
}

func (r *reference) late(rule rollup.Rule, at, mark int64) bool {
	if r.spec.OnLate == rollup.Correct && at >= mark-int64(r.spec.CorrectFor) {
		return false
	}
	return align(at, base(rule))+base(rule) <= mark
}

// increase is a point's increase since the previous one.
func (r *reference) increase(e event) (p part, why rollup.Reason, ok bool) {
	p = part{at: e.at, form: e.s.form, value: e.value, latest: e.value, samples: e.samples, bounds: e.bounds, scale: e.s.scale,
		sum: e.s.form == summary || e.tellsSum(), total: sum(e.samples), extrema: !e.s.noExtrema}
	switch e.s.form {
	case gauge, upDown:
		return p, 0, true
	case deltaUpDown, deltaCounter, deltaHistogram, deltaExponential:
		known := []any{e.s.id(), e.at, e.start, e.value, e.samples, e.tellsSum()}
		if e.s.form == deltaHistogram {
			known = append(known, e.bounds)
		}
		key := fmt.Sprint(known...)
		again := r.deltas[key]
		r.deltas[key] = true
		return p, rollup.Repeated, !again
	}
	id := e.s.id()
	prev, known := r.last[id]
	if known && e.at <= prev.at {
		return p, rollup.Stale, false
	}
	r.last[id] = e
	told, sumKnown := r.sums[id]
	delete(r.sums, id)
	if p.sum {
		r.sums[id] = p.total
	}
	unknownStart := e.start == 0 || e.start >= e.at
	switch {
	case !known:
		return p, rollup.Baseline, !unknownStart && e.start >= r.began
	case e.value < prev.value || len(e.samples) < len(prev.samples):
		return p, 0, true
	case e.start > prev.start && e.start >= prev.at && !unknownStart:
		return p, 0, true
	}
	p.value -= prev.value
	p.samples = e.samples[len(prev.samples):]
	p.unplaced = !slices.Equal(e.bounds, prev.bounds)
	p.extrema = p.extrema && len(prev.samples) == 0
	switch {
	case !sumKnown && p.sum && len(prev.samples) == 0:
	case !sumKnown:
		p.sum = false
	case p.sum:
		p.total -= told
	default: // the next one with a sum contains what this one lacks
		p.sum, p.total, r.sums[id] = true, 0, told
	}
	return p, 0, true
}

// watermark is the least of the newest times of all sources that are not idle.
func (r *reference) watermark() int64 {
	least := r.newest
	for source, t := range r.sources {
		if r.newest-t > int64(r.spec.IdleTimeout) {
			delete(r.sources, source)
		} else {
			least = min(least, t)
		}
	}
	r.water = max(r.water, least)
	return r.water
}

// applies reports whether a rule has any aggregate for the form.
func applies(rule rollup.Rule, f form) bool {
	if rule.Match.Metric != "" && rule.Match.Metric != (&stream{form: f}).name() {
		return false
	}
	return slices.ContainsFunc(rule.Aggregates, func(a string) bool { return tells(a, f) })
}

// tells is the table of the README: which aggregates exist for which type.
func tells(aggregate string, f form) bool {
	isLevel, isCount := f == gauge || f == upDown, f == counter || f == deltaCounter
	buckets := f == histogram || f == deltaHistogram || f == exponential || f == deltaExponential
	switch aggregate {
	case "sum", "count":
		return true
	case "avg":
		return isLevel || buckets || f == summary
	case "last":
		return isLevel || isCount
	case "increase", "rate":
		return !isLevel
	default: // min, max, quantiles, histogram
		return isLevel || buckets
	}
}

// group names the output stream.
func group(rule rollup.Rule, s *stream) string {
	keep := func(name, value string) string {
		if rule.Keeps(name) {
			return name + "=" + value + " "
		}
		return ""
	}
	return s.name() + "|" + keep("host.name", s.host) + keep("service.name", s.service) + "|" + keep("code", s.code) + keep("route", s.route)
}

// want computes all windows that end at or before mark: value by name, group, window and end.
func (r *reference) want(mark int64) map[string]result {
	out := map[string]result{}
	for i, rule := range r.spec.Rules {
		for key, parts := range r.parts[i] {
			for _, w := range rule.Windows {
				for end, inside := range windows(parts, w) {
					if end > mark {
						continue
					}
					for _, a := range rule.Aggregates {
						if v, ok := compute(a, inside, w); ok {
							out[fmt.Sprintf("%d|%s.%s|%s|%s|%d", i, name(key), a, rest(key), rollup.FormatWindow(w.Size), end)] = v
						}
					}
				}
			}
		}
	}
	return out
}

func name(key string) string { n, _, _ := strings.Cut(key, "|"); return n }
func rest(key string) string { _, n, _ := strings.Cut(key, "|"); return n }

// windows collects the parts in every window, by end.
func windows(parts []part, w window.Spec) map[int64][]part {
	out := map[int64][]part{}
	for _, p := range parts {
		first := align(p.at, int64(w.Hop)) + int64(w.Hop)
		for end := first; end-int64(w.Size) <= p.at; end += int64(w.Hop) {
			out[end] = append(out[end], p)
		}
	}
	return out
}

// result is the value of a window: exact, or within an error.
type result struct {
	value, err float64
	low, high  float64   // bounds of a quantile from buckets; both 0 otherwise
	buckets    []uint64  // of a histogram with bounds
	bounds     []float64 // its bounds
	samples    []float64 // of an exponential histogram
	count      uint64
}

// compute is the definition of each aggregate.
func compute(aggregate string, parts []part, w window.Spec) (result, bool) {
	f := parts[0].form
	if !tells(aggregate, f) {
		return result{}, false
	}
	var all []float64
	var total float64
	hasSum, hasExtrema, measured := false, true, false
	count := 0
	for _, p := range parts {
		if f <= counter {
			all = append(all, p.value)
			total += p.value
			count++
			hasSum = true
			continue
		}
		all = append(all, p.samples...)
		count += len(p.samples)
		measured = measured || len(p.samples) > 0
		if p.sum && (len(p.samples) > 0 || p.total != 0) {
			hasSum, total = true, total+p.total
		}
		hasExtrema = hasExtrema && (p.extrema || len(p.samples) == 0)
	}
	hasSum = hasSum || !measured
	slices.Sort(all)
	grown := float64(count)
	if f <= counter {
		grown = total
	}
	switch aggregate {
	case "sum":
		return result{value: total}, hasSum
	case "count":
		return result{value: float64(count)}, true
	case "avg":
		return result{value: total / float64(count)}, hasSum && count > 0
	case "min":
		return result{value: at(all, 0)}, hasExtrema && count > 0
	case "max":
		return result{value: at(all, len(all)-1)}, hasExtrema && count > 0
	case "increase":
		return result{value: grown}, true
	case "rate":
		return result{value: grown / w.Size.Seconds()}, true
	case "last":
		newest := parts[0]
		for _, p := range parts {
			if p.at > newest.at || p.at == newest.at && p.latest > newest.latest {
				newest = p
			}
		}
		return result{value: newest.latest}, true
	case "histogram":
		if count == 0 {
			return result{}, false
		}
		if f == histogram || f == deltaHistogram {
			bounds := union(parts)
			return result{buckets: bucketize(uppers(parts), bounds), bounds: bounds, count: uint64(count)}, true
		}
		return result{samples: all, count: uint64(count)}, true
	default:
		return quantile(aggregate, parts, all, hasExtrema)
	}
}

func at(all []float64, i int) float64 {
	if i < 0 || i >= len(all) {
		return math.NaN()
	}
	return all[i]
}

// quantile is exact for numbers; buckets with bounds only determine between which bounds it is.
func quantile(aggregate string, parts []part, all []float64, hasExtrema bool) (result, bool) {
	if len(all) == 0 {
		return result{}, false
	}
	var q float64
	if _, err := fmt.Sscanf(aggregate, "p%g", &q); err != nil {
		panic(err)
	}
	q /= 100
	exact := all[int(q*float64(len(all)-1))]
	switch parts[0].form {
	case histogram, deltaHistogram:
		bounds := union(parts)
		if len(bounds) == 0 && !hasExtrema {
			return result{}, false
		}
		greatest := all[len(all)-1]
		all = uppers(parts)
		// Depending on the number of samples a rank may be on either side of a bucket's end.
		i, j := int(math.Floor(q*float64(len(all))))-1, int(math.Ceil(q*float64(len(all))))
		low, high := all[max(i, 0)], all[min(j, len(all)-1)]
		k, _ := slices.BinarySearch(bounds, low)
		l, _ := slices.BinarySearch(bounds, high)
		r := result{low: 0, high: math.Inf(1)}
		if k > 0 {
			r.low = bounds[k-1]
		}
		if l < len(bounds) {
			r.high = bounds[l]
		} else if hasExtrema {
			r.high = max(greatest, r.low)
		} else {
			r.high = bounds[len(bounds)-1]
		}
		if hasExtrema { // the extrema are right, and the buckets may be above them
			r.low = min(r.low, greatest)
		}
		return r, true
	default:
		err := sketch.MaxRelativeError
		for _, p := range parts {
			if p.form > counter && p.scale < sketch.Scale && len(p.samples) > 0 {
				width := math.Exp2(math.Ldexp(1, -int(p.scale)))
				err = max(err, (width-1)/(width+1))
			}
		}
		return result{value: exact, err: err * (1 + 1e-9)}, true
	}
}

// union are the bounds that any histogram has.
func union(parts []part) (bounds []float64) {
	for _, p := range parts {
		bounds = append(bounds, p.bounds...)
	}
	slices.Sort(bounds)
	return slices.Compact(bounds)
}

// uppers are the upper bounds known for the samples, in order.
func uppers(parts []part) (all []float64) {
	for _, p := range parts {
		for _, v := range p.samples {
			i, _ := slices.BinarySearch(p.bounds, v)
			if i == len(p.bounds) || p.unplaced {
				v = math.Inf(1)
			} else {
				v = p.bounds[i]
			}
			all = append(all, v)
		}
	}
	slices.Sort(all)
	return all
}
