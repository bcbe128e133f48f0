package worker

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/penstockhq/penstock/internal/delivery"
)

var (
	_ delivery.Log   = (*Bounded)(nil)
	_ delivery.Clock = (*Clock)(nil)
)

// Clock is the wall clock until the end of a job's range, and then [delivery.Unbounded]: all windows and panes close.
type Clock struct{ ended atomic.Bool }

// Now implements delivery.Clock.
func (c *Clock) Now() time.Time {
	if c.ended.Load() {
		return delivery.Unbounded()
	}
	return time.Now()
}

// Wait implements delivery.Clock.
func (c *Clock) Wait(ctx context.Context, d time.Duration) error { return Wait(ctx, d) }

// Wait returns after d, or with ctx's error.
func Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Bounded is a range of offsets of a partition. At its end the worker reads the wall clock once (from which components measure), then the
// end of time once, and then done is called. While a range is delivered, the next one is read.
type Bounded struct {
	Log         *Log
	First, Next int64
	// Began is the beginning of the range: streams that started later are new in it.
	Began time.Time
	Clock *Clock
	// Done is called when everything was delivered, closed and sent.
	Done func()

	looks int
	next  chan read // receives the range that is being read ahead; nil: none is
	from  int64     // offset where that range begins
}

type read struct {
	r   delivery.Range
	err error
}

// Close waits until reading has ended. The context of Read must have ended, or Source's StopWaiting must have been called.
func (b *Bounded) Close() {
	if b.next != nil {
		<-b.next
		b.next = nil
	}
}

// Start implements delivery.Log. Read finds out what retention has deleted of the range.
func (b *Bounded) Start(context.Context) (int64, time.Time, error) {
	b.Close()
	b.looks = 0
	b.Clock.ended.Store(false)
	return b.First, b.Began, nil
}

// End implements delivery.Log.
func (b *Bounded) End(context.Context) (int64, error) { return b.Next, nil }

// Read implements delivery.Log.
func (b *Bounded) Read(ctx context.Context, from int64) (delivery.Range, error) {
	if from >= b.Next {
		b.looks++
		switch b.looks {
		case 1:
		case 2:
			b.Clock.ended.Store(true)
		default:
			b.Done()
		}
		return delivery.Range{Bounds: delivery.Bounds{First: from, Next: from}, AtEnd: true}, nil
	}
	got := b.read(ctx, from)
	if got.err != nil || (got.r.AtEnd && got.r.Next == from) {
		// The range was in the log when the job was created: if the log ends before it, the log has lost its end, and waiting is useless.
		if end, err := b.Log.End(ctx); err == nil && end <= from {
			return delivery.Range{Bounds: delivery.Bounds{First: b.Next, Next: b.Next}}, nil
		}
	}
	if got.err != nil {
		return got.r, got.err
	}
	r := b.cut(got.r)
	if r.Next < b.Next {
		b.next, b.from = make(chan read, 1), r.Next
		go func(next chan<- read, from int64) {
			r, err := b.Log.Read(ctx, from)
			next <- read{r, err}
		}(b.next, b.from)
	}
	return r, nil
}

// read returns the range that was read ahead, if it begins at from.
func (b *Bounded) read(ctx context.Context, from int64) read {
	if b.next != nil {
		got := <-b.next
		b.next = nil
		if b.from == from {
			return got
		}
	}
	r, err := b.Log.Read(ctx, from)
	return read{r, err}
}

// ReadExactly implements delivery.Log.
func (b *Bounded) ReadExactly(ctx context.Context, bounds delivery.Bounds) (delivery.Range, error) {
	b.Close()
	return b.Log.ReadExactly(ctx, bounds)
}

// Topic implements delivery.Log.
func (b *Bounded) Topic(ctx context.Context) (delivery.TopicID, error) { return b.Log.Topic(ctx) }

// Look implements delivery.Log.
func (b *Bounded) Look(ctx context.Context, offset int64) (delivery.Anchor, bool, error) {
	b.Close()
	return b.Log.Look(ctx, offset)
}

func (b *Bounded) cut(r delivery.Range) delivery.Range {
	r.AtEnd = false
	r.First, r.Next = min(r.First, b.Next), min(r.Next, b.Next)
	for len(r.Records) > 0 && r.Records[len(r.Records)-1].Offset >= b.Next {
		r.Records = r.Records[:len(r.Records)-1]
	}
	return r
}
