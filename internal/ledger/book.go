package ledger

import (
	"cmp"
	"iter"
	"maps"
	"slices"
)

// Bounds of a book, for each view.
const (
	// MaxHours is how many hours are counted separately; older ones are added up under Earlier.
	MaxHours = 48
	// MaxTenants is how many tenants of an hour are counted separately; further ones are added up under OtherTenants.
	MaxTenants = 64
	// maxReasons bounds the reasons of a cell; further ones are added up.
	maxReasons = 32
	// maxExceptions bounds the batches that are remembered individually because not all of their items were stored.
	maxExceptions = 64
	// maxAhead is how many hours an item's own time may be after the hour in which it was received, before it counts under Later.
	maxAhead = 1

	otherReasons = "other"
	// OtherTenants can't be a tenant's name: it has a slash.
	OtherTenants = "(other/tenants)"
)

// View is the kind of hour by which a book is read.
type View uint8

// The views.
const (
	// ByReceipt: the hour in which the journal received the record.
	ByReceipt View = iota
	// ByEvent: the hour of the item's own time.
	ByEvent
	views
)

// Key is the position of a cell in a view.
type Key struct {
	Tenant string
	Hour   Hour
}

// Exception is a range of the journal whose items were not all stored.
type Exception struct {
	First, Next int64
	Tenant      string
	Fates
}

// Book holds the counts of one sink for one partition. It has at most MaxHours times MaxTenants cells for each view, some 100 bytes each, and
// usually a few dozen. It is not safe for concurrent use.
type Book struct {
	// First and Next: records between these offsets are counted, except those in Lost. Records before First were delivered before the ledger
	// existed.
	First, Next int64
	// Lost is how many records the journal deleted before the sink could read them. Their number of items is unknown.
	Lost int64

	views   [views]table
	created map[Hour]*Cell
	// exceptions are the latest, oldest first; excepted is the offset after the last forgotten one.
	exceptions []Exception
	excepted   int64
}

// table is the cells of a view.
type table struct {
	cells   map[Key]*Cell
	tenants map[Hour]int // of each hour with cells
}

// NewBook returns an empty book of a sink that begins at offset next.
func NewBook(next int64) *Book {
	b := &Book{First: next, Next: next, created: map[Hour]*Cell{}, excepted: next}
	for v := range b.views {
		b.views[v] = table{map[Key]*Cell{}, map[Hour]int{}}
	}
	return b
}

// Batch adds a batch of one tenant: the records between first and next, their content, and the fate of the items. If a batch has records of several
// hours and its items have different fates, the assignment to hours is a guess: dropped items are charged to the oldest items, then folded ones.
// The sums are exact.
func (b *Book) Batch(first, next int64, contents []Content, f Fates) {
	if len(contents) == 0 {
		return
	}
	tenant := contents[0].Tenant
	shares := sharesOf(contents)
	for _, d := range f.Dropped {
		if d.Items > 0 {
			spread(shares, d.Items, func(s *share, n int64) { s.drop(d.Reason, n) })
		}
	}
	spread(shares, f.Folded, func(s *share, n int64) { s.Folded += n })
	spread(shares, f.Stored, func(s *share, n int64) { s.Stored += n })
	for i := range shares {
		s := &shares[i]
		b.cell(ByReceipt, tenant, s.receipt).Add(&s.Cell)
		b.cell(ByEvent, tenant, s.event).Add(&s.Cell)
	}
	f.Dropped = slices.DeleteFunc(slices.Clone(f.Dropped), func(d Drop) bool { return d.Items == 0 })
	if f.Folded > 0 || len(f.Dropped) > 0 {
		b.except(Exception{First: first, Next: next, Tenant: tenant, Fates: f})
	}
}

// Create counts items that a sink was sent and no client had sent: rollups and overflow streams, in the hour of the journal's time.
func (b *Book) Create(h Hour, f Fates) {
	if f.Stored == 0 && len(f.Dropped) == 0 {
		return
	}
	c := b.created[h]
	if c == nil {
		c = &Cell{}
		b.created[h] = c
	}
	c.Stored += f.Stored
	for _, d := range f.Dropped {
		c.drop(d.Reason, d.Items)
	}
	if len(b.created) > MaxHours {
		oldest := slices.Min(slices.DeleteFunc(slices.Collect(maps.Keys(b.created)), func(h Hour) bool { return h == Earlier }))
		moved := b.created[oldest]
		delete(b.created, oldest)
		if b.created[Earlier] == nil {
			b.created[Earlier] = &Cell{}
		}
		b.created[Earlier].Add(moved)
	}
}

// share is the part of a batch with one hour of receipt and one event hour.
type share struct {
	receipt, event Hour
	left           int64 // items without a fate so far
	Cell
}

// sharesOf divides the content of records, oldest event first. If a record's writer counted more items than were found in it, the rest gets the
// hour of receipt.
func sharesOf(contents []Content) []share {
	var all []share
	var places Places[[2]Hour]
	add := func(receipt, event Hour, items, received int64) {
		i, added := places.Of([2]Hour{receipt, event})
		if added {
			all = append(all, share{receipt: receipt, event: event})
		}
		all[i].left += items
		all[i].Received += received
	}
	for _, c := range contents {
		rest := c.Items
		for _, e := range c.Events {
			add(c.Hour, clamp(e.Hour, c.Hour), e.Items, min(e.Items, max(rest, 0)))
			rest -= e.Items
		}
		if rest > 0 {
			add(c.Hour, c.Hour, 0, rest)
		}
	}
	slices.SortStableFunc(all, func(a, b share) int { return cmp.Or(cmp.Compare(a.event, b.event), cmp.Compare(a.receipt, b.receipt)) })
	return all
}

func clamp(event, receipt Hour) Hour {
	if event > receipt+maxAhead {
		return Later
	}
	return event
}

// spread assigns a fate to n items: to shares that have some left, in order, and the remainder to the last.
func spread(shares []share, n int64, give func(s *share, n int64)) {
	for i := range shares {
		part := min(n, shares[i].left)
		if i == len(shares)-1 {
			part = n
		}
		if part != 0 {
			give(&shares[i], part)
			shares[i].left -= part
			n -= part
		}
	}
}

// cell returns the cell of a tenant and an hour, and makes space for it.
func (b *Book) cell(v View, tenant string, h Hour) *Cell {
	all := &b.views[v]
	if c, ok := all.cells[Key{tenant, h}]; ok {
		return c
	}
	if _, known := all.tenants[h]; !known && isHour(h) && all.hours() >= MaxHours {
		oldest := all.oldest()
		if h < oldest {
			return b.cell(v, tenant, Earlier)
		}
		b.retire(v, oldest)
	}
	if all.tenants[h] >= MaxTenants && tenant != OtherTenants {
		return b.cell(v, OtherTenants, h)
	}
	c := &Cell{}
	all.put(Key{tenant, h}, c)
	return c
}

// isHour says whether h is a real hour.
func isHour(h Hour) bool { return h != Earlier && h != Later }

func (t *table) put(k Key, c *Cell) {
	if _, known := t.cells[k]; !known {
		t.tenants[k.Hour]++
	}
	t.cells[k] = c
}

// hours returns how many real hours there are.
func (t *table) hours() int {
	n := len(t.tenants)
	for _, h := range []Hour{Earlier, Later} {
		if _, ok := t.tenants[h]; ok {
			n--
		}
	}
	return n
}

// oldest returns the first of the real hours; there must be one.
func (t *table) oldest() Hour {
	oldest := Later
	for h := range t.tenants {
		if isHour(h) {
			oldest = min(oldest, h)
		}
	}
	return oldest
}

// retire adds an hour to Earlier.
func (b *Book) retire(v View, h Hour) {
	all := &b.views[v]
	var gone []Key
	for k := range all.cells {
		if k.Hour == h {
			gone = append(gone, k)
		}
	}
	for _, k := range gone {
		c := all.cells[k]
		delete(all.cells, k)
		b.cell(v, k.Tenant, Earlier).Add(c)
	}
	delete(all.tenants, h)
}

func (b *Book) except(e Exception) {
	b.exceptions = append(b.exceptions, e)
	if extra := len(b.exceptions) - maxExceptions; extra > 0 {
		b.excepted = max(b.excepted, b.exceptions[extra-1].Next)
		b.exceptions = slices.Delete(b.exceptions, 0, extra)
	}
}

// Exceptions returns the batches with the record at offset that were not stored completely. known is false if the book may have forgotten such a
// batch.
func (b *Book) Exceptions(offset int64) (all []Exception, known bool) {
	for _, e := range b.exceptions {
		if e.First <= offset && offset < e.Next {
			all = append(all, e)
		}
	}
	return all, offset >= b.excepted
}

// Cells returns all cells of a view, by hour and tenant.
func (b *Book) Cells(v View) iter.Seq2[Key, *Cell] {
	return func(yield func(Key, *Cell) bool) {
		for _, k := range slices.SortedFunc(maps.Keys(b.views[v].cells), compareKeys) {
			if !yield(k, b.views[v].cells[k]) {
				return
			}
		}
	}
}

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Tenant, b.Tenant))
}

// Created returns the items that the sink was sent and no client had sent, by hour.
func (b *Book) Created() iter.Seq2[Hour, *Cell] {
	return func(yield func(Hour, *Cell) bool) {
		for _, h := range slices.Sorted(maps.Keys(b.created)) {
			if !yield(h, b.created[h]) {
				return
			}
		}
	}
}

// Total returns the sum of all cells.
func (b *Book) Total() (c Cell) {
	for _, one := range b.views[ByReceipt].cells {
		c.Add(one)
	}
	return c
}
