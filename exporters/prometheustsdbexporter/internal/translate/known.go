package translate

import "github.com/prometheus/prometheus/model/labels"

// maxKnown is how many series' labels a converter remembers, each in the slot given by its hash; a power of two. It takes 16 bytes a slot
// plus the labels.
const maxKnown = 1 << 14

// known remembers labels of series, so that the labels of a series' next sample need no memory and compare fast: they are the same string.
// The zero value is empty; it is for one goroutine.
type known struct{ at []labels.Labels }

// of returns ls, whose hash is hash, in permanent memory. It compares ls with the remembered labels, so two series with the same hash stay
// distinct.
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
