package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/delivery"
)

// sinkIn joins a sink to a session: its log grows by one with each sync.
func sinkIn(t *testing.T, s *delivery.Session, id string, length *int, fails error) *delivery.Barrier {
	t.Helper()
	b, err := delivery.Join(s, id, func() *delivery.Barrier {
		return delivery.NewBarrier(s, func(context.Context) (string, error) {
			*length++
			return fmt.Sprint(*length), fails
		})
	})
	require.NoError(t, err)
	return b
}

func sinkSession(t *testing.T, state []byte) *delivery.Session {
	t.Helper()
	s, err := delivery.NewSession(delivery.Settings{Label: "p", State: state})
	require.NoError(t, err)
	return s
}

func TestSyncReachesEverySink(t *testing.T) {
	s := sinkSession(t, nil)
	var a, b int
	sinkIn(t, s, "a", &a, nil)
	sinkIn(t, s, "b", &b, nil)
	require.NoError(t, s.Sync(t.Context()))
	assert.Equal(t, []int{1, 1}, []int{a, b})
	assert.False(t, s.Stateful(), "a barrier is no state of records: ranges may be in flight beside it")
}

func TestAFailedSyncNamesTheSink(t *testing.T) {
	s := sinkSession(t, nil)
	failed, length := errors.New("input/output error"), 0
	sinkIn(t, s, "exporter/store", &length, failed)
	err := s.Sync(t.Context())
	require.ErrorIs(t, err, failed)
	assert.ErrorContains(t, err, `sync of component "exporter/store"`)
}

func TestACheckpointCarriesThePositionsOfASink(t *testing.T) {
	s := sinkSession(t, nil)
	length, at := 0, time.Unix(1000, 0).UTC()
	b := sinkIn(t, s, "store", &length, nil)
	const syncs = 5000
	for i := range syncs {
		s.Delivered(at.Add(time.Duration(i) * time.Second))
		require.NoError(t, s.Sync(t.Context()))
	}
	assert.Empty(t, b.Restored())
	var state bytes.Buffer
	require.NoError(t, s.Snapshot(&state))

	length = 0
	marks := sinkIn(t, sinkSession(t, state.Bytes()), "store", &length, nil).Restored()
	require.LessOrEqual(t, len(marks), 16)
	last := marks[len(marks)-1]
	assert.Equal(t, delivery.Mark{At: at.Add((syncs - 1) * time.Second), Position: fmt.Sprint(syncs), Number: syncs - 1}, last)
	for i, m := range marks[:len(marks)-1] {
		newer := last.Number - marks[i+1].Number
		assert.Less(t, marks[i+1].Number, last.Number+1)
		assert.LessOrEqual(t, last.Number-m.Number, max(2, 4*newer), "distances double, or nearly: %v", marks)
	}
	assert.Greater(t, last.Number-marks[0].Number, int64(64), "and reach far back: %v", marks)
}
