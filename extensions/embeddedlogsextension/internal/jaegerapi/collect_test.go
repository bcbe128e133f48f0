package jaegerapi

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// In whatever order rows come, the same are kept, and no more than the bounds allow.
func TestTheCollectorKeepsTheSameInAnyOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	type added struct {
		trace string
		row   row
	}
	for round := range 200 {
		ids := []string{"a", "b", "c"}
		var all []added
		for _, id := range ids {
			for i := range rnd.IntN(8) {
				all = append(all, added{id, row{time: int64(rnd.IntN(5)), span: fmt.Sprint(i), bytes: 1 + rnd.IntN(9)}})
			}
		}
		var first string
		for range 5 {
			rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			c := newCollector(ids, 6, 30)
			for _, a := range all {
				if c.wants(a.trace) {
					r := a.row
					c.add(a.trace, &r)
				}
				assert.LessOrEqual(t, c.held.spans, 6)
				assert.LessOrEqual(t, c.held.bytes, 30)
			}
			text := fmt.Sprint(c.kept)
			for i := range c.kept {
				rows, partial := c.rowsOf(i)
				for _, r := range rows {
					text += fmt.Sprintf(" %s:%d/%s", ids[i], r.time, r.span)
				}
				text += fmt.Sprint(" ", partial, c.seen[i])
				assert.False(t, partial && c.kept > 1, "only a trace that fills an answer alone is cut")
			}
			if first == "" {
				first = text
			}
			assert.Equal(t, first, text, "round %d", round)
		}
	}
}

func TestTheGraphCountsCallsBetweenServices(t *testing.T) {
	g := newGraph(0)
	g.add("t1", "2", "1", "carts") // before its parent
	g.add("t1", "1", "", "web")
	g.add("t1", "3", "1", "web")   // within a service
	g.add("t1", "4", "9", "other") // a parent that is not there
	g.add("t2", "2", "1", "carts") // another trace
	g.add("t1", "2", "1", "carts") // again
	assert.Equal(t, []Dependency{{"web", "carts", 1}}, g.links(1))
	assert.Equal(t, []Dependency{{"web", "carts", 4}}, g.links(4))
}
