//go:build full

package e2e

import "testing"

// A dashboard over 30 days: README.md of window_rollup quotes what this prints.
func TestThirtyDaysOfRollups(t *testing.T) { rollUp(t, 30) }
