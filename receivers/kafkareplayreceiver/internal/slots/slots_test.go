package slots_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/slots"
)

// stay enters and, without making progress, keeps the slot until it is told to leave.
func stay(t *testing.T, q *slots.Queue, gone *time.Duration) {
	ctx, place, err := q.Enter(t.Context(), nil)
	require.NoError(t, err)
	began := time.Now()
	<-ctx.Done()
	*gone = time.Since(began)
	place.Leave(ctx)
}

func TestAPartThatDoesNotGetOnLeavesItsPlaceToAnotherJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := slots.New(1)
		dead := r.Queue("dead")
		var gone time.Duration
		go stay(t, dead, &gone)
		synctest.Wait()
		ctx, place, err := r.Queue("healthy").Enter(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, 5*time.Second, gone)

		go stay(t, dead, &gone) // It returns, and waits longer each time: the sink may only be slow.
		synctest.Wait()
		for range 100 {
			time.Sleep(time.Second)
			place.Moved()
		}
		assert.NoError(t, ctx.Err(), "whoever gets on stays")
		place.Leave(ctx)
		synctest.Wait()
		time.Sleep(time.Hour)
		_, place, err = r.Queue("third").Enter(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, time.Hour, gone, "alone it may stay for as long as it takes; it goes as soon as somebody comes")
		place.Leave(t.Context())
	})
}

func TestPartsOfOneJobDoNotDriveEachOtherOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := slots.New(1)
		ctx, place, err := r.Queue("dead").Enter(t.Context(), nil)
		require.NoError(t, err)
		waiting, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, second, err := r.Queue("dead").Enter(waiting, nil)
		assert.Nil(t, second)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.NoError(t, ctx.Err())
		place.Leave(ctx)
		_, third, err := r.Queue("dead").Enter(t.Context(), nil)
		require.NoError(t, err)
		third.Leave(t.Context())
	})
}

func TestAJobThatGetsOnGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := slots.New(2)
		var gone time.Duration
		for range 6 { // parts into a dead sink
			go func() {
				q := r.Queue("dead")
				for t.Context().Err() == nil {
					ctx, place, err := q.Enter(t.Context(), nil)
					if err != nil {
						return
					}
					<-ctx.Done()
					place.Leave(ctx)
				}
			}()
		}
		synctest.Wait()
		began := time.Now()
		for range 4 {
			ctx, place, err := r.Queue("healthy").Enter(t.Context(), nil)
			require.NoError(t, err)
			place.Moved()
			place.Leave(ctx)
		}
		gone = time.Since(began)
		// If both slots are yielded at the same time, three waits use the first patience of all six parts, 5 s, and the fourth has one of
		// 10 s.
		assert.LessOrEqual(t, gone, 25*time.Second)
	})
}

func TestWhoGivesUpWaitingTakesNoPlace(t *testing.T) {
	r := slots.New(1)
	quit := make(chan struct{})
	close(quit)
	for range 100 {
		_, place, err := r.Queue("a").Enter(t.Context(), quit)
		require.NoError(t, err)
		if place != nil {
			place.Leave(t.Context())
		}
	}
	ctx, place, err := r.Queue("a").Enter(t.Context(), nil)
	require.NoError(t, err)
	require.NotNil(t, place)
	place.Leave(ctx)
}
