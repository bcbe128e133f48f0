package broker

import (
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// rooms is how many bytes each topic may still add until the next check of the files. Topics that are missing here are new, or keep their records
// for ever.
type rooms struct {
	byName map[string]*atomic.Int64
	given  map[string]int64 // by topic, the initial value
}

func newRooms(segments []segment, maxBytes int64) *rooms {
	r := &rooms{byName: map[string]*atomic.Int64{}, given: share(segments, maxBytes)}
	for topic, bytes := range r.given {
		r.byName[topic] = &atomic.Int64{}
		r.byName[topic].Store(bytes)
	}
	return r
}

// take reserves the space for the records of a request. It refuses the whole request if one of its topics has no space left: producers write one
// topic per request.
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

// full says whether a topic has no space left.
func (r *rooms) full() bool {
	for _, left := range r.byName {
		if left.Load() <= 0 {
			return true
		}
	}
	return false
}

// share divides the space below maxBytes among the topics that delete their records. Half of maxBytes is reserved in equal parts, one for each
// topic; the rest goes to the first topic that needs it. So unconsumed records of one topic can't block the others. Consumed records count as free
// space, because trim deletes them when needed. segments are those that stay.
func share(segments []segment, maxBytes int64) map[string]int64 {
	pinned := map[string]int64{} // by topic: bytes that can't be deleted yet
	left := maxBytes
	for _, s := range segments {
		switch {
		case s.age == 0:
			left -= s.bytes
		case s.consumed:
			pinned[s.topic] += 0 // Register the topic, so that it counts.
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
