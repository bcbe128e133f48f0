package window

import (
	"fmt"
	"time"
)

// Spec is a kind of window. Windows begin at every multiple of Hop since the epoch. If Hop equals Size, they are tumbling windows; if it is
// smaller, hopping windows, which overlap; a very small one approximates sliding windows.
type Spec struct {
	Size, Hop time.Duration
}

// Validate reports an invalid Spec: sizes not above zero, or a hop that does not divide the size. (Such a hop would need panes of their greatest
// common divisor, which can be a nanosecond.)
func (s Spec) Validate() error {
	switch {
	case s.Size <= 0:
		return fmt.Errorf("size must be above zero, is %v", s.Size)
	case s.Hop <= 0:
		return fmt.Errorf("hop must be above zero, is %v", s.Hop)
	case s.Size%s.Hop != 0:
		return fmt.Errorf("size %v is not a multiple of hop %v", s.Size, s.Hop)
	}
	return nil
}

// Tumbling says whether windows touch but don't overlap.
func (s Spec) Tumbling() bool { return s.Size == s.Hop }

// Align returns the start of the pane of that width that contains t. Panes are aligned to the epoch, also before it.
func Align(t int64, width time.Duration) int64 {
	r := t % int64(width)
	if r < 0 {
		r += int64(width)
	}
	return t - r
}

// GCD returns the greatest common divisor: the widest pane that divides windows of both sizes.
func GCD(a, b time.Duration) time.Duration {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
