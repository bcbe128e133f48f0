package logrules_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logrules"
)

// world is what a runner talks to: values by series, and what was recorded, as "12:01 a=1". The test holds mu but while it waits.
type world struct {
	mu       sync.Mutex
	values   func(at time.Time) map[string]float64
	evaluate error // what the next evaluations end with
	syncErr  error
	behind   time.Duration
	got      []string
	failed   []string
	state    string
}

var errRefused = &logrules.Error{Reason: logrules.Refused, Err: errors.New("no")}

func (w *world) run(ctx context.Context, t *testing.T) *logrules.Runner {
	t.Helper()
	r, err := logrules.New(logrules.Settings{
		Rules: []logrules.Rule{{Group: "g", Record: "r", Expr: "e", Interval: time.Minute, Timeout: 5 * time.Second, MaxSeries: 10}},
		Delay: 10 * time.Second, CatchUp: 30 * time.Minute, State: w.state,
		Evaluate: func(ctx context.Context, _ *logrules.Rule, at time.Time) ([]logrules.Sample, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if errors.Is(w.evaluate, context.DeadlineExceeded) {
				w.mu.Unlock()
				<-ctx.Done()
				w.mu.Lock()
				return nil, ctx.Err()
			}
			if w.evaluate != nil {
				return nil, w.evaluate
			}
			var all []logrules.Sample
			for name, v := range w.values(at) {
				all = append(all, logrules.Sample{Labels: labels.FromStrings("x", name), Value: v})
			}
			return all, nil
		},
		Record: func(_ context.Context, at time.Time, all []logrules.Sample) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, s := range all {
				text := fmt.Sprint(s.Value)
				if value.IsStaleNaN(s.Value) {
					text = "stale"
				}
				w.got = append(w.got, fmt.Sprintf("%s %s=%s", at.UTC().Format("15:04"), s.Labels.Get("x"), text))
			}
			return nil
		},
		Sync: func(context.Context) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.syncErr
		},
		Behind: func(time.Time) time.Duration {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.behind
		},
		Recorded: func(*logrules.Rule, int) {},
		Failed: func(_ *logrules.Rule, err *logrules.Error, n int64, first bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.failed = append(w.failed, fmt.Sprintf("%s %d %t", err.Reason, n, first))
		},
		Unsaved: func(err error) { assert.NoError(t, err) },
	}, time.Now())
	require.NoError(t, err)
	go r.Run(ctx)
	return r
}

// in runs a test from midnight on, in a time of its own.
func in(t *testing.T, f func(t *testing.T, w *world)) {
	state := filepath.Join(t.TempDir(), "rules.json")
	synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01 00:00 UTC
		w := &world{values: func(at time.Time) map[string]float64 { return map[string]float64{"a": float64(at.Minute())} }, state: state}
		w.mu.Lock()
		defer w.mu.Unlock()
		f(t, w)
	})
}

// pass lets time pass while a runner works, and stops it.
func (w *world) pass(t *testing.T, d time.Duration, during func()) {
	ctx, cancel := context.WithCancel(t.Context())
	w.run(ctx, t)
	if during != nil {
		during()
	}
	w.wait(d)
	cancel()
	w.wait(0)
}

// wait lets time pass until the runner has done what is due.
func (w *world) wait(d time.Duration) {
	w.mu.Unlock()
	defer w.mu.Lock()
	time.Sleep(d)
	synctest.Wait()
}

func TestSamplesHaveTheTimesOfTheInterval(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.wait(90 * time.Second)
		w.pass(t, 39*time.Second, nil)
		assert.Empty(t, w.got, "rows of 00:02 may still come until 00:02:10")
		w.pass(t, 2*time.Minute+2*time.Second, nil)
		assert.Equal(t, []string{"00:03 a=3", "00:04 a=4"}, w.got, "a rule without state begins after the start")
	})
}

func TestASeriesThatIsGoneBecomesStale(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.values = func(at time.Time) map[string]float64 {
			if at.Minute() == 2 {
				return nil
			}
			return map[string]float64{"a": 1}
		}
		w.pass(t, 4*time.Minute, nil)
		assert.Equal(t, []string{"00:01 a=1", "00:02 a=stale", "00:03 a=1"}, w.got, "what isn't there is no zero")
	})
}

func TestAStopIsMadeUpFor(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.values = func(at time.Time) map[string]float64 {
			if at.Hour() > 0 || at.Minute() >= 3 {
				return map[string]float64{"b": 2}
			}
			return map[string]float64{"a": 1}
		}
		w.pass(t, 150*time.Second, nil)
		w.wait(2 * time.Minute)
		w.pass(t, time.Second, nil)
		assert.Equal(t, []string{"00:01 a=1", "00:02 a=1", "00:03 b=2", "00:03 a=stale", "00:04 b=2"}, w.got, "each once, and what was there before the stop is known")
		w.got = nil
		w.wait(2 * time.Hour)
		w.pass(t, time.Second, nil)
		assert.Equal(t, []string{"missed 90 true"}, w.failed, "from 00:05 to 01:34")
		assert.Equal(t, "01:35 b=2", w.got[0])
		assert.Len(t, w.got, 30)
	})
}

func TestWhatCanNotRunYetIsTriedAgain(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.pass(t, 100*time.Second, func() {
			w.evaluate = &logrules.Error{Reason: logrules.NotReady, Err: errors.New("opening")}
			w.wait(80 * time.Second)
			assert.Equal(t, []string{"not_ready 0 true", "not_ready 0 false"}, w.failed[:2])
			w.evaluate = nil
		})
		assert.Equal(t, []string{"00:01 a=1", "00:02 a=2"}, w.got)
	})
}

func TestAnEvaluationThatFailsLeavesAGapThatIsCounted(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.pass(t, 2*time.Minute, func() {
			w.evaluate = errRefused
			w.wait(80 * time.Second)
			w.evaluate = context.DeadlineExceeded
			w.wait(time.Minute)
			w.evaluate = nil
		})
		assert.Equal(t, []string{"refused 1 true", "timeout 1 false"}, w.failed)
		assert.Equal(t, []string{"00:03 a=3", "00:04 a=4"}, w.got)
	})
}

func TestAnEvaluationWaitsForRowsThatAreOnTheirWay(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.behind = 5 * time.Minute
		w.pass(t, 0, func() {
			w.wait(6 * time.Minute)
			assert.Empty(t, w.got, "delivery has reached 00:01:00")
			w.wait(20 * time.Second)
			assert.Equal(t, []string{"00:01 a=1"}, w.got)
			w.behind = time.Hour
			w.wait(11 * time.Minute)
			assert.Equal(t, []string{"00:01 a=1", "00:02 a=2"}, w.got, "half of catch_up is the longest wait")
		})
	})
}

func TestWhatIsNotDurableIsRecordedAgain(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.pass(t, 3*time.Second, func() {
			w.syncErr = errors.New("the log was cut")
			w.wait(70*time.Second + time.Millisecond)
			w.syncErr = nil
		})
		assert.Equal(t, []string{"00:01 a=1", "00:01 a=1"}, w.got)
	})
}
