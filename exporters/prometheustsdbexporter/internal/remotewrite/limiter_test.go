package remotewrite

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// round starts as many requests as may be in flight, and ends them.
func round(t *testing.T, l *limiter, ok bool) (inFlight int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // acquire doesn't wait
	var began []time.Time
	for {
		select {
		case <-l.slots:
			began = append(began, time.Now())
			continue
		default:
		}
		break
	}
	require.ErrorIs(t, l.acquire(ctx), context.Canceled, "one more has to wait")
	for _, at := range began {
		l.release(at, ok)
	}
	return len(began)
}

func TestRequestsInFlightFollowTheReceiver(t *testing.T) {
	l := newLimiter(8)
	assert.Equal(t, 8, round(t, l, true))
	assert.Equal(t, 8, round(t, l, true), "no more than there may be")
	assert.Equal(t, 8, round(t, l, false))
	assert.Equal(t, 4, l.current(), "halved once for all that were in flight together")
	assert.Equal(t, 4, round(t, l, false))
	assert.Equal(t, 2, round(t, l, false))
	assert.Equal(t, 1, round(t, l, false))
	assert.Equal(t, 1, round(t, l, false), "one always tries")
	for want := 1; want < 8; want++ {
		assert.Equal(t, want, round(t, l, true), "one more after each good round")
	}
	assert.Equal(t, 8, round(t, l, true))
}

// A refusal in the middle of a round removes slots when they are returned.
func TestSlotsAreGivenUpAsTheyComeBack(t *testing.T) {
	l := newLimiter(4)
	var began []time.Time
	for range 4 {
		require.NoError(t, l.acquire(t.Context()))
		began = append(began, time.Now())
	}
	l.release(began[0], false)
	assert.Empty(t, l.slots, "two are given up, one of them now")
	l.release(began[1], true)
	assert.Empty(t, l.slots)
	l.release(began[2], true)
	l.release(began[3], true)
	assert.Len(t, l.slots, l.current())
}
