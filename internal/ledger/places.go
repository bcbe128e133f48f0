package ledger

import "slices"

// fewPlaces is up to how many keys are looked through, which takes less than a map.
const fewPlaces = 16

// Places numbers keys from 0 in the order in which they come first. A request has one or two hours as a rule, and that of a hostile client as many as it has
// items: each takes a constant time. The zero value is ready.
type Places[K comparable] struct {
	keys []K
	of   map[K]int // nil: there are few
}

// Of returns the number of a key, and whether the key is new.
func (p *Places[K]) Of(key K) (place int, added bool) {
	if p.of == nil {
		place = slices.Index(p.keys, key)
	} else if known, ok := p.of[key]; ok {
		place = known
	} else {
		place = -1
	}
	if place >= 0 {
		return place, false
	}
	p.keys = append(p.keys, key)
	switch {
	case p.of != nil:
		p.of[key] = len(p.keys) - 1
	case len(p.keys) > fewPlaces:
		p.of = make(map[K]int, 2*len(p.keys))
		for i, k := range p.keys {
			p.of[k] = i
		}
	}
	return len(p.keys) - 1, true
}
