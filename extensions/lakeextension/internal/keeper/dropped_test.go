package keeper_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/keeper"
	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/memstore"
)

// While a table can't let go of what retention removes, each pass finds the change that it has made, and makes no other.
func TestADropIsOneChangeHoweverOftenItFails(t *testing.T) {
	store, clock := memstore.New(), hour.Add(2*time.Hour)
	store.Now = func() time.Time { return clock }
	set := settings()
	set.Retention = keeper.Retention{Keep: 10 * day}
	x := &table{}
	k := newWorker(store, 1, set, x)
	for i := range 20 {
		write(t, store, "metrics", hour, 10*i, 10)
	}
	clock = clock.Add(2 * day)
	pass(t, k, "metrics", clock)
	require.Len(t, list(t, store, "metrics"), 1, "merged")
	require.NotEmpty(t, list(t, store, lakestore.ChangesDir))
	before := len(list(t, store, lakestore.ChangesDir))

	clock = clock.Add(20 * day)
	x.refuse = errors.New("no catalog")
	for range 5 {
		_, _ = k.Keeper.Pass(t.Context(), "metrics", clock)
		clock = clock.Add(time.Hour)
	}
	assert.Len(t, list(t, store, lakestore.ChangesDir), before+1)
	x.refuse = nil
	for range 2 { // the documents go last
		pass(t, k, "metrics", clock)
	}
	assert.Empty(t, list(t, store, "metrics"))
	assert.Empty(t, list(t, store, lakestore.ChangesDir))
}
