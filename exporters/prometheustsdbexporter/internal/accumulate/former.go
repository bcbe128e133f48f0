package accumulate

// formerStream is a total of versions 1 and 2, which kept one per stream. It becomes the total of the series of the first stream that has
// a point; the totals of the series' other streams are discarded, because the series would jump.
type formerStream[V any] struct {
	start, last int64
	value       V
}

// decodeFormer reads a table of version 1 or 2: the number of streams, then each stream's key, start, last, in version 2 the
// number of recent times and how far each lies before last, and value.
func decodeFormer[V any](d *decoder, f *family[V]) {
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		key := d.key()
		s := formerStream[V]{start: d.Varint(), last: d.Varint()}
		if d.version > 1 {
			for recent := d.Varint(); recent > 0 && d.Err() == nil; recent-- {
				d.Varint()
			}
		}
		s.value = decodeValue(d, f)
		if d.Err() == nil {
			f.former[key] = s
		}
	}
}
