package delivery_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/delivery/deliverytest"
)

func adders() *delivery.States[*deliverytest.Adder] {
	return delivery.NewStates("adder", func(*delivery.Session) *deliverytest.Adder { return deliverytest.NewAdder() })
}

func listed(l *delivery.States[*deliverytest.Adder]) (all []*deliverytest.Adder) {
	l.Each(func(a *deliverytest.Adder) { all = append(all, a) })
	return all
}

func TestStatesAreListedWhileTheirSessionLives(t *testing.T) {
	l := adders()
	first, second := session(t, delivery.Settings{Label: "p-0"}), session(t, delivery.Settings{Label: "p-1"})
	a, journal, err := l.Of(delivery.With(t.Context(), first))
	require.NoError(t, err)
	assert.True(t, journal)
	b, _, err := l.Of(delivery.With(t.Context(), second))
	require.NoError(t, err)
	again, _, err := l.Of(delivery.With(t.Context(), first))
	require.NoError(t, err)
	assert.Same(t, a, again)
	assert.ElementsMatch(t, []*deliverytest.Adder{a, b}, listed(l))
	first.Close()
	assert.Equal(t, 1, a.Closed)
	assert.Equal(t, []*deliverytest.Adder{b}, listed(l))
	_, _, err = l.Of(delivery.With(t.Context(), first))
	require.Error(t, err)
}

func TestAStateThatIsNotRestoredIsNotListed(t *testing.T) {
	full := session(t, delivery.Settings{})
	_, err := delivery.Join(full, "adder", func() *deliverytest.Blob { return &deliverytest.Blob{Data: []byte("of another type")} })
	require.NoError(t, err)
	l := adders()
	_, _, err = l.Of(delivery.With(t.Context(), session(t, delivery.Settings{State: snapshot(t, full)})))
	require.ErrorIs(t, err, delivery.ErrState)
	assert.Empty(t, listed(l))
}

func TestBatchesWithoutASessionHaveTheirOwnOrNone(t *testing.T) {
	l := adders()
	_, _, err := l.Of(context.Background())
	require.ErrorIs(t, err, delivery.ErrNoSession)
	here := session(t, delivery.Settings{Label: "here", Concurrent: true})
	require.NoError(t, l.Without(here))
	a, journal, err := l.Of(context.Background())
	require.NoError(t, err)
	assert.False(t, journal)
	assert.Equal(t, []*deliverytest.Adder{a}, listed(l))
	here.Close()
	assert.Empty(t, listed(l))
}
