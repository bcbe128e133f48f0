//go:build full

package e2e

import "testing"

func TestMergesSurviveTwoHundredKills(t *testing.T) {
	t.Run("on disk", func(t *testing.T) {
		t.Parallel()
		killMerging(t, onDisk(t), 150, 3)
	})
	t.Run("in an object store", func(t *testing.T) {
		t.Parallel()
		killMerging(t, inStore(t, 7), 50, 4)
	})
}
