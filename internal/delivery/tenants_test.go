package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/delivery"
)

// A tenant's state begins with its first record, once for all, and the default tenant's with the partition.
func TestATenantBeginsWithItsFirstRecord(t *testing.T) {
	began, first, later := time.Unix(100, 0), time.Unix(200, 5), time.Unix(300, 0)
	s := session(t, delivery.Settings{Label: "p", Source: delivery.Live, Began: began})
	s.Deliver(first, false)
	assert.True(t, s.BeganFor("default", false).Equal(began))
	assert.True(t, s.BeganFor("acme", false).Equal(first))
	s.Deliver(later, false)
	assert.True(t, s.BeganFor("acme", true).Equal(first))
	assert.True(t, s.BeganFor("beta", true).Equal(later))

	s = session(t, delivery.Settings{Label: "p", Source: delivery.Live, State: snapshot(t, s)})
	assert.Empty(t, s.Unclaimed())
	s.Deliver(time.Unix(400, 0), false)
	assert.True(t, s.BeganFor("acme", true).Equal(first), "it travels with the checkpoint")
	assert.True(t, s.BeganFor("gamma", true).Equal(time.Unix(400, 0)))
	s.Deliver(time.Unix(50, 0), false)
	assert.True(t, s.BeganFor("early", true).Equal(began), "no tenant begins before the partition")
}

// If keys name tenants from the beginning, no sender moves: all tenants begin with the partition, also after a restart. A replay job's do
// not.
func TestTenantsThatKeysAlwaysNamed(t *testing.T) {
	began := time.Unix(100, 0)
	s := session(t, delivery.Settings{Label: "p", Source: delivery.Live, Began: began})
	s.Deliver(time.Unix(200, 0), false)
	assert.True(t, s.BeganFor("acme", true).Equal(began))
	s = session(t, delivery.Settings{Label: "p", Source: delivery.Live, State: snapshot(t, s)})
	s.Deliver(time.Unix(300, 0), false)
	assert.True(t, s.BeganFor("beta", false).Equal(began))

	s = session(t, delivery.Settings{Label: "p", Source: delivery.JobSource("a", began), Began: began})
	s.Deliver(time.Unix(200, 0), false)
	assert.True(t, s.BeganFor("acme", true).Equal(time.Unix(200, 0)))
}

func TestTenantsAreBounded(t *testing.T) {
	s := session(t, delivery.Settings{Label: "p", Source: delivery.Live, Began: time.Unix(100, 0)})
	s.Deliver(time.Unix(200, 0), false)
	for i := range 20_000 {
		s.BeganFor(fmt.Sprint(i), false)
	}
	state := snapshot(t, s)
	assert.Less(t, len(state), 16<<14+100)
	s, err := delivery.NewSession(delivery.Settings{State: state})
	require.NoError(t, err)
	assert.True(t, s.BeganFor("7", false).Equal(time.Unix(200, 0)))
	assert.True(t, s.BeganFor("19999", false).Equal(time.Unix(100, 0)))
}
