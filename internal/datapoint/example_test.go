package datapoint_test

import (
	"fmt"

	"github.com/penstockhq/penstock/internal/datapoint"
)

// A counter is watched from time 100 on, restarts at 125, and is read four times.
func Example() {
	const since = 100
	var last struct {
		start, time int64
		value       datapoint.Number
	}
	total := datapoint.Int(0)
	for _, p := range []struct{ start, time, value int64 }{
		{50, 110, 1000}, {50, 120, 1007}, {50, 120, 1007}, {125, 130, 4},
	} {
		value := datapoint.Int(p.value)
		increase, fell := value.Sub(last.value)
		step := datapoint.First(p.start, p.time, since)
		if last.time != 0 {
			step = datapoint.Follow(last.start, last.time, p.start, p.time, fell)
		}
		switch step {
		case datapoint.Grown:
			total = total.Add(increase)
		case datapoint.Begun, datapoint.Reset:
			total = total.Add(value)
		}
		if step != datapoint.Stale {
			last.start, last.time, last.value = p.start, p.time, value
		}
		fmt.Println(step, total.Float64())
	}
	// Output:
	// baseline 0
	// grown 7
	// stale 7
	// reset 11
}
