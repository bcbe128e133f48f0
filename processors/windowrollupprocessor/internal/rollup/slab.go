package rollup

// slabPage is the number of neighbours that lie in one piece of memory.
const slabPage = 64

// slab is a list that grows without moving what is in it, and so without room for as much again. The zero value is empty.
type slab[T any] struct {
	pages []*[slabPage]T
	n     uint32
}

// at returns the element i, which must be there. The pointer stays good until the element is dropped.
func (s *slab[T]) at(i uint32) *T { return &s.pages[i/slabPage][i%slabPage] }

// grow appends a zero element and returns its place.
func (s *slab[T]) grow() uint32 {
	if s.n == uint32(len(s.pages))*slabPage {
		s.pages = append(s.pages, new([slabPage]T))
	}
	s.n++
	return s.n - 1
}

// drop takes the last element away.
func (s *slab[T]) drop() {
	s.n--
	var zero T
	*s.at(s.n) = zero
	if s.n%slabPage == 0 {
		s.pages[s.n/slabPage] = nil
		s.pages = s.pages[:s.n/slabPage]
	}
}
