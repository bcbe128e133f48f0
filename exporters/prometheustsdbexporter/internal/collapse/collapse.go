// Package collapse leaves one sample for each series and millisecond of a batch: a series has one value at a time, and what a
// storage refuses when it commits, nobody hears of.
package collapse

import (
	"math/bits"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
)

// Table is the memory for one batch at a time: 8 to 16 bytes a sample of the largest. The zero value is ready. Not safe for
// concurrent use.
type Table struct {
	slots []int32 // places of samples, from 1; 0: free. A power of two, at least twice the samples
}

// Samples takes out of samples, in place, what has the series, time and stream of another one. Within a record of the journal
// the last stays, in the place of the first; between records the first does. dropped is how many went, and points how many
// data points they were of. Two streams that become one series are left alone: that is a collision.
func (t *Table) Samples(samples []sample.Sample) (kept []sample.Sample, dropped, points int) {
	t.reset(len(samples))
	mask := len(t.slots) - 1
	n := 0
	last := int32(0) // the point of the latest that went: the samples of a point stand together
	for i := range samples {
		x := &samples[i]
		at := int((x.Hash^uint64(x.Time))*0x9E3779B97F4A7C15>>32) & mask
		twin := -1
		for ; t.slots[at] != 0; at = (at + 1) & mask {
			if y := &samples[t.slots[at]-1]; same(x, y) {
				twin = int(t.slots[at]) - 1
				break
			}
		}
		if twin >= 0 {
			if x.Point != last {
				points, last = points+1, x.Point
			}
			if samples[twin].Record == x.Record {
				samples[twin] = *x
			}
			continue
		}
		if n < i {
			samples[n] = *x
		}
		n++
		t.slots[at] = int32(n)
	}
	return samples[:n], len(samples) - n, points
}

func same(x, y *sample.Sample) bool {
	return x.Hash == y.Hash && x.Time == y.Time && x.Stream == y.Stream && labels.Equal(x.Labels, y.Labels)
}

// reset makes room for n samples.
func (t *Table) reset(n int) {
	size := 1 << bits.Len(uint(max(2*n, 1)))
	if size > cap(t.slots) {
		t.slots = make([]int32, size)
		return
	}
	t.slots = t.slots[:size]
	clear(t.slots)
}
