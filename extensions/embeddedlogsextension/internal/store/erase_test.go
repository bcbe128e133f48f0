package store

import (
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A job that runs a day after an erasure stores the range again; a follower that starts after days of standstill does not.
func TestAnErasureIsRememberedForADay(t *testing.T) {
	e := &erasures{}
	require.NoError(t, e.open(t.TempDir()))
	filter, err := logstorage.ParseFilter("*")
	require.NoError(t, err)
	now := time.Now()
	erased := func(at time.Time) bool {
		e.all = []remembered{{Erasure{ID: "one", At: at}, filter, true}}
		return e.match(Logs, "acme", at.Add(-time.Second), at.UnixNano(), &row{})
	}
	assert.True(t, erased(now.Add(-47*time.Hour)), "at a start")
	e.opened = now.Add(-2 * time.Hour)
	assert.True(t, erased(now.Add(-23*time.Hour)))
	assert.False(t, erased(now.Add(-25*time.Hour)))
}
