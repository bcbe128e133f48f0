package columnar

import (
	"math/bits"
	"sync"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

const (
	leastRecycled = 10 // binary logarithm of bytes
	mostRecycled  = 24
	// maxFree bounds the memory that waits for reuse.
	maxFree = 16 << 20
)

// recycler passes memory that an encoder has freed to the next one: otherwise each page of each column would allocate its own, in pieces of
// doubling size. Safe for concurrent use, because the library may free memory in another goroutine.
type recycler struct {
	from memory.Allocator

	mu   sync.Mutex
	free [mostRecycled + 1][][]byte // guarded by mu; by the binary logarithm of their size
	idle int                        // guarded by mu; bytes in free
}

var _ memory.Allocator = (*recycler)(nil)

func newRecycler() *recycler { return &recycler{from: memory.NewGoAllocator()} }

// class returns the binary logarithm of the size that is allocated for size bytes.
func class(size int) int { return max(leastRecycled, bits.Len(uint(max(size, 1)-1))) }

// Allocate returns size zero bytes.
func (r *recycler) Allocate(size int) []byte {
	c := class(size)
	if c > mostRecycled {
		return r.from.Allocate(size)
	}
	b := r.take(c)
	if b == nil {
		return r.from.Allocate(1 << c)[: size : 1<<c]
	}
	b = b[:size]
	clear(b)
	return b
}

// take returns free memory of a class, or nil.
func (r *recycler) take(c int) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.free[c])
	if n == 0 {
		return nil
	}
	b := r.free[c][n-1]
	r.free[c] = r.free[c][:n-1]
	r.idle -= 1 << c
	return b
}

// Reallocate returns size bytes that begin with those of b; the others are zero.
func (r *recycler) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) {
		grown := b[:size]
		clear(grown[min(len(b), size):])
		return grown
	}
	grown := r.Allocate(size)
	copy(grown, b)
	r.Free(b)
	return grown
}

// Free takes b back.
func (r *recycler) Free(b []byte) {
	size := cap(b)
	c := class(size)
	if size != 1<<c || c > mostRecycled {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.idle+size > maxFree {
		return
	}
	r.free[c] = append(r.free[c], b[:0:size])
	r.idle += size
}
