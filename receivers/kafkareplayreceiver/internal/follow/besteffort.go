package follow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/internal/outage"
)

// Values of on_full.
const (
	onFullHold       = "hold"
	onFullBestEffort = "best_effort"
)

const (
	// discardShare is the part of its unread records that a follower discards at once: enough to make room for a while, but not more than a
	// slow sink could still have accepted.
	discardShare = 8
	// settleTime is how long the journal may take to notice: the checkpoint, the group's commit and the check of the log's files take up
	// to a second each.
	settleTime = 4 * time.Second
)

// errDiscarded ends the delivery of records that the follower discards.
var errDiscarded = errors.New("the journal is full and on_full is best_effort: the oldest records are discarded")

// bestEffort lets a sink lose its oldest records while the journal is full because of it, so that the clients of its signal and its other
// sinks continue. It is not safe for concurrent use, except discarded.
type bestEffort struct {
	room  cluster.Limited
	last  time.Time     // time of the last discard
	times *outage.Watch // the outage during which records are discarded

	mu   sync.Mutex
	lost int64 // guarded by mu; records since the outage began
}

// newBestEffort returns nil if on_full is hold.
func newBestEffort(cfg *Config, host component.Host) (*bestEffort, error) {
	if cfg.OnFull != onFullBestEffort {
		return nil, nil
	}
	room, ok := cluster.FindLimited(host)
	if !ok {
		return nil, fmt.Errorf("follow: on_full: %q needs the journal in this process (extension embedded_kafka), which reports when it is full; with "+
			"Kafka, the topic's retention.ms and retention.bytes decide which records are deleted", onFullBestEffort)
	}
	return &bestEffort{room: room, times: outage.New(0, cfg.OutageAfter)}, nil
}

// look discards the oldest records if the journal is full because of this group.
func (b *bestEffort) look(f *follower, now time.Time) {
	room := b.room.JournalRoom(f.topic)
	if room.Full && room.Holder == f.groupName() && now.Sub(b.last) >= settleTime {
		b.last = now
		b.times.Failed(now, errors.New(room.Describe(f.topic)))
		f.status.Bad(keyBestEffort, fmt.Sprintf("%s loses its oldest %s: the journal is full, and on_full is best_effort", f.cfg.Group, f.entry.Signal()))
		f.discard()
	}
	b.mu.Lock()
	lost := b.lost
	b.mu.Unlock()
	if lost > 0 {
		if o, due := b.times.Due(now); due {
			f.set.Logger.Error(fmt.Sprintf("%s loses its oldest %s, because on_full is best_effort: %v. Repair or speed up the sink",
				f.cfg.Group, f.entry.Signal(), o.Cause), zap.Int64("lost_records", lost), zap.Time("since", o.Since))
		}
	}
	if now.Sub(b.last) >= max(f.cfg.OutageAfter, 2*settleTime) {
		b.over(f, now, lost)
	}
}

func (b *bestEffort) over(f *follower, now time.Time, lost int64) {
	o, reported := b.times.Worked(now)
	if o.Since.IsZero() {
		return
	}
	b.mu.Lock()
	b.lost -= lost
	b.mu.Unlock()
	f.status.Good(keyBestEffort)
	if reported {
		f.set.Logger.Error(f.cfg.Group+" no longer loses records: the journal has room again", zap.Int64("lost_records", lost), zap.Time("since", o.Since))
	}
}

func (b *bestEffort) discarded(records int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost += records
}

// discard makes each partition skip a part of its undelivered records.
func (f *follower) discard() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p, a := range f.assigned {
		next := a.next.Load()
		end, ok := f.ends.Lookup(f.topic, p)
		if lag := end.Offset - next; ok && next >= 0 && lag > 0 {
			a.discard(next + max(1, lag/discardShare))
		}
	}
}

// discard makes the worker continue at offset until. The worker sees a gap there, as if retention had deleted the records, and records it
// in a checkpoint before it continues.
func (a *assignment) discard(until int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.worker == nil || a.ended {
		return
	}
	a.floor.Store(max(until, a.floor.Load()))
	a.worker.SkipTo(until)
	a.sends.cancel(errDiscarded)
}

// lostByChoice remembers a gap that the follower made until a checkpoint contains it: before that, the records may still be delivered.
func (a *assignment) lostByChoice(b delivery.Bounds) bool {
	a.mu.Lock()
	if a.worker != nil {
		a.floor.Store(max(a.floor.Load(), a.worker.SkippedTo()))
	}
	a.mu.Unlock()
	if b.Next > a.floor.Load() {
		return false
	}
	a.discarded = append(a.discarded, b)
	return true
}

// countDiscarded counts the gaps that a checkpoint at next contains.
func (a *assignment) countDiscarded(next int64) {
	lost := int64(0)
	for len(a.discarded) > 0 && a.discarded[0].Next <= next {
		lost += a.discarded[0].Next - a.discarded[0].First
		a.discarded = a.discarded[1:]
	}
	if lost == 0 {
		return
	}
	a.f.telemetry.ReceiverKafkaReplayLostRecords.Add(context.Background(), lost, a.f.with(attribute.String("reason", onFullBestEffort)))
	if a.f.bestEffort != nil {
		a.f.bestEffort.discarded(lost)
	}
}
