package translate

import (
	"slices"
	"sync"
)

// shapes remembers the bounds of histograms and the quantiles of summaries, so that the last point of one, which may have none, ends all
// its series. It holds max at most, in two generations: a shape that is not used while max/2 others are is forgotten. About 50 bytes each,
// plus the numbers unless neighbours share them. Safe for concurrent use.
type shapes struct {
	max int

	mu          sync.Mutex
	now, before map[uint64][]float64 // guarded by mu, by the hash of the _count series
	last        []float64            // guarded by mu; the newest numbers: most histograms share their bounds
}

// numbers is a slice of bounds or quantiles.
type numbers interface {
	Len() int
	At(int) float64
}

func equal[N numbers](a []float64, b N) bool {
	if len(a) != b.Len() {
		return false
	}
	for i, v := range a {
		if v != b.At(i) {
			return false
		}
	}
	return true
}

// note remembers the shape of key. It is a function, not a method, so that shape is not allocated.
func note[N numbers](s *shapes, key uint64, shape N) {
	if s.max == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.now[key]; ok && equal(known, shape) {
		return
	}
	if len(s.now) >= max(s.max/2, 1) || s.now == nil {
		s.now, s.before = make(map[uint64][]float64), s.now
	}
	if known, ok := s.before[key]; ok && equal(known, shape) {
		s.now[key] = known
		return
	}
	if !equal(s.last, shape) {
		s.last = make([]float64, shape.Len())
		for i := range s.last {
			s.last[i] = shape.At(i)
		}
	}
	s.now[key] = s.last
}

// missing returns the numbers of key's shape that are not in told. The result must not be changed.
func missing[N numbers](s *shapes, key uint64, told N) (rest []float64) {
	s.mu.Lock()
	known, ok := s.now[key]
	if !ok {
		known = s.before[key]
	}
	s.mu.Unlock()
	if told.Len() == 0 {
		return known
	}
	all := make([]float64, told.Len())
	for i := range all {
		all[i] = told.At(i)
	}
	for _, v := range known {
		if !slices.Contains(all, v) {
			rest = append(rest, v)
		}
	}
	return rest
}

// quantiles returns the quantiles of a summary.
type quantiles struct {
	len int
	at  func(int) float64
}

func (q quantiles) Len() int         { return q.len }
func (q quantiles) At(i int) float64 { return q.at(i) }
