package gate_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/gate"
)

// paced lets clients ask without end for a time; each query takes a second. It returns how many queries ended and how many ran side by side.
func paced(t *testing.T, busy bool, clients int, during time.Duration) (ended, most int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := gate.New(4, 100, func(context.Context, time.Duration) {}).Paced(gate.NewPace(func() bool { return busy }, 1, 15*time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), during)
		defer cancel()
		var running, high, done atomic.Int64
		for range clients {
			go func() {
				for ctx.Err() == nil {
					leave, err := g.Enter(ctx)
					if err != nil {
						assert.ErrorIs(t, err, gate.ErrBusy)
						return
					}
					high.Store(max(high.Load(), running.Add(1)))
					time.Sleep(time.Second)
					running.Add(-1)
					leave()
					done.Add(1)
				}
			}()
		}
		<-ctx.Done()
		time.Sleep(time.Minute)
		synctest.Wait()
		ended, most = done.Load(), high.Load()
	})
	return ended, most
}

func TestQueriesGiveWayToWhatComesIn(t *testing.T) {
	share := 0.06 * float64(runtime.GOMAXPROCS(0))
	ended, most := paced(t, true, 100, 100*time.Second)
	assert.EqualValues(t, 1, most, "one by one")
	assert.LessOrEqual(t, float64(ended), share*100+2, "6 % of the CPUs")
	assert.GreaterOrEqual(t, float64(ended), 0.9*100/(1+1/share)-1, "a second, and the pause until its share has paid for it")
	ended, most = paced(t, false, 100, 100*time.Second)
	assert.EqualValues(t, 4, most)
	assert.GreaterOrEqual(t, ended, int64(396), "without need nothing waits")
}

func TestCalmForgives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := true
		g := gate.New(4, 100, func(context.Context, time.Duration) {}).Paced(gate.NewPace(func() bool { return busy }, 1, 15*time.Second))
		leave, err := g.Enter(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Hour)
		leave()
		busy = false
		began := time.Now()
		leave, err = g.Enter(t.Context())
		require.NoError(t, err)
		leave()
		assert.Less(t, time.Since(began), 3*time.Second)
	})
}

// However long queries ran before, another has its turn in time.
func TestNoDebtKeepsQueriesOutForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var busy atomic.Bool
		g := gate.New(4, 100, func(context.Context, time.Duration) {}).Paced(gate.NewPace(busy.Load, 4, 15*time.Second))
		for range 4 { // side by side, as long as nothing comes in
			leave, err := g.Enter(t.Context())
			require.NoError(t, err)
			go func() {
				time.Sleep(30 * time.Second)
				leave()
			}()
		}
		time.Sleep(25 * time.Second)
		busy.Store(true)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			leave, err := g.Enter(ctx)
			require.NoError(t, err)
			time.Sleep(30 * time.Second)
			leave()
			cancel()
		}
	})
}

func TestCalmComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := false
		p := gate.NewPace(func() bool { return busy }, 1, 15*time.Second)
		assert.True(t, p.Calm(), "from the start")
		busy = true
		assert.False(t, p.Calm())
		busy = false
		time.Sleep(time.Second)
		assert.False(t, p.Calm())
		time.Sleep(2 * time.Second)
		assert.True(t, p.Calm())
	})
}
