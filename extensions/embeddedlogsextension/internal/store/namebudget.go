package store

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

const (
	// maxNames is how many names of attributes a stream may use as fields in a day. The engine merges the blocks of a stream's day, and leaves out rows
	// where the names of a block and the fields of one of its rows would be more than 2000 together. The store has fewer than a hundred names of its own.
	maxNames = 900
	// trustedNames is how many names a stream may use before the store looks which ones it has used before: most streams never have so many.
	trustedNames = 50
	// maxNameBytes bounds the memory for the names of all streams and days: some 500 000 names.
	maxNameBytes = 40 << 20
	// nameBytes and streamBytes are what a name, and a stream, take beside their texts.
	nameBytes, streamBytes = 48, 300
	// rememberNames is how long a stream's names are kept that were more than trustedNames, and rememberLess is that where there is no room.
	rememberNames, rememberLess = time.Hour, time.Minute
	// forgetEvery is the pause between two looks for what can be forgotten: each goes through all streams.
	forgetEvery = time.Second
)

// nameBudget says which names of attributes may be fields, so that no block has more names than the engine takes. What may not is kept in
// MoreField. It is safe for concurrent use.
type nameBudget struct {
	load func(streamDay) ([]string, error) // the names that the store has of a stream's day
	most int                               // maxNameBytes

	mu    sync.Mutex
	bytes int                     // of all; guarded by mu
	all   map[string]*namesOfADay // guarded by mu
	// forgot is when it was looked last for what can be forgotten; guarded by mu.
	forgot time.Time
}

// streamDay is a stream, and the day of rows of it.
type streamDay struct {
	tenant string
	signal Signal
	tags   string // as a LogsQL filter
	day    int64
}

// namesOfADay are the names that a stream uses for the rows of a day.
type namesOfADay struct {
	of     streamDay
	names  map[string]struct{} // guarded by nameBudget.mu
	loaded bool                // guarded by nameBudget.mu; names has those of former processes too
	used   time.Time           // guarded by nameBudget.mu
	bytes  int                 // guarded by nameBudget.mu
	gone   bool                // guarded by nameBudget.mu; not remembered: forgotten while rows of it are made, or there was no room
}

func newNameBudget(load func(streamDay) ([]string, error)) *nameBudget {
	return &nameBudget{load: load, most: maxNameBytes, all: map[string]*namesOfADay{}}
}

// enter begins rows of a stream and a day. stream is their key, and used during the call.
func (b *nameBudget) enter(stream []byte, of func() streamDay) *namesOfADay {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	one := b.all[string(stream)]
	if one == nil {
		if b.bytes >= b.most && now.Sub(b.forgot) >= forgetEvery {
			b.forget(now)
		}
		one = &namesOfADay{of: of(), names: map[string]struct{}{}, gone: b.full()}
		if !one.gone {
			b.all[string(stream)] = one
			b.grow(one, streamBytes+len(stream)+len(one.of.tags)+len(one.of.tenant))
		}
	}
	one.used = now
	return one
}

// full says that no further names may be fields. b.mu is held.
func (b *nameBudget) full() bool { return b.bytes >= 2*b.most }

// forget makes room: it forgets streams that have few names, and those that had no rows for long. b.mu is held.
func (b *nameBudget) forget(now time.Time) {
	b.forgot = now
	remember := rememberNames
	if b.full() {
		remember = rememberLess
	}
	for key, one := range b.all {
		if len(one.names) <= trustedNames || now.Sub(one.used) > remember {
			delete(b.all, key)
			b.bytes -= one.bytes
			one.gone = true
		}
	}
}

// admits says whether a name may be a field. The first call past trustedNames asks the store.
func (b *nameBudget) admits(one *namesOfADay, name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := one.names[name]; ok {
		return true
	}
	if len(one.names) >= trustedNames && !one.loaded {
		b.mu.Unlock()
		before, err := b.load(one.of)
		b.mu.Lock()
		if err != nil {
			return false // the next row asks again
		}
		one.loaded = true
		for _, n := range before {
			b.add(one, n)
		}
		if _, ok := one.names[name]; ok {
			return true
		}
	}
	if len(one.names) >= maxNames || b.full() {
		return false
	}
	b.add(one, name)
	return true
}

// add adds a name. b.mu is held.
func (b *nameBudget) add(one *namesOfADay, name string) {
	if _, ok := one.names[name]; !ok {
		one.names[strings.Clone(name)] = struct{}{}
		b.grow(one, nameBytes+len(name))
	}
}

// grow counts what a stream has more. b.mu is held.
func (b *nameBudget) grow(one *namesOfADay, bytes int) {
	if !one.gone {
		one.bytes += bytes
		b.bytes += bytes
	}
}

// namesBefore are the fields that the store has of a stream's day. Other streams that have the same tags and more count too.
func (s *Store) namesBefore(of streamDay) ([]string, error) {
	from := time.Unix(of.day*int64(day/time.Second), 0)
	p, err := s.prepare(Query{Text: of.tags, Start: from, End: from.Add(day), View: View{Tenant: of.tenant}, Signal: of.signal})
	if err != nil {
		return nil, fmt.Errorf("names of %s: %w", of.tags, err)
	}
	hits, err := s.hitsWithin(s.closing, p, func(q *logstorage.QueryContext) ([]Hit, error) { return s.engine.GetFieldNames(q, "") })
	if err != nil {
		return nil, fmt.Errorf("names of %s: %w", of.tags, err)
	}
	names := make([]string, 0, len(hits))
	for _, h := range hits {
		names = append(names, h.Value)
	}
	return names, nil
}
