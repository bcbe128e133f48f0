package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAStreamsNamesAreBoundedWithinAPeriod(t *testing.T) {
	now := time.Unix(1, 0)
	b := nameBudget{now: func() time.Time { return now }}
	var rows admitted
	enter := func(stream string) { rows.enter(&b, stream) }
	enter("a")
	for i := range maxNames {
		assert.True(t, rows.has(fmt.Sprint(i)))
	}
	assert.False(t, rows.has("one more"))
	assert.True(t, rows.has("0"), "what was admitted stays so")
	enter("b")
	assert.True(t, rows.has("one more"), "each stream has its own")
	enter("a")
	assert.False(t, rows.has("one more"))
	assert.True(t, rows.has("7"))
	now = now.Add(namePeriod)
	enter("a")
	assert.True(t, rows.has("one more"), "a new period")
	for stream := 0; b.names < maxAllNames; stream++ {
		enter(fmt.Sprint("s", stream))
		for i := range maxNames {
			rows.has(fmt.Sprint(i))
		}
	}
	enter("another")
	assert.False(t, rows.has("x"), "all streams together are bounded")
}
