package simulation_test

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"

	"github.com/penstockhq/penstock/internal/delivery/simulation"
)

var (
	schedules = flag.Uint64("schedules", 2000, "schedules of each pipeline")
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

// changing is both, with another limit in each process.
func changing(run int, sink consumer.Metrics) consumer.Metrics {
	return newFold(newWindow(sink, none), 1+run%4, none)
}

// TestEverythingIsCountedOnce is DELIVERY's promise: 10 000 schedules, and none breaks it.
func TestEverythingIsCountedOnce(t *testing.T) {
	for name, o := range map[string]simulation.Options{
		"guard":            {Pipeline: foldOnly(none)},
		"rollup":           {Pipeline: windowOnly(none)},
		"guard and rollup": {Pipeline: both(none)},
		"recorded ranges":  {Pipeline: both(none), RecordRanges: true},
		// What a zombie of the old rules passes raw is the documented exception.
		"changed rules": {Pipeline: changing, NoZombies: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if *seed != 0 {
				o.Trace = true
				require.NoError(t, simulation.Run(*seed, o))
				return
			}
			n := *schedules
			if testing.Short() {
				n /= 10
			}
			for i := range n {
				if err := simulation.Run(1+i, o); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestMistakesAreFound: a simulation that finds nothing wrong with these proves nothing.
func TestMistakesAreFound(t *testing.T) {
	for name, o := range map[string]simulation.Options{
		string(simulation.NoFencing):        {Pipeline: both(none), Variant: simulation.NoFencing},
		string(simulation.ReadBeforeFence):  {Pipeline: both(none), Variant: simulation.ReadBeforeFence},
		string(simulation.RetryInPlace):     {Pipeline: both(none), Variant: simulation.RetryInPlace},
		string(simulation.DedupByWallClock): {Pipeline: both(none), Variant: simulation.DedupByWallClock},
		string(emitBeforeCheckpoint):        {Pipeline: foldOnly(emitBeforeCheckpoint)},
		string(wallClock):                   {Pipeline: both(wallClock)},
		string(expiryInTick):                {Pipeline: foldOnly(expiryInTick)},
		string(latenessByRecord):            {Pipeline: both(latenessByRecord)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
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
