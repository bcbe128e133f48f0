package rollup

import (
	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/streamkey"
)

// numberRuns holds the runs of numbers, by far the most frequent ones. Memory: 48 bytes per stream, and its index.
type numberRuns struct {
	index index
	runs  slab[run[datapoint.Number]]
}

func (r *numberRuns) len() int { return int(r.runs.n) }

// put remembers a new stream.
func (r *numberRuns) put(k streamkey.Key, x run[datapoint.Number]) {
	place := r.runs.grow()
	*r.runs.at(place) = x
	r.index.put(k, place)
}

// remove forgets the stream at that position; the last one moves there.
func (r *numberRuns) remove(place uint32) {
	last := r.index.removeAndFill(place)
	*r.runs.at(place) = *r.runs.at(last)
	r.runs.drop()
}

// increases replaces the points of a chunk, which are of cumulative sums, by their increases, and removes those without one. All shards
// are locked for it, because the points of a chunk are in many of them.
func (b *batch) increases(c *chunk) {
	r := b.s.runs
	for i := range r.shards {
		r.shards[i].mu.Lock()
	}
	for i := range c.points {
		k := c.points[i].input
		c.candidates[i] = r.shard(k).number.index.candidate(k)
	}
	kept := c.points[:0]
	for i := range c.points {
		x := &c.points[i]
		step, full := r.increase(x, c.candidates[i], b.began, b.set.MaxInputStreams)
		if b.counts(step, full) {
			kept = append(kept, *x)
		}
	}
	c.points = kept
	for i := range r.shards {
		r.shards[i].mu.Unlock()
	}
}

// increase replaces the value of x by its stream's increase. The shard's lock is held.
func (r *runs) increase(x *chunkPoint, candidate uint32, began int64, limit int) (step datapoint.Step, full bool) {
	sh := r.shard(x.input)
	place, known := candidate-1, sh.number.index.is(candidate, x.input)
	if !known {
		place, known = sh.number.index.find(x.input) // two streams share a fingerprint, or the chunk has just added the stream
	}
	if !known {
		if step, full = r.first(sh, x.start, x.time, began, limit); !full {
			sh.number.put(x.input, run[datapoint.Number]{start: x.start, time: x.time, value: x.number})
		}
		return step, full
	}
	prev := sh.number.runs.at(place)
	inc, fell := x.number.Sub(prev.value)
	switch step = datapoint.Follow(prev.start, prev.time, x.start, x.time, fell); step {
	case datapoint.Stale:
		return step, false
	case datapoint.Reset:
		inc = x.number
	}
	*prev = run[datapoint.Number]{start: x.start, time: x.time, value: x.number}
	x.value = inc.Float64()
	return step, false
}

// forgetNumbers removes the shard's streams without a point since horizon, and returns their number. Its lock is held.
func (sh *runShard) forgetNumbers(horizon int64) (n int) {
	for place := uint32(0); place < sh.number.runs.n; {
		x := sh.number.runs.at(place)
		if x.time >= horizon {
			place++
			continue
		}
		sh.forgotten = max(sh.forgotten, x.time)
		sh.number.remove(place)
		n++
	}
	return n
}
