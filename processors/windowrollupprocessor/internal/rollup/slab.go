package rollup

// slabPage is the number of neighbours in one piece of memory.
const slabPage = 64

// slab is a list that grows without moving its elements, and so without temporary double memory. The zero value is empty.
type slab[T any] struct {
	pages []*[slabPage]T
	n     uint32
}

// at returns the element i, which must exist. The pointer is valid until the element is dropped.
func (s *slab[T]) at(i uint32) *T { return &s.pages[i/slabPage][i%slabPage] }

// grow appends a zero element and returns its position.
func (s *slab[T]) grow() uint32 {
	if s.n == uint32(len(s.pages))*slabPage {
		s.pages = append(s.pages, new([slabPage]T))
	}
	s.n++
	return s.n - 1
}

// drop removes the last element.
func (s *slab[T]) drop() {
	s.n--
	var zero T
	*s.at(s.n) = zero
	if s.n%slabPage == 0 {
		s.pages[s.n/slabPage] = nil
		s.pages = s.pages[:s.n/slabPage]
	}
}
