package simulation_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/delivery/simulation"
)

// TestAJobBesideLiveDelivery runs jobs with replace through live delivery's exporter, cancelled and created again under one id.
func TestAJobBesideLiveDelivery(t *testing.T) {
	each(t, *schedules, func(seed uint64) error { return simulation.RunJobs(seed, simulation.Right) })
}

func TestMistakesOfJobsAreFound(t *testing.T) {
	for _, v := range []simulation.Variant{simulation.SharedHints, simulation.HintsOutliveJob, simulation.UnspreadJob} {
		t.Run(string(v), func(t *testing.T) {
			for i := range uint64(5000) {
				if err := simulation.RunJobs(1+i, v); err != nil {
					require.ErrorIs(t, err, simulation.ErrViolation)
					t.Logf("found by schedule %d: %v", i+1, err)
					return
				}
			}
			t.Fatal("not found in 5000 schedules")
		})
	}
}
