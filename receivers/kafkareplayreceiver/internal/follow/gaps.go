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

// gaps are the partitions in which retention deleted undelivered records, until their remaining records are delivered: the component's
// status is bad while there is one.
type gaps struct {
	mu   sync.Mutex
	open map[int32]int64 // by partition, the first remaining offset; guarded by mu
}

// add returns how many records of b are new to the gap: a worker that restarts sees its gap again.
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

// close ends the gap of a partition if over accepts its end. last: it was the only remaining gap.
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

// lost counts the new records of a gap, makes the status bad, and returns their number.
func (f *follower) lost(p int32, b delivery.Bounds) int64 {
	n := f.gaps.add(p, b)
	if n > 0 {
		f.status.Bad(keyGap, fmt.Sprintf("retention deleted offsets %d to %d of %s-%d, which were not delivered", b.First, b.Next, f.topic, p))
	}
	return n
}

// Cut reports records that the log had and lost. Status and log name them; the status is good again when the records that have their
// offsets now are delivered.
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

// Missing reports a lost state. The status stays bad until the next start, because an operator has to check for doubled or restarted
// values.
func (a *assignment) Missing(next int64, why error) {
	a.f.telemetry.ReceiverKafkaReplayMissingCheckpoints.Add(context.Background(), 1, a.f.with())
	err := fmt.Errorf("the checkpoint of %s-%d is missing (%w): delivery continues at offset %d, from an older checkpoint or without the components' states; "+
		"records near this offset may be delivered twice, and totals, windows and limits may have restarted", a.f.topic, a.partition, why, next)
	a.f.status.Bad(keyCheckpoint, err.Error())
	a.f.set.Logger.Error("A partition's checkpoint is missing", zap.Int32("partition", a.partition), zap.Int64("offset", next), zap.Error(err))
}

// passed makes the status good when next, the offset of a checkpoint, is after the last gap: then a record was delivered again, or none is
// left.
func (f *follower) passed(p int32, next int64) {
	if f.gaps.close(p, func(end int64) bool {
		last, known := f.end(p, time.Time{})
		return next > end || (next == end && known && last == end)
	}) {
		f.status.Good(keyGap)
	}
}

// leaveGap makes the status good when the last partition with a gap moves to another member.
func (f *follower) leaveGap(partitions []int32) {
	for _, p := range partitions {
		if f.gaps.close(p, func(int64) bool { return true }) {
			f.status.Good(keyGap)
		}
	}
}
