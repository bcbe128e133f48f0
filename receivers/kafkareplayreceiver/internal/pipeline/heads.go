package pipeline

import (
	"maps"
	"slices"
	"sync"

	"github.com/penstockhq/penstock/internal/journal"
)

// Heads are the heads of the pipelines that one receiver is in. The zero value is empty and ready. It is safe for concurrent use.
type Heads struct {
	mu  sync.Mutex
	all map[journal.Signal]Head // guarded by mu
}

// Add adds a pipeline that has started.
func (h *Heads) Add(head Head) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = map[journal.Signal]Head{}
	}
	h.all[head.Signal()] = head
}

// Of returns the head of s, nil if the receiver is in no pipeline for it.
func (h *Heads) Of(s journal.Signal) Head {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all[s]
}

// Signals returns the signals of the pipelines, in order.
func (h *Heads) Signals() []journal.Signal {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.all))
}
