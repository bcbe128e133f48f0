package door_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/door"
)

const budget = 64 << 20

// A quarter of the requests take less than what is expected.
func TestTheUsualRequest(t *testing.T) {
	var u door.Usual
	assert.Zero(t, u.Expect(-1, budget), "nothing is known")
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		u.Add(100_000 + r.Int64N(100_000))
	}
	assert.InDelta(t, 125_000, u.Expect(-1, budget), 10_000)
	for range 20 { // some large ones
		u.Add(1 << 30)
	}
	assert.Less(t, u.Expect(-1, budget), int64(160_000))
	assert.EqualValues(t, 800, u.Expect(100, budget), "a small one needs little")
	assert.EqualValues(t, 1<<20, u.Expect(1<<20, budget), "a large one at least its length")
	assert.EqualValues(t, 1000, u.Expect(-1, 64_000), "never more than a small part of the budget")
}

// Whatever requests there were, no request is expected to need more than the larger of its length and a 64th of the budget.
func TestExpectationsAreBounded(t *testing.T) {
	var u door.Usual
	r := rand.New(rand.NewPCG(3, 4))
	for range 10_000 {
		u.Add(r.Int64N(1 << 40))
		length := r.Int64N(1<<20) - 1
		assert.LessOrEqual(t, u.Expect(length, budget), max(length, budget/64))
		assert.GreaterOrEqual(t, u.Expect(length, budget), length)
	}
}

func TestOneRefusalStandsForMany(t *testing.T) {
	var s door.Shut
	now := time.Unix(1000, 0)
	ask := func() string {
		refused, scout := s.Refuses(now)
		return map[[2]bool]string{{false, false}: "in", {true, false}: "refused", {false, true}: "scout"}[[2]bool{refused, scout}]
	}
	assert.Equal(t, "in", ask())
	s.Learn(now, false, false)
	assert.Equal(t, "in", ask())
	s.Learn(now, true, false)
	assert.Equal(t, "refused", ask())
	s.Learn(now, false, false)
	assert.Equal(t, "refused", ask(), "another was let in before")
	now = now.Add(door.Glance)
	assert.Equal(t, "scout", ask())
	assert.Equal(t, "refused", ask(), "there is one scout")
	s.Learn(now, true, true)
	assert.Equal(t, "refused", ask())
	now = now.Add(door.Glance)
	assert.Equal(t, "scout", ask())
	now = now.Add(door.Glance)
	assert.Equal(t, "scout", ask(), "nothing was heard of the last one")
	s.Learn(now, false, true)
	assert.Equal(t, "in", ask())
	s.Learn(now, true, false)
	now = now.Add(-time.Hour)
	assert.Equal(t, "scout", ask(), "the clock was set back")
}

func Example() {
	var s door.Shut
	now := time.Unix(0, 1)
	s.Learn(now, true, false)
	fmt.Println(s.Refuses(now))
	fmt.Println(s.Refuses(now.Add(door.Glance)))
	// Output:
	// true false
	// false true
}
