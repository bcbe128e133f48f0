package window

import (
	"iter"
	"slices"
	"time"
)

// Never is before all times: the closing mark of panes that have never closed.
const Never = -1 << 63

// Panes is a set of panes of one width, each with a T, oldest first. It takes O(1)
// to reach the newest pane and O(panes) to reach another; there are as many as fit
// into the time between the oldest open pane and the newest point.
//
// The zero value is not usable.
type Panes[T any] struct {
	width int64
	open  []pane[T] // ascending by start
}

type pane[T any] struct {
	start int64
	value T
}

// NewPanes returns an empty set of panes of the given width, which must be above zero.
func NewPanes[T any](width time.Duration) *Panes[T] {
	return &Panes[T]{width: int64(width)}
}

// Width returns the width of a pane.
func (p *Panes[T]) Width() time.Duration { return time.Duration(p.width) }

// Len returns the number of panes.
func (p *Panes[T]) Len() int { return len(p.open) }

// At returns the value of the pane that contains t, and creates it if it does not exist: then fresh is true and the value is T's zero value. The
// pointer is valid until the next call of At or Take.
func (p *Panes[T]) At(t int64) (value *T, fresh bool) {
	if n := len(p.open); n > 0 && t >= p.open[n-1].start && t-p.open[n-1].start < p.width {
		return &p.open[n-1].value, false
	}
	start := Align(t, time.Duration(p.width))
	i, found := slices.BinarySearchFunc(p.open, start, func(x pane[T], start int64) int {
		switch {
		case x.start < start:
			return -1
		case x.start > start:
			return 1
		}
		return 0
	})
	if !found {
		p.open = slices.Insert(p.open, i, pane[T]{start: start})
	}
	return &p.open[i].value, !found
}

// Start returns the start of the i-th pane, from the oldest on.
func (p *Panes[T]) Start(i int) int64 { return p.open[i].start }

// Due says whether Take(mark) would yield anything.
func (p *Panes[T]) Due(mark int64) bool {
	return len(p.open) > 0 && p.open[0].start+p.width <= mark
}

// Oldest returns the start of the oldest pane; ok is false if there is none.
func (p *Panes[T]) Oldest() (start int64, ok bool) {
	if len(p.open) == 0 {
		return 0, false
	}
	return p.open[0].start, true
}

// Take removes the panes that end at or before mark and returns them with their starts, oldest first. If the loop ends early, the rest stays.
func (p *Panes[T]) Take(mark int64) iter.Seq2[int64, T] {
	return func(yield func(int64, T) bool) {
		for p.Due(mark) {
			x := p.open[0]
			p.open = slices.Delete(p.open, 0, 1)
			if !yield(x.start, x.value) {
				return
			}
		}
	}
}

// All returns the panes with their starts, oldest first, and keeps them.
func (p *Panes[T]) All() iter.Seq2[int64, *T] {
	return func(yield func(int64, *T) bool) {
		for i := range p.open {
			if !yield(p.open[i].start, &p.open[i].value) {
				return
			}
		}
	}
}
