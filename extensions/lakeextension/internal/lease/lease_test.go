package lease_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/lease"
	"github.com/penstockhq/penstock/internal/lakestore"
)

const ttl = time.Minute

func keep(t *testing.T, l *lease.Lease, now time.Time) bool {
	t.Helper()
	held, err := l.Keep(t.Context(), now)
	require.NoError(t, err)
	assert.Equal(t, held, l.Held(now) == nil)
	return held
}

func TestOneHoldsTheLease(t *testing.T) {
	store, _, err := lakestore.Open(t.TempDir())
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	a, b := lease.New(store, "lake", "a", ttl), lease.New(store, "lake", "b", ttl)
	now := time.Unix(1000, 0)
	require.ErrorIs(t, a.Held(now), lease.ErrLost)
	assert.True(t, keep(t, a, now))
	assert.False(t, keep(t, b, now))
	for range 5 { // it is renewed
		now = now.Add(ttl / 2)
		assert.True(t, keep(t, a, now))
		assert.False(t, keep(t, b, now))
	}
	assert.Equal(t, int64(1), a.Epoch())

	// a is suspended.
	now = now.Add(ttl)
	require.ErrorIs(t, a.Held(now), lease.ErrLost, "when it wakes up it knows")
	assert.True(t, keep(t, b, now))
	assert.Equal(t, int64(2), b.Epoch())
	assert.False(t, keep(t, a, now))
	assert.Zero(t, a.Epoch())

	require.NoError(t, b.Release(t.Context()))
	require.ErrorIs(t, b.Held(now), lease.ErrLost)
	assert.True(t, keep(t, a, now), "it need not wait")
	assert.Equal(t, int64(3), a.Epoch())
	all, err := store.Documents(t.Context(), "_lease/lake")
	require.NoError(t, err)
	assert.Len(t, all, 1, "older epochs are removed")
}

// A clock that is an hour off takes nothing from a holder that lives.
func TestClocksAreNotCompared(t *testing.T) {
	store, _, err := lakestore.Open(t.TempDir())
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	a, b := lease.New(store, "lake", "a", ttl), lease.New(store, "lake", "b", ttl)
	now := time.Unix(100_000, 0)
	assert.True(t, keep(t, a, now))
	for i := range 10 {
		at := time.Duration(i) * ttl / 2
		assert.True(t, keep(t, a, now.Add(at)))
		assert.False(t, keep(t, b, now.Add(at+time.Hour)))
	}
}
