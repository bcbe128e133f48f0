package pipeline

import (
	"maps"
	"slices"
	"sync"

	"github.com/penstockhq/penstock/internal/journal"
)

// Entries are the entries of the pipelines that one receiver is in. The zero value is empty and ready. It is safe for concurrent use.
type Entries struct {
	mu  sync.Mutex
	all map[journal.Signal]Entry // guarded by mu
}

// Add adds a pipeline that has started.
func (h *Entries) Add(entry Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = map[journal.Signal]Entry{}
	}
	h.all[entry.Signal()] = entry
}

// Of returns the entry of s, nil if the receiver is in no pipeline for it.
func (h *Entries) Of(s journal.Signal) Entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all[s]
}

// Signals returns the signals of the pipelines, in order.
func (h *Entries) Signals() []journal.Signal {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.all))
}
