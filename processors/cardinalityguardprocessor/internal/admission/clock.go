package admission

import "sync/atomic"

// clockVotes is the lead, in votes, at which the clock moves.
const clockVotes = 8

// Clock follows event time by majority, in steps. Every batch of points from one source votes with its time: when votes past the end of
// the current step lead by eight, the clock moves to the earliest of them; when votes from far before it lead, it moves back. So it
// depends only on the points and their order, a few senders with wrong clocks do not move it, and a gap of any length is one step.
//
// It is safe for concurrent use. A vote inside the current step, the usual case, costs two atomic loads.
type Clock struct {
	step    int64
	current atomic.Int64 // start of the current step; 0 before the first vote
	lead    atomic.Int64 // votes for later minus votes for now; negative: for earlier
	next    atomic.Int64 // where the clock moves when lead is reached
}

// NewClock returns a clock with steps of that many nanoseconds.
func NewClock(step int64) *Clock { return &Clock{step: step} }

// Now returns the start of the current step in Unix nanoseconds, 0 before the first vote.
func (c *Clock) Now() int64 { return c.current.Load() }

// Vote counts a vote for t, which must be above 0, and reports whether the clock moved to another step.
func (c *Clock) Vote(t int64) (moved bool) {
	at := t - t%c.step
	now := c.current.Load()
	lead := c.lead.Load()
	switch {
	case now == 0:
		return c.current.CompareAndSwap(0, at)
	case at > now:
		if lead <= 0 || at < c.next.Load() {
			c.next.Store(at)
		}
		if lead = c.lead.Add(1); lead < clockVotes {
			return false
		}
	case at < now-Generations*c.step:
		if lead >= 0 || at > c.next.Load() {
			c.next.Store(at)
		}
		if lead = c.lead.Add(-1); lead > -clockVotes {
			return false
		}
	default:
		if lead > 0 {
			c.lead.CompareAndSwap(lead, lead-1)
		} else if lead < 0 {
			c.lead.CompareAndSwap(lead, lead+1)
		}
		return false
	}
	if !c.lead.CompareAndSwap(lead, 0) {
		return false
	}
	return c.current.CompareAndSwap(now, c.next.Load())
}

// Load sets the clock of a restored state.
func (c *Clock) Load(now int64) { c.current.Store(now) }
