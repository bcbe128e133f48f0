package broker

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/ledger"
)

// fullAt is the share of max_size at which trimming begins, so that some space stays for new records.
const fullAt = 0.9

// segment is one file of a partition's log.
type segment struct {
	topic     string
	partition int32
	base      int64 // its first offset
	end       int64 // first offset after it; 0: it is the active segment, which stays
	bytes     int64
	written   time.Time // last write
	// consumed says that every group that reads the topic has passed it. Topics that keep their records for ever are trimmed by their owners, and
	// never count as consumed.
	consumed bool
	age      time.Duration // how long the topic keeps records; 0: for ever
}

// plan says which closed segments to delete: those older than their topic's retention, and then, oldest first, as many consumed ones as needed to
// get below limit bytes. It returns up to which offset each partition is deleted, and which segments stay. segments of a partition are in order of
// offsets.
//
// The active segment always stays.
func plan(segments []segment, limit int64, now time.Time) (upTo map[string]map[int32]int64, stay []segment) {
	left := int64(0)
	for _, s := range segments {
		left += s.bytes
	}
	upTo = map[string]map[int32]int64{}
	drop := func(s segment) {
		if upTo[s.topic] == nil {
			upTo[s.topic] = map[int32]int64{}
		}
		upTo[s.topic][s.partition] = s.end
		left -= s.bytes
	}
	type part struct {
		topic     string
		partition int32
	}
	kept := map[part]bool{} // partitions with a segment that must stay, and so all later ones
	var candidates []segment
	for _, s := range segments {
		p := part{s.topic, s.partition}
		switch {
		case s.end == 0 || kept[p]:
			kept[p] = true
			stay = append(stay, s)
		case s.age > 0 && now.Sub(s.written) > s.age:
			drop(s)
		case s.consumed:
			candidates = append(candidates, s)
		default:
			kept[p] = true
			stay = append(stay, s)
		}
	}
	slices.SortStableFunc(candidates, func(a, b segment) int { return cmp.Or(a.written.Compare(b.written), cmp.Compare(a.end, b.end)) })
	for i, s := range candidates {
		if left <= limit {
			stay = append(stay, candidates[i:]...)
			break
		}
		drop(s)
	}
	return upTo, stay
}

// trim deletes what plan says and computes the free space.
func (b *Broker) trim(now time.Time) error {
	b.trimming.Lock()
	defer b.trimming.Unlock()
	upTo, stay := plan(b.segments(), int64(fullAt*float64(b.limit.Load())), now)
	var err error
	for topic, partitions := range upTo {
		for index, at := range partitions {
			if p := b.partition(topic, index); p != nil {
				if _, e := p.log.Trim(at); e != nil && !errors.Is(e, commitlog.ErrOutOfRange) {
					err = errors.Join(err, fmt.Errorf("delete old records of %s-%d: %w", topic, index, e))
				}
			}
		}
	}
	free, e := b.set.FS.Free(b.set.Directory)
	if e != nil {
		return errors.Join(err, fmt.Errorf("free space of %s: %w", b.set.Directory, e))
	}
	if b.set.Allowed != nil {
		b.limit.Store(max(b.limit.Load(), b.set.Allowed(free))) // for the next trim
	}
	left := b.ledger.Bytes()
	for _, s := range stay {
		left += s.bytes
	}
	before := b.rooms.Swap(newRooms(stay, b.limit.Load()))
	b.bytes.Store(left)
	b.full.Store(left >= b.limit.Load() || free < reserveBytes)
	b.exhausted.Store(left >= 2*b.limit.Load() || free < reserveBytes/4)
	b.note(before, stay, free < reserveBytes, now)
	return err
}

// segments lists every segment file with the properties of its topic.
func (b *Broker) segments() (out []segment) {
	consumed := b.ledger.Consumed()
	for _, t := range b.allTopics() {
		age := time.Duration(0)
		if ms := t.number(configRetention); ms > 0 && ms < math.MaxInt64/int64(time.Millisecond) {
			age = time.Duration(ms) * time.Millisecond
		}
		for i, p := range t.partitions {
			at, read := consumed[ledger.Partition{Topic: t.Name, Index: int32(i)}]
			base, _, _ := p.log.Range()
			for _, f := range p.log.Segments() {
				s := segment{topic: t.Name, partition: int32(i), base: base, end: f.End, bytes: f.Bytes, written: f.Written, age: age}
				s.consumed = age > 0 && (!read || s.end <= at)
				out = append(out, s)
				base = f.End
			}
		}
	}
	return out
}
