// Package ledger counts what became of the items that a sink received: received = stored + folded + dropped, to the item.
//
// A [Book] holds the counts of one sink for one partition of the journal. Its owner saves it together with the offset up to which it
// counts, so that a crash takes back counts and deliveries alike. A book has two views of the same items: by the hour in which the
// journal took them, and by the hour of their own time. Items are data points, log records or spans; a book never counts records
// of the journal, except those that nobody could read any more.
package ledger

import (
	"math"
	"time"
)

// Hour is a whole hour in UTC, counted from 1970.
type Hour int64

// What a book doesn't keep apart any more, or never did.
const (
	// Earlier stands for all hours before those that the book keeps.
	Earlier Hour = math.MinInt64
	// Later stands for hours that have not come yet.
	Later Hour = math.MaxInt64
)

// HourOf returns the hour that t is in.
func HourOf(t time.Time) Hour { return HourOfNanos(t.UnixNano()) }

// HourOfNanos returns the hour of a time in nanoseconds since 1970.
func HourOfNanos(ns int64) Hour {
	h := ns / int64(time.Hour)
	if ns < 0 && ns%int64(time.Hour) != 0 {
		h--
	}
	return Hour(h)
}

// Time returns the begin of h, which must be a real hour.
func (h Hour) Time() time.Time { return time.Unix(int64(h)*3600, 0).UTC() }

// String returns h as RFC 3339 has its begin, "earlier" or "later".
func (h Hour) String() string {
	switch h {
	case Earlier:
		return "earlier"
	case Later:
		return "later"
	}
	return h.Time().Format(time.RFC3339)
}

// HourItems is how many items have a time in an hour.
type HourItems struct {
	Hour  Hour
	Items int64
}

// Content is what a record of the journal holds.
type Content struct {
	Tenant string
	// Hour is when the journal took the record.
	Hour Hour
	// Items is how many there are according to whoever wrote the record.
	Items int64
	// Events are the items that were found in the record, by the hour of their own time.
	Events []HourItems
}

// Fates is what became of the items of a batch.
type Fates struct {
	Stored, Folded int64
	Dropped        []Drop
}

// Drop is how many items were dropped for a reason.
type Drop struct {
	Reason string
	Items  int64
}

// Cell is what a book counts for one tenant and hour. The zero value is empty.
type Cell struct {
	Received, Stored, Folded int64
	Dropped                  map[string]int64
}

// AllDropped returns the items that were dropped, for whatever reason.
func (c *Cell) AllDropped() (n int64) {
	for _, d := range c.Dropped {
		n += d
	}
	return n
}

// Unaccounted returns how many received items have no fate; negative: how many fates have no item. It is 0 where the ledger balances.
func (c *Cell) Unaccounted() int64 { return c.Received - c.Stored - c.Folded - c.AllDropped() }

// Add adds what o has.
func (c *Cell) Add(o *Cell) {
	c.Received += o.Received
	c.Stored += o.Stored
	c.Folded += o.Folded
	for reason, n := range o.Dropped {
		c.drop(reason, n)
	}
}

func (c *Cell) drop(reason string, n int64) {
	if c.Dropped == nil {
		c.Dropped = map[string]int64{}
	}
	if _, known := c.Dropped[reason]; !known && len(c.Dropped) >= maxReasons {
		reason = otherReasons
	}
	c.Dropped[reason] += n
}

// Each calls each for every cell that the record belongs to in a view, as [Book.Batch] does.
func (c Content) Each(v View, each func(k Key, items int64)) {
	for _, s := range sharesOf([]Content{c}) {
		h := s.receipt
		if v == ByEvent {
			h = s.event
		}
		each(Key{c.Tenant, h}, s.Received)
	}
}
