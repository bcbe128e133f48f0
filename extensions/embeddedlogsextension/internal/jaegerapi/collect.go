package jaegerapi

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"
)

const (
	// mostSpans and mostBytes bound an answer. A field takes its texts, a row 64 bytes more.
	mostSpans = 50_000
	mostBytes = 32 << 20
	rowCost   = 64
	fieldCost = 32
)

// field of a row; rows share the names.
type field struct{ name, value string }

// row is a span as it is stored, its fields in the order of their names.
type row struct {
	time   int64
	span   string
	fields []field
	bytes  int
}

func compareRows(a, b *row) int {
	return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.span, b.span), slices.CompareFunc(a.fields, b.fields, func(a, b field) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	}))
}

// latest is a heap with the row on top that starts last.
type latest []*row

func (h latest) Len() int           { return len(h) }
func (h latest) Less(i, j int) bool { return compareRows(h[i], h[j]) > 0 }
func (h latest) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *latest) Push(r any)        { *h = append(*h, r.(*row)) }
func (h *latest) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// collector gathers the rows of traces within bounds. Where they don't fit, the last traces of the list are left out; where the first one alone
// does not, its latest spans are. So the result is the same in whatever order rows are added. Not safe for concurrent use.
type collector struct {
	spans, bytes int // the bounds

	rank   map[string]int // of each trace in the list
	traces []latest
	seen   []int // rows of each trace, those that are left out among them
	kept   int   // traces that are not left out
	cut    *row  // the earliest row of the first trace that is left out
	held   struct{ spans, bytes int }
}

func newCollector(ids []string, spans, bytes int) *collector {
	c := &collector{spans: spans, bytes: bytes, rank: map[string]int{}, traces: make([]latest, len(ids)), seen: make([]int, len(ids)), kept: len(ids)}
	for i, id := range ids {
		c.rank[id] = i
	}
	return c
}

// wants counts a row of a trace, and says whether it is to be added.
func (c *collector) wants(trace string) bool {
	i, ok := c.rank[trace]
	if !ok {
		return false
	}
	c.seen[i]++
	return i < c.kept
}

func (c *collector) add(trace string, r *row) {
	i := c.rank[trace]
	if i == 0 && c.cut != nil && compareRows(r, c.cut) >= 0 {
		return
	}
	heap.Push(&c.traces[i], r)
	c.hold(1, r.bytes)
	for c.held.spans > c.spans || c.held.bytes > c.bytes {
		if c.kept > 1 {
			c.kept--
			for _, r := range c.traces[c.kept] {
				c.hold(-1, -r.bytes)
			}
			c.traces[c.kept] = nil
			continue
		}
		c.cut = heap.Pop(&c.traces[0]).(*row)
		c.hold(-1, -c.cut.bytes)
	}
}

func (c *collector) hold(spans, bytes int) {
	c.held.spans += spans
	c.held.bytes += bytes
}

// rowsOf returns the rows of a trace, earliest first, each once; partial: some are left out.
func (c *collector) rowsOf(i int) (rows []*row, partial bool) {
	rows = c.traces[i]
	partial = len(rows) < c.seen[i]
	slices.SortFunc(rows, compareRows)
	return slices.CompactFunc(rows, func(a, b *row) bool { return compareRows(a, b) == 0 }), partial
}
