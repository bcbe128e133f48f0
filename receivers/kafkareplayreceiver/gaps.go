package kafkareplayreceiver

import (
	"fmt"
	"sync"
	"time"

	"github.com/penstockhq/penstock/internal/delivery"
)

// gaps are the partitions of which retention took records that were not delivered, until what is left of them is delivered:
// the component's status is bad as long as there is one.
type gaps struct {
	mu   sync.Mutex
	open map[int32]int64 // by partition, the first offset that was left; guarded by mu
}

// add returns how many records of b were not in the gap before: a worker that begins again meets its gap again.
func (g *gaps) add(partition int32, b delivery.Bounds) (records int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		g.open = map[int32]int64{}
	}
	known := g.open[partition]
	g.open[partition] = max(known, b.Next)
	return max(0, b.Next-max(b.First, known))
}

// close ends the gap of a partition, if over says so of its end. last: there was one, and none is left.
func (g *gaps) close(partition int32, over func(end int64) bool) (last bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	end, ok := g.open[partition]
	if !ok || !over(end) {
		return false
	}
	delete(g.open, partition)
	return len(g.open) == 0
}

// lost counts what is not known yet of a gap, and makes the status bad. It returns how many records that are.
func (f *follower) lost(p int32, b delivery.Bounds) int64 {
	n := f.gaps.add(p, b)
	if n > 0 {
		f.status.Bad(keyGap, fmt.Sprintf("retention passed offsets %d to %d of %s-%d, which were not delivered", b.First, b.Next, f.topic, p))
	}
	return n
}

// passed makes the status good when next, which is on record, lies behind the last gap: something was delivered again, or nothing
// is left to be.
func (f *follower) passed(p int32, next int64) {
	if f.gaps.close(p, func(end int64) bool {
		last, known := f.end(p, time.Time{})
		return next > end || (next == end && known && last == end)
	}) {
		f.status.Good(keyGap)
	}
}

// leaveGap makes the status good when the last partition with a gap goes elsewhere.
func (f *follower) leaveGap(partitions []int32) {
	for _, p := range partitions {
		if f.gaps.close(p, func(int64) bool { return true }) {
			f.status.Good(keyGap)
		}
	}
}
