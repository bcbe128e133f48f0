// Package pace bounds the rate of work, and slows work down in favour of other work.
package pace

import "time"

// Bucket bounds a rate: a second's worth may be taken at once, more has to wait. It is not safe for concurrent use.
type Bucket struct {
	perSecond float64
	level     float64   // what may be taken at once; a debt if negative
	at        time.Time // time at which level was computed
}

// NewBucket returns a bucket that is full at now; nil for a rate of 0, which means no bound.
func NewBucket(perSecond int64, now time.Time) *Bucket {
	if perSecond <= 0 {
		return nil
	}
	return &Bucket{perSecond: float64(perSecond), level: float64(perSecond), at: now}
}

// Take takes n and returns how long to wait before using it. More than a second's worth may be taken: later calls wait for it.
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

// Least share of the time for the work while others lag, and the longest pause between two pieces of it.
const (
	leastShare = 1.0 / 64
	longest    = 5 * time.Second
)

// Yield slows work down: its share of the time halves with each look that finds others lagging, and doubles with each that does not. The
// zero value works all the time. It is not safe for concurrent use.
type Yield struct {
	given float64 // 1 - share
}

// Look reports whether others lag.
func (y *Yield) Look(lagging bool) {
	share := 1 - y.given
	if lagging {
		share = max(leastShare, share/2)
	} else {
		share = min(1, share*2)
	}
	y.given = 1 - share
}

// Share is the work's part of the time.
func (y *Yield) Share() float64 { return 1 - y.given }

// Pause is how long to rest after working for so long.
func (y *Yield) Pause(worked time.Duration) time.Duration {
	return min(longest, time.Duration(float64(worked)*y.given/(1-y.given)))
}
