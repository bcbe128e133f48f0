package rollup

import (
	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/streamkey"
)

func (r *runs) encode(w *encoder) {
	for i := range r.shards {
		sh := &r.shards[i]
		w.varint(sh.forgotten)
		w.uvarint(uint64(sh.number.len()))
		for i := range sh.number.runs.n {
			x := sh.number.runs.at(i)
			w.run(*sh.number.index.keys.at(i), x.start, x.time)
			w.b = x.value.Append(w.b)
		}
		encodeRuns(w, sh.histogram, datapoint.Histogram.Append)
		encodeRuns(w, sh.exponential, datapoint.Exponential.Append)
		encodeRuns(w, sh.summary, datapoint.Summary.Append)
	}
}

func encodeRuns[V any](w *encoder, streams map[streamkey.Key]*run[V], value func(V, []byte) []byte) {
	w.uvarint(uint64(len(streams)))
	for k, x := range streams {
		w.run(k, x.start, x.time)
		w.b = value(x.value, w.b)
	}
}

func (r *runs) decode(d *decoder) {
	n := 0
	for i := range r.shards {
		sh := &r.shards[i]
		sh.forgotten = d.varint()
		for range d.length() {
			k, start, t := d.run()
			var v datapoint.Number
			d.value(v.Decode)
			sh.number.put(k, run[datapoint.Number]{start, t, v})
		}
		decodeRuns(d, sh.histogram, (*datapoint.Histogram).Decode)
		decodeRuns(d, sh.exponential, (*datapoint.Exponential).Decode)
		decodeRuns(d, sh.summary, (*datapoint.Summary).Decode)
		n += sh.number.len() + len(sh.histogram) + len(sh.exponential) + len(sh.summary)
	}
	r.count.Store(int64(n))
}

func decodeRuns[V any](d *decoder, streams map[streamkey.Key]*run[V], value func(*V, []byte) ([]byte, error)) {
	for range d.length() {
		k, start, t := d.run()
		x := &run[V]{start: start, time: t}
		d.value(func(b []byte) ([]byte, error) { return value(&x.value, b) })
		streams[k] = x
	}
}
