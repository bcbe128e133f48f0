// Package inflight bounds the bytes of requests, both those that are being read and those that have been decoded, and divides them among clients.
package inflight

import "sync"

// Party is the owner of requests: a client, or a tenant.
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

// share is how much a party may hold with several requests, as a multiple of what is then free. One party can hold two thirds of a budget, two can
// hold two fifths each, and n leave 1/(1+2n) of it to parties that hold nothing.
const share = 2

// Budget is a number of bytes, or of slots, that requests share. A party whose other requests hold something gets more only while all that it holds
// is at most twice what stays free (the dynamic thresholds of shared-memory switches, Choudhury and Hahne 1998). So a party that demands more than
// the budget leaves space for the others, without a setting for their number. The first request of a party gets whatever is free. Memory: an entry
// for each party that holds something. Safe for concurrent use.
type Budget struct {
	mu       sync.Mutex
	capacity int64
	used     int64           // guarded by mu
	by       map[Party]int64 // what parties hold, above 0; guarded by mu
}

// NewBudget returns a budget of capacity bytes.
func NewBudget(capacity int64) *Budget { return &Budget{capacity: capacity, by: map[Party]int64{}} }

// Capacity is the size of the budget.
func (b *Budget) Capacity() int64 { return b.capacity }

// Used is the used part.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// Hold is one request's part of a budget. It is for one goroutine at a time.
type Hold struct {
	budget  *Budget
	parties []Party
	n       int64
}

// Verdict says whether a request gets what it needs.
type Verdict uint8

// The verdicts.
const (
	Taken  Verdict = iota
	Full           // the budget has not enough left
	Unfair         // the budget has enough, but the request's party holds its share
)

// Open returns an empty hold, for a request of these parties.
func (b *Budget) Open(parties ...Party) *Hold { return &Hold{budget: b, parties: parties} }

// Fits returns the verdict of Take of n, without taking it.
func (h *Hold) Fits(n int64) Verdict {
	b := h.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fitsLocked(h, min(n, b.capacity-h.n))
}

// Take takes n more. A request that is larger than the whole budget takes all of it, so it is admitted if there is no other.
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

// Name sets the parties of a hold that were unknown when it took its part. If they hold too much with it, it stays without parties.
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

// Release releases everything. It may be repeated.
func (h *Hold) Release() {
	h.budget.mu.Lock()
	defer h.budget.mu.Unlock()
	h.budget.addLocked(h, -h.n)
}
