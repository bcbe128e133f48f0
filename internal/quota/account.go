package quota

import (
	"container/list"
	"math"
	"time"
)

// Name identifies an account. Service is for accounts of services, which belong to a tenant; Key for those of API keys.
type Name struct {
	Scope   Scope
	Tenant  string
	Service string
	Key     string
}

// demandTime is the time constant of the mean offered rate, in seconds: a share follows a sender that moves to another gateway within a few of
// them, and a sender that sends every ten seconds is not forgotten in between.
const demandTime = 2.0

// forgotten is an offered rate, in bytes or items per second, below which it counts as zero.
const forgotten = 0.5

// bucket is a token bucket that allows a debt. Its size is the rate times the burst at each call, so a changed limit applies at once.
type bucket struct {
	level float64
	at    time.Time // of level; zero: never used, so full
}

// fill updates the level to the present time.
func (b *bucket) fill(now time.Time, rate, size float64) {
	switch {
	case b.at.IsZero():
		b.level = size
	case now.After(b.at):
		b.level += rate * now.Sub(b.at).Seconds()
	}
	b.level = min(b.level, size)
	if now.After(b.at) {
		b.at = now
	}
}

// lacks is how long it takes until n more pass, in seconds, if taken of the same request have already passed.
func (b *bucket) lacks(n, taken, rate, size float64) float64 {
	missing := min(n+taken, size) - (b.level + taken)
	const rounding = 1e-6
	if missing <= rounding*size {
		return 0
	}
	return missing / rate
}

// demand is a mean of the offered rate, per second.
type demand struct {
	rate float64
	at   time.Time
}

func (d *demand) decay(now time.Time) {
	if !d.at.IsZero() && now.After(d.at) {
		d.rate *= math.Exp(-now.Sub(d.at).Seconds() / demandTime)
	}
	if now.After(d.at) {
		d.at = now
	}
}

func (d *demand) add(now time.Time, n float64) {
	d.decay(now)
	d.rate += n / demandTime
}

// account is the usage of one tenant, service or key. The table's lock guards it.
type account struct {
	name         Name
	place        *list.Element // in the table's order; nil once the account is forgotten
	bytes, items bucket
	day          int64 // days since 1970 UTC
	today        int64 // bytes of the day, at this gateway
	daily        bool  // it has a limit of bytes per day

	// For sharing; nil if the table does not share.
	shared *sharedAccount
}

func dayOf(now time.Time) int64 { return now.Unix() / int64(24*time.Hour/time.Second) }

// untilTomorrow is the rest of the day.
func untilTomorrow(now time.Time) time.Duration {
	return time.Unix((dayOf(now)+1)*int64(24*time.Hour/time.Second), 0).Sub(now)
}

// turn begins a new day when the old one has ended.
func (a *account) turn(now time.Time) {
	if d := dayOf(now); d > a.day {
		a.day, a.today = d, 0
	}
}
