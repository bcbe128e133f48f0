// Package outage decides when to report that something does not answer: a sink, a broker, a gateway. It reports once after an outage has lasted for
// a while, again in intervals, and once at the end.
package outage

import (
	"sync"
	"time"
)

// Grace is how long an outage may last before a component's status shows it: one that a retry ends does not count.
const Grace = 5 * time.Second

// Watch observes one destination. Attempts to reach it may run concurrently: any success ends the outage. It is safe for concurrent use, starts
// nothing and gets the time from its callers.
type Watch struct {
	after, every time.Duration

	mu       sync.Mutex
	since    time.Time // guarded by mu; zero: no outage
	reported time.Time // guarded by mu; the last report of Due, zero: not in this outage
	cause    error     // guarded by mu; of the latest attempt
}

// Outage is one period without an answer.
type Outage struct {
	// Since is when the first attempt failed.
	Since time.Time
	// Lasted is the time from Since until now.
	Lasted time.Duration
	// Cause is why the latest attempt failed.
	Cause error
	// First is set the first time that [Watch.Due] reports this outage.
	First bool
}

// New returns a Watch that reports an outage once it has lasted for after (0: at once), and again in intervals of every.
func New(after, every time.Duration) *Watch { return &Watch{after: after, every: every} }

// Failed records a failed attempt.
func (w *Watch) Failed(now time.Time, cause error) { w.FailedSince(now, cause) }

// FailedSince records that an attempt that began at since has failed, or has no answer yet. An outage begins with the earliest one; a known one
// continues.
func (w *Watch) FailedSince(since time.Time, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since.IsZero() {
		w.since = since
	}
	w.cause = cause
}

// Worked records a successful attempt. It returns the outage that ends with it; reported says whether Due has reported it.
func (w *Watch) Worked(now time.Time) (over Outage, reported bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since.IsZero() {
		return Outage{}, false
	}
	over, reported = w.at(now), !w.reported.IsZero()
	w.since, w.reported, w.cause = time.Time{}, time.Time{}, nil
	return over, reported
}

// Due returns the outage if it is time to report it.
func (w *Watch) Due(now time.Time) (Outage, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since.IsZero() || now.Sub(w.since) < w.after || (!w.reported.IsZero() && now.Sub(w.reported) < w.every) {
		return Outage{}, false
	}
	o := w.at(now)
	o.First = w.reported.IsZero()
	w.reported = now
	return o, true
}

// Now returns the present outage, if it has lasted for at least d.
func (w *Watch) Now(now time.Time, d time.Duration) (Outage, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since.IsZero() || now.Sub(w.since) < d {
		return Outage{}, false
	}
	return w.at(now), true
}

func (w *Watch) at(now time.Time) Outage {
	return Outage{Since: w.since, Lasted: now.Sub(w.since), Cause: w.cause}
}

// Lines prevents components with the same outage from reporting it separately. It is safe for concurrent use. Memory: one entry for each key, so
// keys come from the configuration.
type Lines struct {
	mu   sync.Mutex
	last map[string]time.Time // guarded by mu
}

// Allow reports whether nothing was allowed under key in the last every; then the caller writes its line.
func (l *Lines) Allow(key string, now time.Time, every time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, ok := l.last[key]; ok && now.Sub(last) < every {
		return false
	}
	if l.last == nil {
		l.last = map[string]time.Time{}
	}
	l.last[key] = now
	return true
}
