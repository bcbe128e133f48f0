package inflight_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/internal/inflight"
)

func TestBudget(t *testing.T) {
	b := inflight.NewBudget(100)
	first, ok := b.Acquire(60)
	assert.True(t, ok)
	_, ok = b.Acquire(41)
	assert.False(t, ok, "the second does not fit beside the first")
	second, ok := b.Acquire(40)
	assert.True(t, ok)
	assert.EqualValues(t, 100, b.Used())
	b.Release(first)
	b.Release(second)
	huge, ok := b.Acquire(1000)
	assert.True(t, ok, "alone, what is larger than all is admitted")
	_, ok = b.Acquire(1)
	assert.False(t, ok)
	b.Release(huge)
	assert.Zero(t, b.Used())
}

// Whatever is acquired and released, the budget is never exceeded and nothing of it is lost.
func TestBudgetIsNeitherExceededNorLost(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	b := inflight.NewBudget(1000)
	var held []int64
	for range 10_000 {
		if n := len(held); n > 0 && random.IntN(2) == 0 {
			b.Release(held[n-1])
			held = held[:n-1]
		} else if n, ok := b.Acquire(random.Int64N(1500)); ok {
			held = append(held, n)
		}
		assert.LessOrEqual(t, b.Used(), int64(1000))
	}
	for _, n := range held {
		b.Release(n)
	}
	assert.Zero(t, b.Used())
}

func TestReadersThatTakeLongestAreEnded(t *testing.T) {
	start := time.Unix(1000, 0)
	r := inflight.NewReaders(100, time.Second)
	ended := map[string]bool{}
	begin := func(name string, after time.Duration) *inflight.Reader {
		return r.Begin(start.Add(after), func() { ended[name] = true })
	}
	slow, late := begin("slow", 0), begin("late", 1500*time.Millisecond)
	assert.True(t, slow.Grow(start, 60))
	assert.True(t, late.Grow(start.Add(time.Hour), 40), "as long as there is room, nobody is ended")
	assert.Empty(t, ended)
	honest := begin("honest", 2*time.Second)
	assert.False(t, honest.Grow(start.Add(2*time.Second), 1))
	assert.Equal(t, map[string]bool{"slow": true}, ended, "only who took longer than a second")
	slow.Done()
	slow.Done()
	assert.True(t, honest.Grow(start.Add(2*time.Second), 60))
	assert.EqualValues(t, 100, r.Used())
	assert.EqualValues(t, 60, honest.Held())
	honest.Done()
	late.Done()
	assert.Zero(t, r.Used())
}

func ExampleBudget() {
	b := inflight.NewBudget(10)
	held, ok := b.Acquire(7)
	fmt.Println(held, ok)
	_, ok = b.Acquire(7)
	fmt.Println(ok)
	// Output:
	// 7 true
	// false
}
