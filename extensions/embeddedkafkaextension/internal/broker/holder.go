package broker

import (
	"math"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/ledger"
)

// rateOver is the time over which the rate of appends is averaged.
const rateOver = time.Minute

// Room is how much more of a topic the broker accepts, and which group prevents old records from being deleted.
type Room struct {
	// Full says that records of the topic are refused.
	Full bool
	// Disk says that they are refused because the disk is full.
	Disk bool
	// Used and Max are bytes of the whole log; Left is how many bytes the topic may still add.
	Used, Max, Left int64
	// Group has the most unread bytes of the topic; empty if no group has unread records in a closed segment.
	Group string
	// Behind is the age of the oldest record that Group has not read.
	Behind time.Duration
	// Rate is bytes of the topic each second, over the last minute.
	Rate float64
}

// holder is the group that prevents most of a topic from being deleted.
type holder struct {
	group  string
	oldest time.Time // when its oldest unread record was written; zero: unknown
}

// notes are the results of a check of the files, besides rooms.
type notes struct {
	at      time.Time
	holders map[string]holder  // by topic
	rates   map[string]float64 // by topic
	disk    bool
}

// Room returns the room of a topic at the last check of the files, less the bytes appended since.
func (b *Broker) Room(topic string, now time.Time) Room {
	n := b.notes.Load()
	r := Room{Used: b.bytes.Load(), Max: b.limit.Load(), Disk: n.disk, Rate: n.rates[topic], Full: b.full.Load()}
	if left := b.rooms.Load().byName[topic]; left != nil {
		r.Left = max(0, left.Load())
		r.Full = r.Full || r.Left == 0
	}
	if h := n.holders[topic]; h.group != "" {
		r.Group = h.group
		if !h.oldest.IsZero() {
			r.Behind = max(0, now.Sub(h.oldest))
		}
	}
	return r
}

// note computes holders and rates. before are the previous rooms; segments are the segments that stay.
func (b *Broker) note(before *rooms, segments []segment, disk bool, now time.Time) {
	old := b.notes.Load()
	n := &notes{at: now, disk: disk, rates: map[string]float64{}, holders: b.holders(segments)}
	if passed := now.Sub(old.at); passed > 0 && !old.at.IsZero() {
		weight := 1 - math.Exp(-passed.Seconds()/rateOver.Seconds())
		for topic, left := range before.byName {
			rate := float64(before.given[topic]-left.Load()) / passed.Seconds()
			n.rates[topic] = old.rates[topic] + weight*(rate-old.rates[topic])
		}
	}
	b.notes.Store(n)
}

// holders reads no file while all groups read the last segments.
func (b *Broker) holders(segments []segment) map[string]holder {
	held := map[string]bool{}
	for _, s := range segments {
		if s.end > 0 && s.age > 0 && !s.consumed {
			held[s.topic] = true
		}
	}
	if len(held) == 0 {
		return nil
	}
	found, most := map[string]holder{}, map[string]int64{}
	for _, g := range b.ledger.Groups() {
		at := map[ledger.Partition]int64{}
		offsets, _ := b.ledger.Offsets(g)
		for _, o := range offsets {
			at[o.Partition] = o.Offset
		}
		unread, oldest := map[string]int64{}, map[string]time.Time{}
		for _, s := range segments {
			next, reads := at[ledger.Partition{Topic: s.topic, Index: s.partition}]
			if !held[s.topic] || !reads || (s.end > 0 && s.end <= next) {
				continue
			}
			unread[s.topic] += s.bytes
			if s.base <= next { // the segment that the group reads
				written, ok := b.writtenAt(s, next)
				if ok && (oldest[s.topic].IsZero() || written.Before(oldest[s.topic])) {
					oldest[s.topic] = written
				}
			}
		}
		for topic, bytes := range unread {
			if bytes > most[topic] {
				most[topic], found[topic] = bytes, holder{g, oldest[topic]}
			}
		}
	}
	return found
}

// writtenAt returns the time of the first record in the batch with offset.
func (b *Broker) writtenAt(s segment, offset int64) (time.Time, bool) {
	p := b.partition(s.topic, s.partition)
	if p == nil {
		return time.Time{}, false
	}
	start, _, _ := p.log.Range()
	read, err := p.log.Read(max(start, offset), 1, false)
	if err != nil {
		return time.Time{}, false
	}
	batch, err := commitlog.Parse(read.Batches)
	return time.UnixMilli(batch.FirstTime), err == nil
}
