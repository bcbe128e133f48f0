package gate_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/gate"
)

func TestPlacesAreGivenBack(t *testing.T) {
	used := 0
	g := gate.New(1, 1, func(context.Context, time.Duration) { used++ })
	leave, err := g.Enter(t.Context())
	require.NoError(t, err)

	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = g.Enter(short)
	require.ErrorIs(t, err, gate.ErrBusy)

	entered := make(chan error)
	go func() {
		leave, err := g.Enter(t.Context())
		if err == nil {
			leave()
		}
		entered <- err
	}()
	leave()
	require.NoError(t, <-entered)
	require.Equal(t, 2, used)
}

func TestTooManyWait(t *testing.T) {
	g := gate.New(1, 0, func(context.Context, time.Duration) {})
	_, err := g.Enter(t.Context())
	require.NoError(t, err)
	_, err = g.Enter(t.Context())
	require.ErrorIs(t, err, gate.ErrBusy)
	require.ErrorContains(t, err, "query::max_waiting")
}
