package inflight_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/inflight"
)

func TestBudget(t *testing.T) {
	b := inflight.NewBudget(100)
	first, second, third := b.Open(), b.Open(), b.Open()
	assert.Equal(t, inflight.Taken, first.Take(60))
	assert.Equal(t, inflight.Full, second.Take(41), "the second does not fit beside the first")
	assert.Equal(t, inflight.Taken, second.Fits(40))
	assert.Equal(t, inflight.Taken, second.Take(40))
	assert.EqualValues(t, 100, b.Used())
	first.Release()
	first.Release()
	second.Release()
	assert.Equal(t, inflight.Taken, third.Take(1000), "alone, what is larger than all is admitted")
	assert.EqualValues(t, 100, third.Held())
	assert.Equal(t, inflight.Full, first.Take(1))
	third.Release()
	assert.Zero(t, b.Used())
}

// One client demands ten times the budget, all the time. It gets two thirds, and each small request passes.
func TestAHeavyClientLeavesRoomForOthers(t *testing.T) {
	const capacity = 3000
	b, random := inflight.NewBudget(capacity), rand.New(rand.NewPCG(5, 6))
	heavy := inflight.Parties("heavy", "acme")
	var most int64
	var held []*inflight.Hold
	asked := int64(0)
	for range 20_000 {
		for asked < 10*capacity {
			n := 1 + random.Int64N(100)
			h := b.Open(heavy...)
			asked += n
			if h.Take(n) == inflight.Taken {
				held = append(held, h)
			}
		}
		most = max(most, b.Used())
		for i := range 5 {
			small := b.Open(inflight.Parties(fmt.Sprint("small ", i), fmt.Sprint("tenant ", i))...)
			require.Equal(t, inflight.Taken, small.Take(1+random.Int64N(100)))
			small.Release()
		}
		i := random.IntN(len(held))
		asked -= held[i].Held()
		held[i].Release()
		held = slices.Delete(held, i, i+1)
	}
	assert.InDelta(t, capacity*2/3, most, 100)
}

// The clients of one tenant share its part: many clients take no more of other tenants than one.
func TestAHeavyTenantLeavesRoomForOthers(t *testing.T) {
	b := inflight.NewBudget(9000)
	for i := range 10_000 {
		for range 3 {
			b.Open(inflight.Parties(fmt.Sprint("client ", i), "acme")...).Take(10)
		}
	}
	assert.EqualValues(t, 6000, b.Used())
	for i := range 10 {
		assert.Equal(t, inflight.Taken, b.Open(inflight.Parties("c", fmt.Sprint("tenant ", i))...).Take(100), i)
	}
}

// Each of many heavy clients leaves the same room, and a request that grows alone is not held up by its own client's share.
func TestSharesOfMany(t *testing.T) {
	b := inflight.NewBudget(21_000)
	for range 10_000 {
		for i := range 10 {
			b.Open(inflight.Parties(fmt.Sprint(i), "")...).Take(10)
		}
	}
	assert.InDelta(t, 20_000, b.Used(), 200, "a 21st is free")
	b = inflight.NewBudget(100)
	alone := b.Open(inflight.Parties("a", "")...)
	for range 10 {
		require.Equal(t, inflight.Taken, alone.Take(10))
	}
	alone.Release()
	unnamed, other := b.Open(), b.Open(inflight.Parties("a", "")...)
	require.Equal(t, inflight.Taken, other.Take(50))
	require.Equal(t, inflight.Taken, unnamed.Take(30))
	assert.Equal(t, inflight.Unfair, unnamed.Name(inflight.Parties("a", "")...))
	unnamed.Release()
	require.Equal(t, inflight.Taken, unnamed.Take(10))
	assert.Equal(t, inflight.Taken, unnamed.Name(inflight.Parties("a", "")...))
	assert.Equal(t, inflight.Unfair, b.Open(inflight.Parties("a", "")...).Fits(20))
	assert.Equal(t, inflight.Full, b.Open(inflight.Parties("b", "")...).Fits(41))
}

// Whatever is acquired and released, the budget is never exceeded and nothing of it is lost.
func TestBudgetIsNeitherExceededNorLost(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	b := inflight.NewBudget(1000)
	var held []*inflight.Hold
	for range 10_000 {
		if n := len(held); n > 0 && random.IntN(2) == 0 {
			held[n-1].Release()
			held = held[:n-1]
		} else {
			h := b.Open(inflight.Parties(fmt.Sprint(random.IntN(3)), fmt.Sprint(random.IntN(2)))...)
			if h.Take(random.Int64N(1500)) == inflight.Taken {
				held = append(held, h)
			}
		}
		assert.LessOrEqual(t, b.Used(), int64(1000))
	}
	for _, h := range held {
		h.Release()
	}
	assert.Zero(t, b.Used())
	all := b.Open(inflight.Parties("0", "0")...)
	assert.Equal(t, inflight.Taken, all.Take(1000), "nobody is remembered")
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

// A client that reads its share already gets no more, and ends no other's.
func TestReadersShare(t *testing.T) {
	start, ended := time.Unix(1000, 0), 0
	r := inflight.NewReaders(300, time.Second)
	heavy := func() *inflight.Reader {
		return r.Begin(start, func() { ended++ }, inflight.Parties("heavy", "")...)
	}
	assert.True(t, r.Begin(start, func() { t.Error("another's was ended") }, inflight.Parties("small", "")...).Grow(start, 60))
	assert.True(t, heavy().Grow(start, 60))
	assert.True(t, heavy().Grow(start, 60))
	assert.False(t, heavy().Grow(start, 60))
	assert.Zero(t, ended, "nobody waits for long")
	assert.False(t, heavy().Grow(start.Add(2*time.Second), 60))
	assert.Equal(t, 4, ended)
}

func ExampleBudget() {
	b := inflight.NewBudget(10)
	fmt.Println(b.Open().Take(7) == inflight.Taken)
	fmt.Println(b.Open().Take(7) == inflight.Full)
	// Output:
	// true
	// true
}
