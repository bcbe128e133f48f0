package commitlog

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Reasons to refuse a batch of an idempotent producer.
var (
	ErrOldEpoch   = errors.New("the producer's epoch is fenced by a newer one")
	ErrOutOfOrder = errors.New("the batch does not follow the producer's last batch")
	// ErrOldDuplicate says that the batch is in the log, but its offset is no longer known.
	ErrOldDuplicate = errors.New("the batch was written before")
)

const (
	// rememberedBatches is how many batches a producer may have in flight.
	rememberedBatches = 5
	// maxProducers bounds the producers of a partition; the one that was silent longest is forgotten.
	maxProducers = 4096
)

// producer is the state of an idempotent producer in a partition.
type producer struct {
	Epoch   int16  `json:"epoch"`
	Time    int64  `json:"time"` // of the last batch, milliseconds since 1970
	Batches []span `json:"batches,omitempty"`
}

// span is a batch: its sequence numbers and its offsets.
type span struct {
	First  int32 `json:"first"`
	Last   int32 `json:"last"`
	Offset int64 `json:"offset"`
}

// check says whether b may be appended. If the log already has b, it returns b's first offset, duplicate and a nil err. An unknown producer may
// begin at any sequence number.
func (p *producer) check(b Batch) (offset int64, duplicate bool, err error) {
	if b.ProducerEpoch < p.Epoch {
		return 0, false, fmt.Errorf("%w: %d, now %d", ErrOldEpoch, b.ProducerEpoch, p.Epoch)
	}
	if b.Control() || p.Epoch < 0 { // Nothing is known of an unknown producer.
		return 0, false, nil
	}
	last := lastSequence(b)
	if b.ProducerEpoch > p.Epoch {
		if b.Sequence != 0 {
			return 0, false, fmt.Errorf("%w: epoch %d begins at %d", ErrOutOfOrder, b.ProducerEpoch, b.Sequence)
		}
		return 0, false, nil
	}
	if len(p.Batches) == 0 {
		return 0, false, nil
	}
	for _, s := range p.Batches {
		if s.First == b.Sequence && s.Last == last {
			return s.Offset, true, nil
		}
	}
	end := p.Batches[len(p.Batches)-1].Last
	switch {
	case b.Sequence == following(end):
		return 0, false, nil
	case b.Sequence <= end && last <= end && b.Sequence >= 0:
		return 0, false, fmt.Errorf("%w: sequence %d to %d, last %d", ErrOldDuplicate, b.Sequence, last, end)
	}
	return 0, false, fmt.Errorf("%w: sequence %d after %d", ErrOutOfOrder, b.Sequence, end)
}

// add records that b is in the log.
func (p *producer) add(b Batch) {
	if b.ProducerEpoch > p.Epoch {
		p.Epoch, p.Batches = b.ProducerEpoch, nil
	}
	p.Time = max(p.Time, b.MaxTime)
	if b.Control() {
		return
	}
	p.Batches = append(p.Batches, span{First: b.Sequence, Last: lastSequence(b), Offset: b.First})
	if n := len(p.Batches) - rememberedBatches; n > 0 {
		p.Batches = slices.Delete(p.Batches, 0, n)
	}
}

func (p *producer) clone() *producer {
	return &producer{Epoch: p.Epoch, Time: p.Time, Batches: slices.Clone(p.Batches)}
}

// lastSequence is the sequence number of b's last record; after the largest number, counting restarts at 0.
func lastSequence(b Batch) int32 {
	return int32((int64(b.Sequence) + int64(b.Records) - 1) & math.MaxInt32)
}

func following(sequence int32) int32 {
	if sequence == math.MaxInt32 {
		return 0
	}
	return sequence + 1
}

// Aborted is an aborted transaction: readers of committed records must skip its producer's batches from First up to the marker at Last.
type Aborted struct {
	Producer int64 `json:"producer"`
	First    int64 `json:"first"`
	Last     int64 `json:"last"`
}

// Open is a transaction without an end.
type Open struct {
	Producer int64 `json:"producer"`
	Epoch    int16 `json:"epoch"`
	First    int64 `json:"first"`
}

// state is the state of producers and transactions at an offset.
type state struct {
	producers map[int64]*producer
	open      map[int64]Open
}

func newState() state {
	return state{producers: map[int64]*producer{}, open: map[int64]Open{}}
}

func (s state) clone() state {
	out := state{producers: make(map[int64]*producer, len(s.producers)), open: maps.Clone(s.open)}
	for id, p := range s.producers {
		out.producers[id] = p.clone()
	}
	return out
}

// producerOf returns the state of a producer, and creates it if needed.
func (s state) producerOf(id int64) *producer {
	p := s.producers[id]
	if p == nil {
		p = &producer{Epoch: -1}
		s.producers[id] = p
	}
	return p
}

// transact updates the state of transactions by e; aborted is set if e aborts one.
func (s state) transact(e entry) (aborted Aborted, ok bool) {
	switch {
	case e.control():
		open, was := s.open[e.producer]
		delete(s.open, e.producer)
		if was && e.flags&flagCommit == 0 {
			return Aborted{Producer: e.producer, First: open.First, Last: e.first}, true
		}
	case e.data():
		if _, is := s.open[e.producer]; !is {
			s.open[e.producer] = Open{Producer: e.producer, Epoch: e.epoch, First: e.first}
		}
	}
	return Aborted{}, false
}

// stable returns the last stable offset of a log that ends at end.
func (s state) stable(end int64) int64 {
	for _, o := range s.open {
		end = min(end, o.First)
	}
	return end
}

// bound forgets the producers that were silent longest.
func (s state) bound() {
	for len(s.producers) > maxProducers {
		oldest, at := int64(-1), int64(math.MaxInt64)
		for id, p := range s.producers {
			if p.Time < at {
				oldest, at = id, p.Time
			}
		}
		delete(s.producers, oldest)
	}
}
