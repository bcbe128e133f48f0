package follow

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/zap"

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
		f.status.Bad(keyGap, fmt.Sprintf("retention deleted offsets %d to %d of %s-%d, which were not delivered", b.First, b.Next, f.topic, p))
	}
	return n
}

// Cut tells of records that the log had and lost. Status and log name them; the status is good again when what took their offsets is
// delivered.
func (a *assignment) Cut(c delivery.Cut) {
	a.f.gaps.add(a.partition, c.Bounds)
	lost := max(0, c.Next-c.First)
	a.f.telemetry.ReceiverKafkaReplayLostRecords.Add(context.Background(), lost, a.f.with(attribute.String("reason", "log_cut")))
	why := "cut"
	if c.Was != c.Is && c.Was != (delivery.TopicID{}) {
		why = "recreated or replaced"
	}
	err := fmt.Errorf("the log of %s-%d was %s: it no longer has the records that had offsets %d to %d, most of which were delivered; records from offset %d on are delivered as new ones",
		a.f.topic, a.partition, why, c.First, c.Next, c.First)
	a.f.status.Bad(keyGap, err.Error())
	a.f.set.Logger.Error("The journal lost records that were delivered already", zap.Int32("partition", a.partition), zap.Int64("first", c.First), zap.Int64("next", c.Next),
		zap.Uint32("log_generation", c.Generation), zap.Error(err))
}

// Missing tells of a state that is gone. The status stays bad until the next start: somebody has to look at what is doubled or begun anew.
func (a *assignment) Missing(next int64, why error) {
	a.f.telemetry.ReceiverKafkaReplayMissingCheckpoints.Add(context.Background(), 1, a.f.with())
	err := fmt.Errorf("the checkpoint of %s-%d is missing (%w): delivery continues at offset %d, from an older checkpoint or without the components' states; "+
		"records near this offset may be delivered twice, and totals, windows and limits may have restarted", a.f.topic, a.partition, why, next)
	a.f.status.Bad(keyCheckpoint, err.Error())
	a.f.set.Logger.Error("A partition's checkpoint is missing", zap.Int32("partition", a.partition), zap.Int64("offset", next), zap.Error(err))
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
