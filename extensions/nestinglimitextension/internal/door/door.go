// Package door decides which requests to refuse before any of them is read, from what became of earlier ones.
package door

import (
	"math"
	"sync/atomic"
	"time"
)

// Usual follows how much memory requests take: about a quarter of them take less. One request changes it by at most three percent, so a few unusual
// ones do not. The zero value expects nothing. It is safe for concurrent use; of concurrent additions some may be lost.
type Usual struct {
	bits atomic.Uint64 // of a float64, in bytes
}

const (
	// larger and smaller are what a request of that kind multiplies the value by. It rests where three are larger for each smaller one.
	larger, smaller = 1.01, 0.97
	// least is where the value begins, in bytes.
	least = 1 << 10
	// perByte is how much memory a request is expected to take at most for each byte of its declared length: six decoded, and twice the body.
	perByte = 8
	// reserve is the largest part of a budget that must be free for a request. 31 clients that hold their share (package inflight) leave more.
	reserve = 64
)

// Add notes a request that takes n bytes.
func (u *Usual) Add(n int64) {
	v := max(least, math.Float64frombits(u.bits.Load()))
	if float64(n) > v {
		v *= larger
	} else {
		v *= smaller
	}
	u.bits.Store(math.Float64bits(v))
}

// Expect returns how many bytes of a budget a request is expected to need: at least its declared length (-1: unknown).
func (u *Usual) Expect(length, budget int64) int64 {
	n := min(int64(math.Float64frombits(u.bits.Load())), budget/reserve)
	if length < 0 {
		return n
	}
	return max(length, min(n, perByte*length))
}

// Glance is for how long one refusal stands for all requests.
const Glance = 100 * time.Millisecond

// Shut says that a component behind the receiver refuses everything, for a reason that has nothing to do with the request. While it does, one request
// in each Glance goes in. The zero value is open. It is safe for concurrent use.
type Shut struct {
	until atomic.Int64 // Unix nanoseconds; 0: open
}

// Refuses says whether a request is refused; scout, that it goes in to find out whether the next ones are.
func (s *Shut) Refuses(now time.Time) (refused, scout bool) {
	until := s.until.Load()
	if until == 0 {
		return false, false
	}
	// A clock that was set back does not keep the door shut.
	over := now.UnixNano() >= until || until-now.UnixNano() > int64(Glance)
	scout = over && s.until.CompareAndSwap(until, now.Add(Glance).UnixNano())
	return !scout, scout
}

// Learn notes the fate of a request that went in: whether it was refused for that reason. A scout that was not opens the door, even if it was refused for
// another one: else what refuses all requests, or those of one signal, would keep the door shut, for a reason that has passed.
func (s *Shut) Learn(now time.Time, refused, scout bool) {
	switch {
	case refused:
		s.until.Store(now.Add(Glance).UnixNano())
	case scout: // another one may have gone in before the door was shut
		s.until.Store(0)
	}
}
