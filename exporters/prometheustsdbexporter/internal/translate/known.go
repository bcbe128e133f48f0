package translate

import "github.com/prometheus/prometheus/model/labels"

// maxKnown is how many series' labels a converter remembers, each in the place that its hash names; a power of two. It takes 16 bytes a place
// beside the labels.
const maxKnown = 1 << 14

// known remembers labels of series, so that those of a series' next sample take no memory and are equal at a glance: they are one string. The zero
// value is empty; it is for one goroutine.
type known struct{ at []labels.Labels }

// of returns ls, whose hash is hash, in memory that stays as it is. ls is compared with what is remembered, so two series with one hash stay two.
func (k *known) of(ls labels.Labels, hash uint64) labels.Labels {
	if k.at == nil {
		k.at = make([]labels.Labels, maxKnown)
	}
	place := &k.at[hash%maxKnown]
	if !labels.Equal(*place, ls) {
		*place = ls.Copy()
	}
	return *place
}
