// Package collapse keeps one sample for each series and millisecond of a batch: a series has one value at a time, and a storage that
// refuses a sample on commit does not report it.
package collapse

import (
	"math/bits"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
)

// Table is reusable memory for one batch at a time: 8 to 16 bytes per sample of the largest. The zero value is ready. Not safe for
// concurrent use.
type Table struct {
	slots []int32 // positions of samples, from 1; 0: free. Its length is a power of two, at least twice the samples
}

// Samples removes from samples, in place, those with the same series, time and stream as another one. Within a record of the journal the
// last sample is kept, at the position of the first; between records the first is. dropped is the number of removed samples, and points
// the number of their data points. Two streams that become one series are not changed: that is a collision.
func (t *Table) Samples(samples []sample.Sample) (kept []sample.Sample, dropped, points int) {
	t.reset(len(samples))
	mask := len(t.slots) - 1
	n := 0
	last := int32(0) // the point of the last removed sample: the samples of a point are adjacent
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
