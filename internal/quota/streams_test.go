package quota_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/internal/quota"
)

func TestStreams(t *testing.T) {
	const window = 30 * time.Minute
	s := quota.NewStreamCount(5, window)
	fits := func(now time.Time, tenant string, streams ...uint64) bool {
		_, ok := s.Fits(now, tenant, 3, streams)
		return ok
	}
	assert.True(t, fits(noon, "a", 1, 2, 3, 3))
	assert.False(t, fits(noon, "a", 1, 2, 3, 4))
	s.Add(noon, "a", []uint64{1, 2, 3, 3})
	assert.Equal(t, 3, s.Len())
	assert.True(t, fits(noon, "a", 1, 3), "those that it has")
	assert.False(t, fits(noon, "a", 1, 4))
	assert.True(t, fits(noon, "b", 1, 4), "another tenant's")
	wait, _ := s.Fits(noon.Add(10*time.Minute), "a", 3, []uint64{4})
	assert.Equal(t, 20*time.Minute, wait)

	later := noon.Add(window)
	s.Add(later, "a", []uint64{1})
	assert.False(t, fits(later, "a", 4), "the others were seen in the window before")
	later = later.Add(window)
	assert.True(t, fits(later, "a", 4, 5))
	assert.Equal(t, 1, s.Len())
	s.Add(later, "b", []uint64{1, 2, 3, 4, 5})
	assert.Equal(t, 5, s.Len(), "no more than it was made for")
	assert.True(t, fits(later.Add(24*time.Hour), "b", 7, 8, 9))
	assert.Zero(t, s.Len())
}
