package follow

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/worker"
)

// Six followers of dead sinks, which the collector stops one after the other, have stopped well before Kubernetes kills the process.
func TestFollowersShareTheTimeOfAStop(t *testing.T) {
	var e ending
	begin := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	now := begin
	for range 6 {
		grace := e.grace(now)
		assert.GreaterOrEqual(t, grace, endLeast)
		assert.LessOrEqual(t, grace, worker.HandOver)
		now = now.Add(grace)
	}
	assert.Equal(t, endAll+4*endLeast, now.Sub(begin))

	e.started()
	assert.Equal(t, worker.HandOver, e.grace(now), "a collector that has loaded its configuration again")
}
