package delivery_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/delivery/deliverytest"
)

func joinRules(t *testing.T, s *delivery.Session, configured string) *delivery.Rules[string] {
	t.Helper()
	r, err := delivery.Join(s, "lake", func() *delivery.Rules[string] { return delivery.NewRules(configured) })
	require.NoError(t, err)
	return r
}

// Restored rules apply until Adopt, and a snapshot contains the rules in force.
func TestRulesTravelWithTheCheckpoint(t *testing.T) {
	first := session(t, delivery.Settings{})
	assert.Equal(t, "by hour", joinRules(t, first, "by hour").InForce())
	assert.False(t, first.Pending(), "a fresh start has no other rules")

	second := session(t, delivery.Settings{State: snapshot(t, first)})
	rules := joinRules(t, second, "by day")
	assert.Equal(t, "by hour", rules.InForce())
	assert.True(t, second.Pending())

	third := session(t, delivery.Settings{State: snapshot(t, second)})
	assert.Equal(t, "by hour", joinRules(t, third, "by week").InForce(), "second has adopted nothing")

	second.Adopt()
	assert.Equal(t, "by day", rules.InForce())
	assert.False(t, second.Pending())
	assert.Equal(t, "by day", joinRules(t, session(t, delivery.Settings{State: snapshot(t, second)}), "by week").InForce())
}

// A component that joins after Adopt continues under its old rules until Adopt is called again.
func TestWhoJoinsLateIsPending(t *testing.T) {
	first := session(t, delivery.Settings{})
	joinRules(t, first, "by hour")
	second := session(t, delivery.Settings{State: snapshot(t, first)})
	second.Adopt()
	assert.False(t, second.Pending())
	rules := joinRules(t, second, "by day")
	assert.Equal(t, "by hour", rules.InForce())
	assert.True(t, second.Pending())
	second.Adopt()
	assert.Equal(t, "by day", rules.InForce())
}

// Rules contain nothing of the records: they neither order them nor hold anything back.
func TestRulesAreNoStateOfRecords(t *testing.T) {
	s := session(t, delivery.Settings{})
	joinRules(t, s, "by hour")
	assert.False(t, s.Stateful())
	_, err := delivery.Join(s, "guard", deliverytest.NewAdder)
	require.NoError(t, err)
	assert.True(t, s.Stateful())

	low := time.Unix(100, 0)
	due, out := delivery.NewRules("by hour").Advance(time.Unix(1000, 0), true, low)
	assert.False(t, due)
	assert.Equal(t, low, out)
}

func TestRulesThatAreNoneAreRefused(t *testing.T) {
	first := session(t, delivery.Settings{})
	_, err := delivery.Join(first, "lake", deliverytest.NewAdder)
	require.NoError(t, err)
	_, err = delivery.Join(session(t, delivery.Settings{State: snapshot(t, first)}), "lake", func() *delivery.Rules[string] { return delivery.NewRules("by hour") })
	require.ErrorIs(t, err, delivery.ErrState)
}
