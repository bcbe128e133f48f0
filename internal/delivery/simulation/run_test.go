package simulation_test

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"

	"github.com/penstockhq/penstock/internal/delivery/simulation"
)

var (
	schedules = flag.Uint64("schedules", 600, "schedules of each pipeline (make simulation runs 2500)")
	seed      = flag.Uint64("seed", 0, "one schedule, traced, instead of all")
)

type pipeline = func(run int, sink consumer.Metrics) consumer.Metrics

func foldOnly(wrong mistake) pipeline {
	return func(_ int, sink consumer.Metrics) consumer.Metrics { return newFold(sink, 2, wrong) }
}

func windowOnly(wrong mistake) pipeline {
	return func(_ int, sink consumer.Metrics) consumer.Metrics { return newWindow(sink, wrong) }
}

func both(wrong mistake) pipeline {
	return func(_ int, sink consumer.Metrics) consumer.Metrics { return newFold(newWindow(sink, wrong), 2, wrong) }
}

// passing keeps no state.
func passing(_ int, sink consumer.Metrics) consumer.Metrics { return sink }

// changing is both, with another limit in each process.
func changing(run int, sink consumer.Metrics) consumer.Metrics {
	return newFold(newWindow(sink, none), 1+run%4, none)
}

// relaid is a lake, with another layout in each process.
func relaid(wrong mistake) pipeline {
	return func(run int, sink consumer.Metrics) consumer.Metrics {
		return &lake{next: sink, configured: 1 + run%4, wrong: wrong}
	}
}

// TestEverythingIsCountedOnce is DELIVERY's promise, with models of the components.
func TestEverythingIsCountedOnce(t *testing.T) {
	for name, o := range map[string]simulation.Options{
		"guard":                                  {Pipeline: foldOnly(none)},
		"rollup":                                 {Pipeline: windowOnly(none)},
		"guard and rollup":                       {Pipeline: both(none)},
		"recorded ranges":                        {Pipeline: both(none), RecordRanges: true},
		"ranges in flight":                       {Pipeline: passing, InFlight: 3},
		"recorded ranges in flight":              {Pipeline: passing, InFlight: 3, RecordRanges: true},
		"a lake, another layout in each process": {Pipeline: relaid(none), RecordRanges: true},
		"a lake, another layout in each process, and ranges in flight": {Pipeline: relaid(none), RecordRanges: true, InFlight: 3},
		"a sink that forgets":                                             {Pipeline: both(none), Forgets: true},
		"a sink that forgets, and ranges in flight":                       {Pipeline: passing, InFlight: 3, Forgets: true},
		"a sink that forgets, and recorded ranges":                        {Pipeline: both(none), RecordRanges: true, Forgets: true},
		"a log that is cut and grows again":                               {Pipeline: passing, Cuts: true},
		"a log that is cut and grows again, and ranges in flight":         {Pipeline: passing, InFlight: 3, Cuts: true},
		"a log that is cut and grows again, and guard and rollup":         {Pipeline: both(none), Cuts: true},
		"a log that is cut and grows again, and a lake":                   {Pipeline: relaid(none), RecordRanges: true, Cuts: true},
		"a log that is cut and grows again, a lake, and ranges in flight": {Pipeline: relaid(none), RecordRanges: true, InFlight: 3, Cuts: true},
		"a ledger of guard and rollup":                                    {Pipeline: both(none), Ledger: true},
		"a ledger, and ranges in flight":                                  {Pipeline: passing, InFlight: 3, Ledger: true},
		"a ledger, and a sink that forgets":                               {Pipeline: both(none), Forgets: true, Ledger: true},
		// Raw points that a zombie passes under the old rules are the documented exception.
		"changed rules": {Pipeline: changing, NoZombies: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, *schedules, func(seed uint64) error { return run(seed, o) })
		})
	}
}

// each runs one schedule after the other, or only the selected one.
func each(t *testing.T, n uint64, do func(seed uint64) error) {
	t.Helper()
	first := uint64(1)
	if *seed != 0 {
		first, n = *seed, 1
	} else if testing.Short() || raceDetector {
		n /= 10
	}
	for i := range n {
		require.NoError(t, do(first+i))
	}
}

func run(schedule uint64, o simulation.Options) error {
	o.Trace = *seed != 0
	return simulation.Run(schedule, o)
}

// TestMistakesAreFound: a simulation that finds nothing wrong with these proves nothing.
func TestMistakesAreFound(t *testing.T) {
	for name, o := range map[string]simulation.Options{
		string(simulation.NoFencing):                     {Pipeline: both(none), Variant: simulation.NoFencing},
		string(simulation.ReadBeforeFence):               {Pipeline: both(none), Variant: simulation.ReadBeforeFence},
		string(simulation.RetryInPlace):                  {Pipeline: both(none), Variant: simulation.RetryInPlace},
		string(simulation.DedupByWallClock):              {Pipeline: both(none), Variant: simulation.DedupByWallClock},
		string(simulation.NoBarrier):                     {Pipeline: both(none), Variant: simulation.NoBarrier, Forgets: true},
		string(simulation.NoAnchors):                     {Pipeline: passing, Variant: simulation.NoAnchors, Cuts: true},
		string(generationUnnamed):                        {Pipeline: relaid(generationUnnamed), RecordRanges: true, Cuts: true},
		string(simulation.BarrierForgetsCuts):            {Pipeline: both(none), Variant: simulation.BarrierForgetsCuts, Forgets: true},
		string(simulation.LedgerBeside):                  {Pipeline: both(none), Variant: simulation.LedgerBeside, Ledger: true},
		string(simulation.LedgerOfAttempts):              {Pipeline: both(none), Variant: simulation.LedgerOfAttempts, Ledger: true},
		"components: " + string(simulation.NoFencing):    {Variant: simulation.NoFencing},
		"components: " + string(simulation.RetryInPlace): {Variant: simulation.RetryInPlace},
		string(emitBeforeCheckpoint):                     {Pipeline: foldOnly(emitBeforeCheckpoint)},
		string(wallClock):                                {Pipeline: both(wallClock)},
		string(expiryInTick):                             {Pipeline: foldOnly(expiryInTick)},
		string(layoutAtOnce):                             {Pipeline: relaid(layoutAtOnce), RecordRanges: true, InFlight: 3},
		string(latenessByRecord):                         {Pipeline: both(latenessByRecord)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if o.Pipeline == nil {
				r := &running{t: t}
				defer r.shutdown()
				o.Pipeline = func(_ int, sink consumer.Metrics) consumer.Metrics { return r.guard(2, r.rollup(sink)) }
			}
			for i := range uint64(5000) {
				if err := simulation.Run(1+i, o); err != nil {
					require.ErrorIs(t, err, simulation.ErrViolation)
					t.Logf("found by schedule %d: %v", i+1, err)
					return
				}
			}
			t.Fatal("not found in 5000 schedules")
		})
	}
}
