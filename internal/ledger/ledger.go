// Package ledger counts the fate of the items that a sink received: received = stored + folded + dropped, exactly.
//
// A [Book] holds the counts of one sink for one partition of the journal. Its owner saves it together with the offset up to which it counts, so
// that a crash rolls back counts and deliveries together. A book has two views of the same items: by the hour in which the journal received them,
// and by the hour of their own time. Items are data points, log records or spans; a book never counts records of the journal, except records that
// can no longer be read.
package ledger

import (
	"math"
	"time"
)

// Hour is a whole hour in UTC, counted from 1970.
type Hour int64

// Special hours of items that the book does not count by hour.
const (
	// Earlier stands for all hours before those that the book keeps.
	Earlier Hour = math.MinInt64
	// Later stands for future hours.
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

// Time returns the beginning of h, which must be a real hour.
func (h Hour) Time() time.Time { return time.Unix(int64(h)*3600, 0).UTC() }

// String returns h as the RFC 3339 time of its beginning, "earlier" or "later".
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

// Content is the content of a record of the journal.
type Content struct {
	Tenant string
	// Hour is when the journal received the record.
	Hour Hour
	// Items is the number of items, according to the writer of the record.
	Items int64
	// Events are the items that were found in the record, by the hour of their own time.
	Events []HourItems
}

// Fates is the fate of the items of a batch.
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

// AllDropped returns the number of dropped items, for all reasons.
func (c *Cell) AllDropped() (n int64) {
	for _, d := range c.Dropped {
		n += d
	}
	return n
}

// Unaccounted returns the number of received items without a fate; if negative, the number of fates without an item. It is 0 while the ledger
// balances.
func (c *Cell) Unaccounted() int64 { return c.Received - c.Stored - c.Folded - c.AllDropped() }

// Add adds the counts of o.
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

// Each calls each for every cell to which the record belongs in a view, as [Book.Batch] does.
func (c Content) Each(v View, each func(k Key, items int64)) {
	for _, s := range sharesOf([]Content{c}) {
		h := s.receipt
		if v == ByEvent {
			h = s.event
		}
		each(Key{c.Tenant, h}, s.Received)
	}
}
