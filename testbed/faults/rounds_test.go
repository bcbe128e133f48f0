package faults

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/process"
)

// batch is rounds of a schedule that one process lives through.
type batch struct {
	t        *testing.T
	schedule string
	rounds   int
	moments  uint64 // seeds the random moments: of all products of a batch the same
	binary   string // its sum, where there is a report
	product  string // that suffers now
}

// inBatches runs rounds of a schedule, at most most of them if that is not 0. With a report it runs what earlier runs with the same binary have left
// to do, some at a time, and keeps each.
func inBatches(t *testing.T, schedule string, most int, run func(*batch)) {
	want := *rounds
	if most > 0 {
		want = min(want, most)
	}
	b := batch{schedule: schedule, rounds: want, moments: *seed, product: "penstock"}
	if *report == "" {
		b.t = t
		b.begin()
		run(&b)
		return
	}
	var err error
	b.binary, err = sumOf(process.Binary(t))
	require.NoError(t, err)
	for !t.Failed() {
		done := doneOf(t, b.binary, schedule)
		if done >= want {
			return
		}
		b.rounds = min(*atOnce, want-done)
		t.Run("", func(t *testing.T) {
			b.t = t
			b.begin()
			ended := false
			defer func() {
				if !ended { // The rounds are not counted, and not forgotten.
					b.note(result{Product: b.product, Failed: 1})
				}
				publish(t, b.binary)
			}()
			run(&b)
			ended = true
		})
	}
}

func (b *batch) begin() {
	if b.moments = *seed; b.moments == 0 {
		b.moments = rand.Uint64()
	}
	b.t.Logf("%d rounds, -seed %d", b.rounds, b.moments)
}

// note keeps what the rounds cost a product.
func (b *batch) note(r result) {
	r.Schedule, r.Binary, r.Seed, r.At = b.schedule, b.binary, b.moments, time.Now().UTC().Truncate(time.Second)
	if r.Failed == 0 {
		r.Rounds = b.rounds
	}
	b.t.Logf("%+v", r)
	if *report != "" {
		assert.NoError(b.t, keep(*report, r))
	}
}

// doneOf is how many rounds of a schedule all products have behind them.
func doneOf(t *testing.T, binary, schedule string) int {
	sums, err := kept(*report, binary)
	require.NoError(t, err)
	done := 0
	for _, s := range sums {
		if s.Schedule == schedule && s.Product != stockName {
			done = s.Rounds
		}
	}
	return done
}

// publish writes what is known so far.
func publish(t *testing.T, binary string) {
	sums, err := kept(*report, binary)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(*report, "report.md"), []byte(markdown(sums)), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(*report, "report.svg"), []byte(svg(sums)), 0o644))
}

// What several runs did adds up, by schedule and product; what another binary did does not.
func TestRunsAddUp(t *testing.T) {
	dir := t.TempDir()
	for _, r := range []result{
		{Schedule: "kills", Product: "a", Binary: "x", Rounds: 10, Acknowledged: 100, Doubled: 2, Recovery: []time.Duration{time.Second}},
		{Schedule: "kills", Product: "b", Binary: "x", Rounds: 10, Acknowledged: 50, Missing: 5},
		{Schedule: "kills", Product: "a", Binary: "before", Rounds: 90, Missing: 1},
		{Schedule: "kills", Product: "a", Binary: "x", Failed: 1},
		{Schedule: "kills", Product: "a", Binary: "x", Rounds: 5, Acknowledged: 7, Recovery: []time.Duration{2 * time.Second, 3 * time.Second}},
	} {
		require.NoError(t, keep(dir, r))
	}
	sums, err := kept(dir, "x")
	require.NoError(t, err)
	require.Equal(t, []result{
		{Schedule: "kills", Product: "a", Binary: "x", Rounds: 15, Acknowledged: 107, Doubled: 2, Failed: 1, Recovery: []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}},
		{Schedule: "kills", Product: "b", Binary: "x", Rounds: 10, Acknowledged: 50, Missing: 5},
	}, sums)
	assert.Contains(t, markdown(sums), "| kills | a | 15 | 107 | 0 | 2 | 0 | 0 | 2s | 1 |")
}
