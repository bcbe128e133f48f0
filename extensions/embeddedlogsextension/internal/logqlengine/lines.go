package logqlengine

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
)

// Lines asks for the lines of a log query.
type Lines struct {
	From, To int64 // nanoseconds; From <= time < To
	Limit    int
	Forward  bool // oldest first
	// Interval, above zero, leaves lines out that come less than this after the one before, in the direction of the query, once the
	// limit is applied.
	Interval time.Duration
}

// Line is one line of an answer.
type Line struct {
	Time  int64
	Place logqlpipeline.Place
	Text  string
	// Labels are all of it; Stream, Metadata and Parsed are those of each category.
	Labels, Stream, Metadata, Parsed logqlpipeline.Labels
}

// firstSlice is the time in which lines are looked for at first; each slice is four times as long as the one before.
const firstSlice = int64(time.Minute)

// Lines evaluates a log query; the lines come in the direction of the query, those of one time as they were stored. text is the query, for errors.
func (e *Engine) Lines(ctx context.Context, text string, q *logql.LogQuery, l Lines) ([]Line, Stats, error) {
	if l.Limit > e.limits.Entries {
		return nil, Stats{}, tooMuch("entries", "max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d)", l.Limit, e.limits.Entries)
	}
	pipeline, err := logqlpipeline.Compile(text, q.Stages)
	if err != nil {
		return nil, Stats{}, err
	}
	r, ctx, cancel := e.begin(ctx, text)
	defer cancel()
	c := &collector{Lines: l, most: e.limits.HeldBytes}
	for from, to := range slicesOf(l.From, l.To, l.Forward) {
		c.begin()
		err := r.read(ctx, q.Stages, Selection{Matchers: q.Matchers, From: from, To: to, Placed: true}, pipeline, c.wanted, func(e *logqlpipeline.Entry, record *logqlpipeline.Record) error {
			return c.add(e, record)
		})
		if err != nil {
			stats, err := r.end(ctx, err)
			return nil, stats, err
		}
		if c.end(); len(c.found) >= l.Limit {
			break
		}
	}
	lines := c.thinned()
	r.stats.Returned = len(lines)
	stats, err := r.end(ctx, nil)
	return lines, stats, err
}

// slicesOf cuts a time into slices, beginning at its end, or with forward at its beginning.
func slicesOf(from, to int64, forward bool) func(func(from, to int64) bool) {
	return func(yield func(from, to int64) bool) {
		for size := firstSlice; from < to; size *= 4 {
			if size <= 0 || to-from < 2*size || to-from < 0 {
				yield(from, to)
				return
			}
			if forward {
				if !yield(from, from+size) {
					return
				}
				from += size
			} else {
				if !yield(to-size, to) {
					return
				}
				to -= size
			}
		}
	}
}

// collector keeps the first lines in the direction of a query.
type collector struct {
	Lines
	found []Line // of the slices before
	slice []Line
	held  int64
	most  int64
	// cut is the line behind which no line is among the first any more.
	cut   Line
	isCut bool
}

func (c *collector) begin() { c.slice, c.isCut = c.slice[:0], false }

func (c *collector) compare(a, b int64) int {
	switch {
	case a == b:
		return 0
	case (a < b) == c.Forward:
		return -1
	}
	return 1
}

// order is negative where a comes before b in the direction of the query.
func (c *collector) order(a, b *Line) int {
	if a.Time != b.Time {
		return c.compare(a.Time, b.Time)
	}
	return c.sign() * a.Place.Compare(b.Place)
}

func (c *collector) wanted(e *logqlpipeline.Entry) bool {
	return !c.isCut || c.order(&Line{Time: e.Time, Place: e.Place}, &c.cut) < 0
}

func (c *collector) add(e *logqlpipeline.Entry, r *logqlpipeline.Record) error {
	line := Line{
		Time: e.Time, Place: e.Place, Text: strings.Clone(r.Line), Labels: r.Labels().Clone(), Stream: r.LabelsFrom(logqlpipeline.FromStream).Clone(),
		Metadata: r.LabelsFrom(logqlpipeline.FromMetadata).Clone(), Parsed: r.LabelsFrom(logqlpipeline.FromLine).Clone(),
	}
	c.slice = append(c.slice, line)
	c.held += sizeOf(&line)
	if left := c.Limit - len(c.found); len(c.slice) >= 2*left+16 {
		c.shrink(left)
	}
	if c.held > c.most {
		return tooMuch("held_bytes", "the answer would have more than %d bytes: ask for fewer lines, or drop labels", c.most)
	}
	return nil
}

func sizeOf(l *Line) int64 {
	const fixed, perLabel = 216, 64
	size := fixed + len(l.Text)
	for _, label := range l.Labels {
		size += perLabel + len(label.Name) + len(label.Value)
	}
	return int64(size)
}

func (c *collector) sort() {
	slices.SortStableFunc(c.slice, func(a, b Line) int { return c.order(&a, &b) })
}

func (c *collector) shrink(most int) {
	c.sort()
	for i := most; i < len(c.slice); i++ {
		c.held -= sizeOf(&c.slice[i])
		c.slice[i] = Line{}
	}
	c.slice = c.slice[:min(most, len(c.slice))]
	if most > 0 {
		c.cut, c.isCut = Line{Time: c.slice[most-1].Time, Place: c.slice[most-1].Place}, true
	}
}

// end adds the slice to what was found.
func (c *collector) end() {
	c.sort()
	c.found = append(c.found, c.slice[:min(len(c.slice), c.Limit-len(c.found))]...)
}

// thinned leaves out what the interval does.
func (c *collector) thinned() []Line {
	if c.Interval <= 0 || len(c.found) == 0 {
		return c.found
	}
	kept := c.found[:1]
	for _, line := range c.found[1:] {
		if c.compare(line.Time, kept[len(kept)-1].Time+int64(c.sign())*int64(c.Interval)) >= 0 {
			kept = append(kept, line)
		}
	}
	return kept
}

func (c *collector) sign() int {
	if c.Forward {
		return 1
	}
	return -1
}
