// Package pace bounds the rate of work, and lets work give way to other work.
package pace

import "time"

// Bucket bounds a rate: up to a second's worth may go at once, what is more waits. It is not safe for concurrent use.
type Bucket struct {
	perSecond float64
	level     float64   // what may go at once; below zero it is owed
	at        time.Time // when level was right
}

// NewBucket returns a bucket that is full at now; nil for a rate of 0, which is no bound.
func NewBucket(perSecond int64, now time.Time) *Bucket {
	if perSecond <= 0 {
		return nil
	}
	return &Bucket{perSecond: float64(perSecond), level: float64(perSecond), at: now}
}

// Take takes n and returns how long to wait before they go. More than a second's worth may be taken: what follows waits
// for it.
func (b *Bucket) Take(n int64, now time.Time) time.Duration {
	if b == nil {
		return 0
	}
	b.level = min(b.perSecond, b.level+now.Sub(b.at).Seconds()*b.perSecond)
	b.at = now
	b.level -= float64(n)
	if b.level >= 0 {
		return 0
	}
	return time.Duration(-b.level / b.perSecond * float64(time.Second))
}

// Least part of the time that work gets while others lag, and the longest pause between two pieces of it.
const (
	leastShare = 1.0 / 64
	longest    = 5 * time.Second
)

// Yield gives way: the share of time that work gets halves with each look that finds others lagging, and doubles with each
// that does not. The zero value works all the time. It is not safe for concurrent use.
type Yield struct {
	given float64 // 1 - share
}

// Look says what a look found.
func (y *Yield) Look(lagging bool) {
	share := 1 - y.given
	if lagging {
		share = max(leastShare, share/2)
	} else {
		share = min(1, share*2)
	}
	y.given = 1 - share
}

// Share is the part of the time that work gets.
func (y *Yield) Share() float64 { return 1 - y.given }

// Pause is how long to rest after working for so long.
func (y *Yield) Pause(worked time.Duration) time.Duration {
	return min(longest, time.Duration(float64(worked)*y.given/(1-y.given)))
}
