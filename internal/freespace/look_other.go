//go:build !linux && !darwin && !freebsd

package freespace

import "math"

// Look knows nothing here: there is always room.
func Look(string) (State, error) { return State{Free: math.MaxUint64, Total: math.MaxUint64}, nil }
