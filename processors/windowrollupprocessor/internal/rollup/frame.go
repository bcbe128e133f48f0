package rollup

import (
	"iter"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/aggregate"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/sketch"
)

// pageSlots is the number of neighbouring streams whose cells share one piece of memory: large enough that a cell needs no header, small
// enough that a lone stream costs little.
const pageSlots = 64

// frame holds the cells of one pane or window, by slot. The zero value is empty. A million streams with five words each take 40 MB and no
// pointer per stream, so the garbage collector has little to scan.
type frame struct {
	pages []*page
}

type page struct {
	words    []uint64
	sketches []sketch.Sketch
	buckets  []datapoint.Histogram
}

// cell returns the cell of a slot, and creates it if necessary.
func (f *frame) cell(p *aggregate.Plan, slot uint32) aggregate.Cell {
	i := int(slot / pageSlots)
	if i >= len(f.pages) {
		f.pages = append(f.pages, make([]*page, i+1-len(f.pages))...)
	}
	pg := f.pages[i]
	if pg == nil {
		pg = &page{words: make([]uint64, pageSlots*p.Words)}
		if p.Sketch {
			pg.sketches = make([]sketch.Sketch, pageSlots)
		}
		if p.Buckets {
			pg.buckets = make([]datapoint.Histogram, pageSlots)
		}
		f.pages[i] = pg
	}
	return pg.cell(p, int(slot%pageSlots))
}

func (pg *page) cell(p *aggregate.Plan, i int) aggregate.Cell {
	var s *sketch.Sketch
	var h *datapoint.Histogram
	if pg.sketches != nil {
		s = &pg.sketches[i]
	}
	if pg.buckets != nil {
		h = &pg.buckets[i]
	}
	return p.Cell(pg.words[i*p.Words:(i+1)*p.Words:(i+1)*p.Words], s, h)
}

// has reports whether slot's cell holds anything.
func (f *frame) has(p *aggregate.Plan, slot uint32) bool {
	i := int(slot / pageSlots)
	return i < len(f.pages) && f.pages[i] != nil && f.pages[i].words[int(slot%pageSlots)*p.Words] != 0
}

// cells yields the non-empty cells, in the order of slots.
func (f *frame) cells(p *aggregate.Plan) iter.Seq2[uint32, aggregate.Cell] {
	return func(yield func(uint32, aggregate.Cell) bool) {
		for i, pg := range f.pages {
			if pg == nil {
				continue
			}
			for j := range pageSlots {
				if pg.words[j*p.Words] != 0 && !yield(uint32(i*pageSlots+j), pg.cell(p, j)) {
					return
				}
			}
		}
	}
}

// merge adds all cells of o, and returns how many histograms lost bounds.
func (f *frame) merge(p *aggregate.Plan, o *frame, maxBuckets int) (coarsened int) {
	for slot, c := range o.cells(p) {
		if f.cell(p, slot).Merge(c, maxBuckets) {
			coarsened++
		}
	}
	return coarsened
}

// pick returns a copy of some cells.
func (f *frame) pick(p *aggregate.Plan, slots iter.Seq[uint32], maxBuckets int) (out frame) {
	for slot := range slots {
		if f.has(p, slot) {
			out.cell(p, slot).Merge(f.cell(p, slot), maxBuckets)
		}
	}
	return out
}

// clear empties the cell of a slot, which must exist.
func (f *frame) clear(p *aggregate.Plan, slot uint32) {
	pg, i := f.pages[slot/pageSlots], int(slot%pageSlots)
	clear(pg.words[i*p.Words : (i+1)*p.Words])
	if pg.sketches != nil {
		pg.sketches[i] = sketch.Sketch{}
	}
	if pg.buckets != nil {
		pg.buckets[i] = datapoint.Histogram{}
	}
}
