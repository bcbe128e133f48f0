package nestinglimitextension

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"google.golang.org/grpc/mem"

	"github.com/penstockhq/penstock/internal/inflight"
)

// meteredPool counts the bytes of messages that are arriving, decompressed or decoded. grpc allocates memory for each piece of an arriving message
// and can't be refused any, so at the bound the extension ends calls.
type meteredPool struct {
	pool     mem.BufferPool
	capacity int64
	readers  *inflight.Readers
	used     atomic.Int64

	mu  sync.Mutex
	out map[weak.Pointer[[]byte]]usedBuffer // guarded by mu; buffers in use
}

// usedBuffer is a buffer in use.
type usedBuffer struct {
	buffer  *[]byte
	size    int64
	cleanup runtime.Cleanup
}

var _ mem.BufferPool = (*meteredPool)(nil)

func newMeteredPool(capacity int64, readers *inflight.Readers) *meteredPool {
	return &meteredPool{pool: mem.DefaultBufferPool(), capacity: capacity, readers: readers, out: map[weak.Pointer[[]byte]]usedBuffer{}}
}

// Get returns a buffer. Small ones are not counted: grpc does not give them back.
func (p *meteredPool) Get(n int) *[]byte {
	b := p.pool.Get(n)
	if mem.IsBelowBufferPoolingThreshold(cap(*b)) {
		return b
	}
	handle := new([]byte)
	*handle = *b
	key, l := weak.Make(handle), usedBuffer{buffer: b, size: int64(cap(*b))}
	// grpc does not return the buffers of a stream that is reset. The garbage collector notices them.
	l.cleanup = runtime.AddCleanup(handle, func(key weak.Pointer[[]byte]) { p.take(key) }, key)
	p.mu.Lock()
	p.out[key] = l
	p.mu.Unlock()
	if p.used.Add(l.size) > p.capacity {
		p.makeRoom()
	}
	return handle
}

// Put takes a buffer back.
func (p *meteredPool) Put(b *[]byte) {
	l, ok := p.take(weak.Make(b))
	if !ok {
		p.pool.Put(b)
		return
	}
	l.cleanup.Stop()
	*l.buffer = *b
	p.pool.Put(l.buffer)
}

// take removes a buffer from the buffers in use.
func (p *meteredPool) take(key weak.Pointer[[]byte]) (usedBuffer, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, ok := p.out[key]
	delete(p.out, key)
	p.used.Add(-l.size)
	return l, ok
}

func (p *meteredPool) full() bool { return p.used.Load() > p.capacity }

// makeRoom ends the calls that have been arriving for long; at twice the capacity it ends all that are arriving, because clients can open any
// number of them.
func (p *meteredPool) makeRoom() {
	wait := patience
	if p.used.Load() > 2*p.capacity {
		wait = 0
	}
	p.readers.End(time.Now(), wait)
}
