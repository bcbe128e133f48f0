package admission

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

const (
	tableShards = 64
	shardBits   = 6
	// Generations is how many steps of the clock a series may miss before it is idle: with steps of a quarter of the idle time, a series
	// is removed after 1 to 1¼ idle times without a point.
	Generations = 4
	// generationCycle is where generation numbers wrap; 0 marks an empty slot.
	generationCycle = 255
	minSlots        = 8
)

// Table is the set of active series, each with the number of its metric and the generation of its last point. It is safe for concurrent
// use; each of its 64 shards has a lock, which a lookup of a known series doesn't take.
//
// A series is known by a 64-bit fingerprint, so among n active series a new one is mistaken for a known one, and admitted uncounted, with
// probability n/2⁶⁴ (5e-14 for a million). No value is ever computed from this.
//
// Memory: 12 bytes per slot. A shard grows by half when four fifths of its slots are used, so a series costs 15 to 22.5 bytes; the metric
// number leaves room for 2²⁴ metrics.
type Table struct {
	shards [tableShards]tableShard
}

type tableShard struct {
	// slots are read without the lock: the content of a slot never changes, and growing creates a new array.
	slots atomic.Pointer[[]slot] // replaced under mu
	gen   atomic.Uint32          // current generation, 1 to generationCycle; changed under mu

	mu   sync.Mutex
	used int // guarded by mu
	_    [64]byte
}

// slot is 12 bytes: as two uint32 the fingerprint needs no padding. It is empty while meta is 0, and meta is written last.
type slot struct {
	hi, lo uint32
	meta   uint32 // metric number << 8 | generation; atomic
}

func (s *slot) fingerprint() uint64 { return uint64(s.hi)<<32 | uint64(s.lo) }

func (s *slot) load() (meta uint32) { return atomic.LoadUint32(&s.meta) }

func generation(meta uint32) uint32 { return meta & 0xff }

// NewTable returns an empty table in generation 1.
func NewTable() *Table {
	t := &Table{}
	for i := range t.shards {
		t.shards[i].gen.Store(1)
		t.shards[i].slots.Store(new([]slot))
	}
	return t
}

// Sighting is a result of Table.See.
type Sighting uint8

const (
	// Unknown series are not in the table.
	Unknown Sighting = iota
	// Known series are active.
	Known
	// Refreshed series are active, and this is their first point in the current generation.
	Refreshed
)

// See looks a series up and notes that it is active.
func (t *Table) See(fp uint64) Sighting {
	sh := &t.shards[fp>>(64-shardBits)]
	s := find(*sh.slots.Load(), fp)
	if s == nil {
		return Unknown
	}
	switch meta := s.load(); {
	case meta == 0:
		return Unknown
	case generation(meta) == sh.gen.Load():
		return Known
	}
	return sh.refresh(fp)
}

// refresh notes the first point in a generation. It takes the lock, so that a concurrent resize does not miss the change.
func (sh *tableShard) refresh(fp uint64) Sighting {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := find(*sh.slots.Load(), fp)
	if s == nil || s.meta == 0 {
		return Unknown // It was removed in the meantime.
	}
	atomic.StoreUint32(&s.meta, s.meta&^0xff|sh.gen.Load())
	return Refreshed
}

// Add adds a series; metric must be below 2²⁴. added is false if it is already in the table, which happens when two batches bring a new
// series at the same time.
func (t *Table) Add(fp uint64, metric uint32) (added bool) {
	sh := &t.shards[fp>>(64-shardBits)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.add(fp, metric, sh.gen.Load())
}

// Advance starts the next generation and removes the series that have been idle for [Generations] of them. It calls left for each, with
// its metric; left must not call the table.
func (t *Table) Advance(left func(metric uint32)) (removed int) {
	for i := range t.shards {
		removed += t.shards[i].advance(left)
	}
	return removed
}

// Len returns the number of series.
func (t *Table) Len() (n int) {
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.Lock()
		n += sh.used
		sh.mu.Unlock()
	}
	return n
}

// Each calls f for every series with the age of its last point in generations, 0 being the current one. f must not call
// the table.
func (t *Table) Each(f func(fp uint64, metric uint32, age uint8)) {
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.Lock()
		slots := *sh.slots.Load()
		for i := range slots {
			if s := &slots[i]; s.meta != 0 {
				f(s.fingerprint(), s.meta>>8, sh.age(s.meta))
			}
		}
		sh.mu.Unlock()
	}
}

// Load restores a series as Each reported it, into a table that has not advanced.
func (t *Table) Load(fp uint64, metric uint32, age uint8) (added bool) {
	sh := &t.shards[fp>>(64-shardBits)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	age = min(age, Generations)
	return sh.add(fp, metric, (sh.gen.Load()-1+generationCycle-uint32(age))%generationCycle+1)
}

// find returns the slot that holds fp, or the empty one where it would go; nil if there are no slots.
func find(slots []slot, fp uint64) *slot {
	n := uint64(len(slots))
	if n == 0 {
		return nil
	}
	// The shard uses the top bits; the next ones, scaled to the size, are the slot, so sizes need not be powers of two.
	at, _ := bits.Mul64(fp<<shardBits, n)
	hi, lo := uint32(fp>>32), uint32(fp)
	for {
		s := &slots[at]
		if s.load() == 0 || (s.hi == hi && s.lo == lo) {
			return s
		}
		if at++; at == n {
			at = 0
		}
	}
}

func (sh *tableShard) add(fp uint64, metric, gen uint32) bool {
	slots := *sh.slots.Load()
	if sh.used+1 > len(slots)*4/5 {
		slots = sh.resize(max(minSlots, len(slots)*3/2), nil)
	}
	s := find(slots, fp)
	if s.meta != 0 {
		return false
	}
	s.hi, s.lo = uint32(fp>>32), uint32(fp)
	atomic.StoreUint32(&s.meta, metric<<8|gen)
	sh.used++
	return true
}

func (sh *tableShard) advance(left func(metric uint32)) (removed int) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.gen.Store(sh.gen.Load()%generationCycle + 1)
	slots := *sh.slots.Load()
	for i := range slots {
		if s := &slots[i]; s.meta != 0 && sh.age(s.meta) > Generations {
			left(s.meta >> 8)
			removed++
		}
	}
	if removed > 0 {
		// Exactly as large as needed: a shard that has become small frees its memory.
		size := max(minSlots, (sh.used-removed)*3/2)
		sh.resize(min(size, len(slots)), func(s *slot) bool { return sh.age(s.meta) <= Generations })
	}
	return removed
}

// resize moves the series that keep accepts (nil: all) into a new array.
func (sh *tableShard) resize(size int, keep func(*slot) bool) []slot {
	old, slots := *sh.slots.Load(), make([]slot, size)
	sh.used = 0
	for i := range old {
		if s := &old[i]; s.meta != 0 && (keep == nil || keep(s)) {
			*find(slots, s.fingerprint()) = *s
			sh.used++
		}
	}
	sh.slots.Store(&slots)
	return slots
}

func (sh *tableShard) age(meta uint32) uint8 {
	return uint8((sh.gen.Load() - generation(meta) + generationCycle) % generationCycle)
}
