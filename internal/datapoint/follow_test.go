package datapoint_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/internal/datapoint"
)

func TestFirst(t *testing.T) {
	for _, tt := range []struct {
		name               string
		start, time, since int64
		want               datapoint.Step
	}{
		{"began before us", 50, 120, 100, datapoint.Baseline},
		{"began with us", 100, 120, 100, datapoint.Begun},
		{"began after us", 110, 120, 100, datapoint.Begun},
		{"no start time", 0, 120, 100, datapoint.Baseline},
		{"start time is its own time: unknown", 120, 120, 100, datapoint.Baseline},
		{"start time after its time: nonsense", 130, 120, 100, datapoint.Baseline},
		{"seen from the beginning of time", 1, 120, math.MinInt64, datapoint.Begun},
	} {
		assert.Equal(t, tt.want, datapoint.First(tt.start, tt.time, tt.since), tt.name)
	}
}

func TestFollow(t *testing.T) {
	const prevStart, prevTime = 10, 100
	for _, tt := range []struct {
		name        string
		start, time int64
		fell        bool
		want        datapoint.Step
	}{
		{"same run", 10, 110, false, datapoint.Grown},
		{"value fell, start time stayed", 10, 110, true, datapoint.Reset},
		{"new run after a gap", 105, 110, false, datapoint.Reset},
		{"new run without a gap", 100, 110, false, datapoint.Reset},
		{"start time jitters within the run", 12, 110, false, datapoint.Grown},
		{"start time jitters backwards", 8, 110, false, datapoint.Grown},
		{"start time lost", 0, 110, false, datapoint.Grown},
		{"start time lost, value fell", 0, 110, true, datapoint.Reset},
		{"observer restarted: start unknown, value goes on", 110, 110, false, datapoint.Grown},
		{"observer restarted: start unknown, value fell", 110, 110, true, datapoint.Reset},
		{"repeated", 10, 100, false, datapoint.Stale},
		{"late", 10, 90, true, datapoint.Stale},
	} {
		assert.Equal(t, tt.want, datapoint.Follow(prevStart, prevTime, tt.start, tt.time, tt.fell), tt.name)
	}

	// A run with an unknown start carries its first point's time as start time from then on; that is not a reset (data model, "unknown start
	// time").
	assert.Equal(t, datapoint.Grown, datapoint.Follow(100, 100, 100, 110, false))
}
