package logrules

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
)

const (
	// retryEvery is the pause before an evaluation that could not run yet is tried again.
	retryEvery = time.Second
	// waitShare bounds how long an evaluation waits for rows that are still to come: this part of what may be caught up.
	waitShare = 2
)

// Reason is why an evaluation recorded nothing.
type Reason string

// The reasons. NotReady alone is temporary: the evaluation is tried again.
const (
	BadQuery        Reason = "bad_query"        // the engine refuses the query, or it needs too much memory
	DuplicateSeries Reason = "duplicate_series" // two results have the same labels
	MaxRead         Reason = "max_read"
	MaxSeries       Reason = "max_series"
	Missed          Reason = "missed" // older than what is caught up
	NotANumber      Reason = "not_a_number"
	NotReady        Reason = "not_ready"
	Refused         Reason = "refused" // by the storage of the samples
	Timeout         Reason = "timeout"
)

// Error is why an evaluation failed.
type Error struct {
	Reason Reason
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Sample is a value of a recorded series.
type Sample struct {
	Labels labels.Labels
	Value  float64
}

// Settings of a runner. All but Behind are required.
type Settings struct {
	Rules []Rule
	// Delay is how long after an evaluation's time it runs.
	Delay time.Duration
	// CatchUp is how old an evaluation may be that is made up for: older ones are missed.
	CatchUp time.Duration
	// State is the path of a file that says which evaluations are done.
	State string
	// Evaluate returns the samples of a rule at a time. Its error is an *Error, or ctx's.
	Evaluate func(ctx context.Context, r *Rule, at time.Time) ([]Sample, error)
	// Record writes samples, all or none. Its error is an *Error, or ctx's.
	Record func(ctx context.Context, at time.Time, samples []Sample) error
	// Sync returns when all is durable that was recorded since the last call. After an error that is evaluated again.
	Sync func(ctx context.Context) error
	// Behind is how far the rows that are searchable lag behind those that came; nil: they don't.
	Behind func(now time.Time) time.Duration
	// Recorded and Failed count; Failed is called with the number of
	// evaluations that recorded nothing for ever, 0 for one that is tried again, and whether the rule recorded before.
	Recorded func(r *Rule, samples int)
	Failed   func(r *Rule, err *Error, evaluations int64, first bool)
	// Unsaved is called when the file of the state can't be written.
	Unsaved func(error)
}

// Status is how a rule does.
type Status struct {
	Rule *Rule
	// Next is the time that is evaluated next.
	Next time.Time
	// Evaluated is when the last evaluation ended; zero: there was none.
	Evaluated time.Time
	// Took is how long that evaluation took, and Series how many series it recorded.
	Took   time.Duration
	Series int
	// Failure is why the last evaluation recorded nothing; nil: it did record.
	Failure error
	// Missing counts the evaluations of this process that recorded nothing, for ever.
	Missing int64
}

// Runner evaluates rules, one at a time. Its methods are safe for concurrent use.
type Runner struct {
	set   Settings
	units []*unit
}

// unit is a rule with its state. Run alone writes it; mu is for Status.
type unit struct {
	rule    Rule
	done    time.Time // what is durable: evaluations before it
	again   time.Time // when to look next
	resumed bool      // there may be series of before, which previous doesn't have
	// previous are the series of the last evaluation, by their labels: one that is gone gets a marker of staleness.
	previous map[string]labels.Labels

	mu     sync.Mutex
	status Status // guarded by mu
}

// New returns a runner. A rule that has no state begins with the first time after now.
func New(set Settings, now time.Time) (*Runner, error) {
	kept, err := readState(set.State)
	if err != nil {
		return nil, err
	}
	if set.Behind == nil {
		set.Behind = func(time.Time) time.Duration { return 0 }
	}
	r := &Runner{set: set}
	for _, rule := range set.Rules {
		u := &unit{rule: rule, done: after(now, rule.Interval)}
		if next, ok := kept[rule.key()]; ok {
			u.done, u.resumed = next, true
		}
		u.status = Status{Rule: &u.rule, Next: u.done}
		r.units = append(r.units, u)
	}
	return r, nil
}

// after returns the first multiple of the interval that lies behind t.
func after(t time.Time, interval time.Duration) time.Time {
	n := t.UnixNano()
	return time.Unix(0, n-n%int64(interval)+int64(interval))
}

// Status returns how the rules do, in their order.
func (r *Runner) Status() []Status {
	all := make([]Status, len(r.units))
	for i, u := range r.units {
		u.mu.Lock()
		all[i] = u.status
		u.mu.Unlock()
	}
	return all
}

// Run evaluates until ctx ends.
func (r *Runner) Run(ctx context.Context) {
	for ctx.Err() == nil {
		r.pass(ctx, time.Now)
		wait := time.Hour
		now := time.Now()
		for _, u := range r.units {
			wait = min(wait, max(0, u.again.Sub(now)))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// pass evaluates what is due, makes it durable and saves that it is done.
func (r *Runner) pass(ctx context.Context, clock func() time.Time) {
	recorded := false
	for _, u := range r.units {
		if now := clock(); ctx.Err() == nil && !now.Before(u.again) {
			recorded = r.step(ctx, u, now) || recorded
		}
	}
	if !recorded || ctx.Err() != nil {
		return
	}
	if err := r.set.Sync(ctx); err != nil {
		for _, u := range r.units {
			u.rewind(err, clock())
		}
		return
	}
	next := make(map[string]time.Time, len(r.units))
	for _, u := range r.units {
		u.done = u.next()
		next[u.rule.key()] = u.done
	}
	// Without the file a start evaluates again what is recorded. The storage of the samples takes them again.
	if err := writeState(r.set.State, next); err != nil {
		r.set.Unsaved(err)
	}
}

// step evaluates a rule once if it is due, and says when to look again. moved: there is something to save.
func (r *Runner) step(ctx context.Context, u *unit, now time.Time) (moved bool) {
	at := u.next()
	if oldest := now.Add(-r.set.CatchUp); at.Before(oldest) {
		first := after(oldest, u.rule.Interval)
		n := int64(first.Sub(at) / u.rule.Interval)
		u.move(first)
		r.fail(u, n, &Error{Missed, fmt.Errorf("%d evaluations from %s to %s are older than rules::catch_up (%s)", n, at.UTC().Format(time.RFC3339), first.UTC().Format(time.RFC3339), r.set.CatchUp)})
		at, moved = first, true
	}
	due := at.Add(r.set.Delay)
	if now.Before(due) {
		u.again = due
		return moved
	}
	// Rows that came by then are still on their way, and there is time to wait for them.
	if behind := r.set.Behind(now); now.Add(-behind).Before(due) && now.Sub(at) < r.set.CatchUp/waitShare {
		u.again = now.Add(retryEvery)
		return moved
	}
	began := time.Now()
	n, err := r.evaluate(ctx, u, at)
	u.mu.Lock()
	u.status.Evaluated, u.status.Took = now, time.Since(began)
	u.mu.Unlock()
	if ctx.Err() != nil {
		return moved
	}
	var why *Error
	switch {
	case err == nil:
		u.succeed(n)
		r.set.Recorded(&u.rule, n)
	case !errors.As(err, &why):
		why = &Error{Refused, err}
		fallthrough
	case why.Reason != NotReady:
		r.fail(u, 1, why)
	default:
		r.fail(u, 0, why)
		u.again = now.Add(retryEvery)
		return moved
	}
	u.move(at.Add(u.rule.Interval))
	u.again = u.next().Add(r.set.Delay)
	return true
}

// evaluate records a rule at a time, and says how many series it has.
func (r *Runner) evaluate(ctx context.Context, u *unit, at time.Time) (int, error) {
	if u.resumed { // which series there were is not on disk
		before, err := r.query(ctx, u, at.Add(-u.rule.Interval))
		if why := new(Error); errors.As(err, &why) && why.Reason == NotReady {
			return 0, err
		}
		u.previous, u.resumed = before, false
	}
	var samples []Sample
	now := make(map[string]labels.Labels)
	all, err := r.samples(ctx, u, at)
	if err != nil {
		return 0, err
	}
	for _, s := range all {
		key := string(s.Labels.Bytes(nil))
		if _, twice := now[key]; twice {
			return 0, &Error{DuplicateSeries, fmt.Errorf("two results have the labels %s", s.Labels)}
		}
		now[key] = s.Labels
	}
	samples = all
	for key, ls := range u.previous {
		if _, ok := now[key]; !ok {
			samples = append(samples, Sample{ls, math.Float64frombits(value.StaleNaN)})
		}
	}
	if len(samples) > 0 {
		if err := r.set.Record(ctx, at, samples); err != nil {
			return 0, err
		}
	}
	u.previous = now
	return len(now), nil
}

func (r *Runner) query(ctx context.Context, u *unit, at time.Time) (map[string]labels.Labels, error) {
	all, err := r.samples(ctx, u, at)
	series := make(map[string]labels.Labels, len(all))
	for _, s := range all {
		series[string(s.Labels.Bytes(nil))] = s.Labels
	}
	return series, err
}

func (r *Runner) samples(ctx context.Context, u *unit, at time.Time) ([]Sample, error) {
	limited, cancel := context.WithTimeout(ctx, u.rule.Timeout)
	defer cancel()
	all, err := r.set.Evaluate(limited, &u.rule, at)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, &Error{Timeout, fmt.Errorf("the evaluation took longer than %s (timeout of the group, rules::timeout)", u.rule.Timeout)}
	}
	return all, err
}

// fail counts n evaluations that recorded nothing.
func (r *Runner) fail(u *unit, n int64, why *Error) {
	u.mu.Lock()
	first := u.status.Failure == nil
	u.status.Failure, u.status.Series = why, 0
	u.status.Missing += n
	u.mu.Unlock()
	r.set.Failed(&u.rule, why, n, first)
}

func (u *unit) succeed(series int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status.Failure, u.status.Series = nil, series
}

func (u *unit) next() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status.Next
}

func (u *unit) move(next time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status.Next = next
}

// rewind goes back to what is durable.
func (u *unit) rewind(why error, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.status.Next.Equal(u.done) {
		return
	}
	u.status.Next, u.status.Failure = u.done, why
	u.previous, u.resumed = nil, true
	u.again = now.Add(retryEvery)
}
