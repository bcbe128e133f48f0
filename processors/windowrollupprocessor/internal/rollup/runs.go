package rollup

import (
	"sync"
	"sync/atomic"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/internal/window"
)

// runs remembers the newest point of every cumulative input stream. It belongs to the state and not to a rule: an increase is computed
// once for all rules, and a change of rules does not lose one.
type runs struct {
	shards [shards]runShard
	count  atomic.Int64
}

type runShard struct {
	mu     sync.Mutex
	number numberRuns
	// The other values are large anyway, so they are held by pointer.
	histogram   map[streamkey.Key]*run[datapoint.Histogram]
	exponential map[streamkey.Key]*run[datapoint.Exponential]
	summary     map[streamkey.Key]*run[datapoint.Summary]

	// forgotten is the time of the newest point of any forgotten stream. A stream that started before it may be one of those, so its first
	// point is a baseline.
	forgotten int64
}

type run[V any] struct {
	start, time int64
	value       V
}

func newRuns() *runs {
	r := &runs{}
	for i := range r.shards {
		r.shards[i] = runShard{
			histogram:   map[streamkey.Key]*run[datapoint.Histogram]{},
			exponential: map[streamkey.Key]*run[datapoint.Exponential]{},
			summary:     map[streamkey.Key]*run[datapoint.Summary]{},
			forgotten:   window.Never,
		}
	}
	return r
}

func (r *runs) shard(k streamkey.Key) *runShard { return &r.shards[k.Hi>>(64-shardBits)] }

// first decides about the first point of an unknown stream; full is true if there is no room for it.
func (r *runs) first(sh *runShard, start, time, began int64, limit int) (step datapoint.Step, full bool) {
	if r.count.Add(1) > int64(limit) {
		r.count.Add(-1)
		return datapoint.Baseline, true
	}
	if sh.forgotten != window.Never {
		began = max(began, sh.forgotten+1)
	}
	return datapoint.First(start, time, began), false
}

// family defines how the runs of one type of value are stored and compared.
type family[V any] struct {
	of func(*runShard) map[streamkey.Key]*run[V]
	// sub returns the increase since a value, whether a part of it fell, and whether its buckets are known: count and sum are right in any
	// case.
	sub func(v, prev V) (inc V, fell, ok bool)
	// carry copies to v the fields that it lacks and prev has.
	carry func(v *V, prev V)
}

var (
	histogramRuns = family[datapoint.Histogram]{
		of:    func(sh *runShard) map[streamkey.Key]*run[datapoint.Histogram] { return sh.histogram },
		sub:   datapoint.Histogram.Sub,
		carry: func(v *datapoint.Histogram, prev datapoint.Histogram) { v.Carry(prev.Moments) },
	}
	exponentialRuns = family[datapoint.Exponential]{
		of: func(sh *runShard) map[streamkey.Key]*run[datapoint.Exponential] { return sh.exponential },
		sub: func(v, prev datapoint.Exponential) (datapoint.Exponential, bool, bool) {
			inc, fell := v.Sub(prev)
			return inc, fell, true
		},
		carry: func(v *datapoint.Exponential, prev datapoint.Exponential) { v.Carry(prev.Moments) },
	}
	summaryRuns = family[datapoint.Summary]{
		of: func(sh *runShard) map[streamkey.Key]*run[datapoint.Summary] { return sh.summary },
		sub: func(v, prev datapoint.Summary) (datapoint.Summary, bool, bool) {
			inc, fell := v.Sub(prev)
			return inc, fell, true
		},
		carry: func(*datapoint.Summary, datapoint.Summary) {},
	}
)

// increase does the same as number for the other types. coarsened: the buckets of the increase are unknown.
func increase[V any](r *runs, f family[V], k streamkey.Key, v V, start, time, began int64, limit int) (inc V, step datapoint.Step, coarsened, full bool) {
	sh := r.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	streams := f.of(sh)
	prev, known := streams[k]
	if !known {
		if step, full = r.first(sh, start, time, began, limit); full {
			return inc, step, false, true
		}
		streams[k] = &run[V]{start: start, time: time, value: v}
		return v, step, false, false
	}
	told := v
	f.carry(&v, prev.value)
	inc, fell, ok := f.sub(v, prev.value)
	switch step = datapoint.Follow(prev.start, prev.time, start, time, fell); step {
	case datapoint.Stale:
		return inc, step, false, false
	case datapoint.Reset:
		inc, v, ok = told, told, true
	}
	prev.start, prev.time, prev.value = start, time, v
	return inc, step, !ok, false
}

// forget removes streams without a point since horizon, and returns their number.
func (r *runs) forget(horizon int64) (n int) {
	for i := range r.shards {
		sh := &r.shards[i]
		sh.mu.Lock()
		n += sh.forgetNumbers(horizon) + forgetOf(sh, sh.histogram, horizon) +
			forgetOf(sh, sh.exponential, horizon) + forgetOf(sh, sh.summary, horizon)
		sh.mu.Unlock()
	}
	r.count.Add(-int64(n))
	return n
}

func forgetOf[V any](sh *runShard, streams map[streamkey.Key]*run[V], horizon int64) (n int) {
	for k, x := range streams {
		if x.time < horizon {
			delete(streams, k)
			sh.forgotten = max(sh.forgotten, x.time)
			n++
		}
	}
	return n
}
