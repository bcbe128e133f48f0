// Package inflight bounds the bytes that requests hold, those that are being read and those that have been decoded, and divides them among
// clients.
package inflight

import "sync"

// Party is somebody whom requests belong to: a client, or a tenant.
type Party struct {
	Kind string
	Name string
}

// The kinds of parties.
const (
	Client = "client"
	Tenant = "tenant"
)

// Parties are a client and its tenant, as far as they are known.
func Parties(client, tenant string) (all []Party) {
	if client != "" {
		all = append(all, Party{Client, client})
	}
	if tenant != "" {
		all = append(all, Party{Tenant, tenant})
	}
	return all
}

// share is how much a party may hold with several requests: so many times what is free then. One party can hold two thirds of a budget, two
// can hold two fifths each, and n leave 1/(1+2n) of it to those that hold nothing.
const share = 2

// Budget is a number of bytes, or of places, that requests share. A party whose other requests hold something gets more only while all that
// it holds is at most twice what stays free (the dynamic thresholds of shared-memory switches, Choudhury and Hahne 1998), so one that asks for
// more than there is leaves room for the others, and no setting says how many those are. The first request of a party gets whatever is free.
// Memory: an entry for each party that holds something. Safe for concurrent use.
type Budget struct {
	mu       sync.Mutex
	capacity int64
	used     int64           // guarded by mu
	by       map[Party]int64 // what parties hold, above 0; guarded by mu
}

// NewBudget returns a budget of capacity bytes.
func NewBudget(capacity int64) *Budget { return &Budget{capacity: capacity, by: map[Party]int64{}} }

// Capacity is how much there is.
func (b *Budget) Capacity() int64 { return b.capacity }

// Used is how much is taken.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// Hold is what one request holds of a budget. It is for one goroutine at a time.
type Hold struct {
	budget  *Budget
	parties []Party
	n       int64
}

// Verdict says whether a request gets what it asks for.
type Verdict uint8

// The verdicts.
const (
	Taken  Verdict = iota
	Full           // there is not so much
	Unfair         // there is, but the request's party holds its share
)

// Open returns a hold of nothing, for a request of these parties.
func (b *Budget) Open(parties ...Party) *Hold { return &Hold{budget: b, parties: parties} }

// Fits says what Take of n would, without taking it.
func (h *Hold) Fits(n int64) Verdict {
	b := h.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fitsLocked(h, min(n, b.capacity-h.n))
}

// Take takes n more. A request that is larger than the whole budget takes all of it, so it is admitted when there is no other.
func (h *Hold) Take(n int64) Verdict {
	b := h.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	n = min(n, b.capacity-h.n)
	v := b.fitsLocked(h, n)
	if v == Taken {
		b.addLocked(h, n)
	}
	return v
}

func (b *Budget) fitsLocked(h *Hold, n int64) Verdict {
	free := b.capacity - b.used - n
	if free < 0 {
		return Full
	}
	for _, p := range h.parties {
		if others := b.by[p] - h.n; others > 0 && b.by[p]+n > share*free {
			return Unfair
		}
	}
	return Taken
}

func (b *Budget) addLocked(h *Hold, n int64) {
	h.n += n
	b.used += n
	for _, p := range h.parties {
		if b.by[p] += n; b.by[p] == 0 {
			delete(b.by, p)
		}
	}
}

// Name says whose the hold is, where that was not known when it took what it holds. If they hold too much with it, it stays nobody's.
func (h *Hold) Name(parties ...Party) Verdict {
	b := h.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range parties {
		if others := b.by[p]; others > 0 && others+h.n > share*(b.capacity-b.used) {
			return Unfair
		}
	}
	n := h.n
	b.addLocked(h, -n)
	h.parties = parties
	b.addLocked(h, n)
	return Taken
}

// Held is how much the request holds.
func (h *Hold) Held() int64 { return h.n }

// Release gives all of it back. It may be repeated.
func (h *Hold) Release() {
	h.budget.mu.Lock()
	defer h.budget.mu.Unlock()
	h.budget.addLocked(h, -h.n)
}
