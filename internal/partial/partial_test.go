package partial_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/internal/partial"
)

func Example() {
	var answer partial.Answer
	ctx := partial.With(context.Background(), &answer)
	partial.Reject(ctx, 2, "resource attribute tenant.id: it has a slash")
	fmt.Println(answer.Rejected())
	// Output: 2 resource attribute tenant.id: it has a slash
}

func TestAnswers(t *testing.T) {
	partial.Reject(t.Context(), 1, "nobody asks")
	var a partial.Answer
	items, why := a.Rejected()
	assert.Zero(t, items)
	assert.Empty(t, why)

	ctx := partial.With(t.Context(), &a)
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() { partial.Reject(ctx, 1, fmt.Sprint("reason ", i%8)) })
	}
	all.Wait()
	partial.Reject(ctx, 0, "nothing")
	items, why = a.Rejected()
	assert.Equal(t, 64, items)
	assert.Regexp(t, `^reason \d; reason \d; reason \d; reason \d$`, why, "bounded, and each once")
}
