package rounds_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/journal/cluster/internal/rounds"
)

func TestOneRoundIsUnderWayAtATime(t *testing.T) {
	began := 0
	r := rounds.New(func() { began++ })
	var alone, second, third, late rounds.Writer
	r.Join(&alone)
	assert.Equal(t, 1, began, "nothing is under way: at once")
	r.Join(&second)
	r.Join(&third)
	assert.Equal(t, 1, began, "they wait for it")
	r.Leave(&alone)
	assert.Equal(t, 2, began, "they go together")
	r.Join(&late)
	r.Leave(&second)
	assert.Equal(t, 2, began, "one of the round is still under way")
	r.Leave(&third)
	assert.Equal(t, 3, began)
	r.Leave(&late)
	assert.Equal(t, 3, began, "nobody is left")
}

func TestWhoWasSentWithoutARoundHoldsUpNobody(t *testing.T) {
	began := 0
	r := rounds.New(func() { began++ })
	var first, timer, early, next rounds.Writer
	r.Join(&first)
	r.Join(&timer)
	r.Leave(&timer)
	r.Leave(&early)
	r.Join(&early)
	r.Leave(&first)
	assert.Equal(t, 1, began, "nothing waits")
	r.Join(&next)
	assert.Equal(t, 2, began)
}

// Whatever comes in whatever order: while a writer waits a round is under way, and no round begins under another.
func TestNobodyWaitsForNothing(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 1))
		round := map[*rounds.Writer]int{} // of those that are not done; 0: waiting
		number := 0
		r := rounds.New(func() {
			number++
			for w, n := range round {
				require.Zero(t, n, "a round began under another")
				round[w] = number
			}
		})
		var outside []*rounds.Writer // done before they joined
		for range 200 {
			w := &rounds.Writer{}
			switch random.IntN(5) {
			case 0, 1:
				round[w] = 0
				r.Join(w)
			case 2:
				r.Leave(w)
				outside = append(outside, w)
			case 3:
				if len(outside) > 0 {
					r.Join(outside[0])
					outside = outside[1:]
				}
			default:
				for w := range round {
					delete(round, w)
					r.Leave(w)
					break
				}
			}
			flying := 0
			for _, n := range round {
				if n > 0 {
					flying++
				}
			}
			require.False(t, len(round) > 0 && flying == 0, "seed %d: %d wait for nothing", seed, len(round))
		}
	}
}

func Example() {
	r := rounds.New(func() { fmt.Println("send") })
	var a, b, c rounds.Writer
	r.Join(&a) // sends at once
	r.Join(&b)
	r.Join(&c)
	r.Leave(&a) // sends b's and c's
	// Output:
	// send
	// send
}
