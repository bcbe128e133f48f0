package store

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

const (
	// concurrentAdds is how many additions run side by side. Each has a buffer of its own: while one is handed over, another is filled.
	concurrentAdds = 2
	// bufferShare is the part of the memory for caches that the rows of a buffer may have, as JSON: 4 MiB of 256. The engine makes a part of rows that
	// are handed over at once, and merges parts again and again; it gathers 1.7 MiB by itself. Twice as many bytes save another tenth of the CPU time,
	// and cost twice the memory: LogRows and the engine's copy of them take four to ten times a buffer's bytes, garbage included.
	bufferShare = 64
	// maxBufferAge is how long rows wait for others.
	maxBufferAge = time.Second
)

// buffer gathers rows of several additions. It is used by one goroutine at a time.
type buffer struct {
	rows  *logstorage.LogRows
	size  int       // as JSON
	since time.Time // when it got the first row
}

// due says whether its rows are to go to the engine now. An addition asks at its end: when the time was over, it had the buffer, perhaps.
func (b *buffer) due(most int) bool {
	return b.size >= most || b.size > 0 && time.Since(b.since) >= maxBufferAge
}

// buffers are those of a store.
type buffers struct {
	most int           // bytes that a buffer holds, about
	rows atomic.Int64  // in all buffers
	used chan struct{} // has an entry for each addition

	mu    sync.Mutex
	free  []*buffer   // guarded by mu; those that nobody adds to, the last used one at the end
	timer *time.Timer // guarded by mu; nil: no buffer is free
}

func newBuffers(memory int64) *buffers {
	return &buffers{most: int(memory / bufferShare), used: make(chan struct{}, concurrentAdds)}
}

// enter begins an addition. It waits while there are as many additions as may be, and returns ctx's error if that ends first.
func (b *buffers) enter(ctx context.Context) error {
	select {
	case b.used <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take returns a buffer for an addition that has begun. It may have rows of earlier ones, which a flush must find: adding of the store is held from
// before take until after put.
func (b *buffers) take(streamFields []string) *buffer {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.free); n > 0 {
		one := b.free[n-1]
		b.free = b.free[:n-1]
		return one
	}
	return &buffer{rows: logstorage.GetLogRows(streamFields, nil, nil, nil, "")}
}

// put gives a buffer back and ends the addition. expire is called maxBufferAge after the first one.
func (b *buffers) put(one *buffer, expire func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, one)
	<-b.used
	if b.timer == nil {
		b.timer = time.AfterFunc(maxBufferAge, expire)
	}
}

// drain returns the buffers that nobody adds to, so that their rows go to the engine.
func (b *buffers) drain() []*buffer {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	all := b.free
	b.free = nil
	return all
}

// handOver gives the engine the rows that additions have left. s.adding is held: for writing, all rows are in the engine afterwards.
func (s *Store) handOver() {
	for _, b := range s.buffers.drain() {
		s.flushBuffer(b)
		logstorage.PutLogRows(b.rows)
	}
}

// flushBuffer gives the engine a buffer's rows.
func (s *Store) flushBuffer(b *buffer) {
	if b.size == 0 {
		return
	}
	s.engine.MustAddRows(b.rows)
	s.buffers.rows.Add(-int64(b.rows.RowsCount()))
	b.rows.ResetKeepSettings()
	b.size = 0
}

// expire hands rows over that have waited long enough, and makes the engine wait no longer either.
func (s *Store) expire() {
	_, done, err := s.use(context.Background())
	if err != nil {
		return // Close hands them over
	}
	defer done()
	s.adding.RLock()
	defer s.adding.RUnlock()
	s.handOver()
	s.engine.DebugFlush()
}

// settleBuffers returns when the engine has all rows that were added before.
func (s *Store) settleBuffers() {
	s.adding.Lock()
	defer s.adding.Unlock()
	s.handOver()
}
