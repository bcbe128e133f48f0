package store

import (
	"strings"
	"sync"
	"time"
)

const (
	// maxNames is how many names of attributes a stream may use as fields within a period. The engine makes one block of the rows that a stream
	// gets between two of its flushes, which are a second apart, and leaves out the rows past the 2000th name in a block. A block has names of two
	// periods at most, and the store's own fields, of which there are fewer than a hundred.
	maxNames = 900
	// namePeriod is longer than the engine keeps rows before it makes blocks of them.
	namePeriod = 15 * time.Second
	// maxAllNames bounds the names of all streams within a period, and so what is remembered: two periods of 200 000 names, some 40 MB at most.
	maxAllNames = 200_000
)

// nameBudget says which names of attributes may be fields, so that no block has more names than the engine takes. What may not is kept in
// MoreField. The zero value is ready. It is safe for concurrent use.
type nameBudget struct {
	mu       sync.Mutex
	now      func() time.Time               // nil: time.Now
	began    time.Time                      // of the period; guarded by mu
	period   int                            // its number; guarded by mu
	names    int                            // of all streams in it; guarded by mu
	byStream map[string]map[string]struct{} // guarded by mu
}

// enter returns the number of the period. Names that were admitted in an earlier one have to be admitted again.
func (b *nameBudget) enter() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	clock := b.now
	if clock == nil {
		clock = time.Now
	}
	if t := clock(); b.byStream == nil || t.Sub(b.began) >= namePeriod {
		b.began, b.names, b.byStream = t, 0, map[string]map[string]struct{}{}
		b.period++
	}
	return b.period
}

// admits says whether the name may be a field of the stream in this period.
func (b *nameBudget) admits(stream, name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	names := b.byStream[stream]
	if _, ok := names[name]; ok {
		return true
	}
	if len(names) >= maxNames || b.names >= maxAllNames {
		return false
	}
	if names == nil {
		names = map[string]struct{}{}
		b.byStream[strings.Clone(stream)] = names
	}
	names[strings.Clone(name)] = struct{}{}
	b.names++
	return true
}

// admitted are the names that rows of one stream may use, as far as one goroutine knows. It spares most rows the lock.
type admitted struct {
	budget *nameBudget
	stream string
	period int
	names  map[string]struct{}
}

// enter begins rows of a stream.
func (a *admitted) enter(budget *nameBudget, stream string) {
	if period := budget.enter(); a.names == nil || period != a.period || stream != a.stream {
		a.budget, a.stream, a.period = budget, stream, period
		if a.names == nil {
			a.names = map[string]struct{}{}
		}
		clear(a.names)
	}
}

// has says whether the name may be a field.
func (a *admitted) has(name string) bool {
	if _, ok := a.names[name]; ok {
		return true
	}
	if !a.budget.admits(a.stream, name) {
		return false
	}
	a.names[strings.Clone(name)] = struct{}{}
	return true
}
