package gate

import (
	"context"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// share is the part of the CPUs that all queries together get while they would slow what comes in. With a tenth, rows that come in as fast as they can
	// lost 14 % to them: what queries allocate and what they displace from caches costs ingest too.
	share = 0.06
	// calmAfter is how long nothing may have waited for a CPU before queries run freely again.
	calmAfter = 2 * time.Second
	// lookEvery is the pause between two looks at how long goroutines wait, and between two tries of a query that waits for its turn.
	lookEvery = 50 * time.Millisecond
	// contended is how long goroutines wait for a CPU, on average, when there is too much to do.
	contended = 200 * time.Microsecond
)

// Pace lets queries run one by one, and for a small share of the CPUs' time, while rows come in and the process has more to do than CPUs to do it with. At
// other times it does nothing. Go has no priorities for goroutines, and the engine's readers can't be stopped within a query, so the pace is kept between
// queries: a long one takes its share at once, and the next waits for as long as that lasts, within a bound. Safe for concurrent use.
type Pace struct {
	busy    func() bool
	readers int
	longest time.Duration

	mu      sync.Mutex
	running int           // guarded by mu
	owed    time.Duration // guarded by mu; CPU time that queries had, at the most, beyond their share
	paid    time.Time     // guarded by mu; until when owed was reduced
	last    time.Time     // guarded by mu; when it was busy last
}

// NewPace returns a pace; busy says whether there is something to give way to, readers is how many goroutines read for one query. longest is how long
// the next query waits at the most for what those before it had beyond their share: without it a few that are expensive keep all others out.
func NewPace(busy func() bool, readers int, longest time.Duration) *Pace {
	return &Pace{busy: busy, readers: readers, longest: longest}
}

// shareOf is the CPU time that queries have within d.
func shareOf(d time.Duration) time.Duration {
	return time.Duration(float64(d) * share * float64(runtime.GOMAXPROCS(0)))
}

// enter returns when it is a query's turn, or with ctx's error. leave ends the query.
func (p *Pace) enter(ctx context.Context) (leave func(), err error) {
	for !p.turn(time.Now()) {
		timer := time.NewTimer(lookEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
	began := time.Now()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.running--
		p.pay(time.Now())
		p.owed = min(p.owed+time.Since(began)*time.Duration(p.readers), shareOf(p.longest))
	}, nil
}

// Calm says whether there was nothing to give way to for a while, so that a query may use all CPUs.
func (p *Pace) Calm() bool {
	now, busy := time.Now(), p.busy()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calmLocked(now, busy)
}

func (p *Pace) calmLocked(now time.Time, busy bool) bool {
	if busy {
		p.last = now
	}
	return now.Sub(p.last) >= calmAfter
}

func (p *Pace) turn(now time.Time) bool {
	busy := p.busy()
	p.mu.Lock()
	defer p.mu.Unlock()
	calm := p.calmLocked(now, busy)
	if calm {
		p.owed = 0
	}
	p.pay(now)
	if !calm && (p.running > 0 || p.owed > 0) {
		return false
	}
	p.running++
	return true
}

// pay takes off what queries may have had since it was called last. p.mu is held.
func (p *Pace) pay(now time.Time) {
	if !p.paid.IsZero() {
		p.owed = max(0, p.owed-shareOf(now.Sub(p.paid)))
	}
	p.paid = now
}

// Contention tells whether goroutines of the process wait for a CPU. Safe for concurrent use.
type Contention struct {
	mu     sync.Mutex
	looked time.Time        // guarded by mu
	sample []metrics.Sample // guarded by mu
	counts []uint64         // guarded by mu; of the look before
	answer bool             // guarded by mu
}

// NewContention returns what tells it.
func NewContention() *Contention {
	return &Contention{sample: []metrics.Sample{{Name: "/sched/latencies:seconds"}}}
}

// Now says whether goroutines waited since the look before, which is lookEvery ago at least.
func (c *Contention) Now() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.looked) < lookEvery {
		return c.answer
	}
	c.looked = now
	metrics.Read(c.sample)
	if c.sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return false
	}
	h := c.sample[0].Value.Float64Histogram()
	if c.counts == nil {
		c.counts = append(c.counts, h.Counts...)
		return false
	}
	n, waited := uint64(0), 0.0
	for i, count := range h.Counts {
		if since := count - c.counts[i]; since > 0 && i > 0 { // the first bucket begins at -Inf
			n += since
			waited += float64(since) * h.Buckets[i]
		}
	}
	copy(c.counts, h.Counts)
	c.answer = n > 0 && waited/float64(n) > contended.Seconds()
	return c.answer
}
