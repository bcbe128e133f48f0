package broker

import (
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// rooms is what each topic may still take until the next look at the files, in bytes. Topics that are not in it are new, or
// keep their records for ever.
type rooms struct {
	byName map[string]*atomic.Int64
	given  map[string]int64 // by topic, what it had at first
}

func newRooms(segments []segment, maxBytes int64) *rooms {
	r := &rooms{byName: map[string]*atomic.Int64{}, given: share(segments, maxBytes)}
	for topic, bytes := range r.given {
		r.byName[topic] = &atomic.Int64{}
		r.byName[topic].Store(bytes)
	}
	return r
}

// take takes the room that the records of a request need. A request with a topic that has none left is refused whole:
// producers write one topic.
func (r *rooms) take(req *kmsg.ProduceRequest) (ok bool) {
	ok = true
	for i := range req.Topics {
		t := &req.Topics[i]
		left := r.byName[t.Topic]
		if left == nil {
			continue
		}
		size := int64(0)
		for j := range t.Partitions {
			size += int64(len(t.Partitions[j].Records))
		}
		if left.Load() <= 0 {
			ok = false
		} else {
			left.Add(-size)
		}
	}
	return ok
}

// full says whether some topic has no room left.
func (r *rooms) full() bool {
	for _, left := range r.byName {
		if left.Load() <= 0 {
			return true
		}
	}
	return false
}

// share divides what is left below maxBytes among the topics that delete their records: each has a reserve, half of maxBytes
// divided by their number, and what is above it goes to whoever comes first. So records that one topic's consumer does not
// take can't stop the others. Consumed records count as room: they go when it is needed. segments are those that stay.
func share(segments []segment, maxBytes int64) map[string]int64 {
	pinned := map[string]int64{} // by topic: what can't be deleted yet
	left := maxBytes
	for _, s := range segments {
		switch {
		case s.age == 0:
			left -= s.bytes
		case s.consumed:
			pinned[s.topic] += 0 // The topic counts.
		default:
			pinned[s.topic] += s.bytes
			left -= s.bytes
		}
	}
	if len(pinned) == 0 {
		return nil
	}
	reserve := maxBytes / 2 / int64(len(pinned))
	for _, bytes := range pinned {
		left -= max(0, reserve-bytes)
	}
	rooms := make(map[string]int64, len(pinned))
	for topic, bytes := range pinned {
		rooms[topic] = max(0, left) + max(0, reserve-bytes)
	}
	return rooms
}
