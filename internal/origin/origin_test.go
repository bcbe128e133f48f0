package origin_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/origin"
)

func metrics(resources ...string) pmetric.Metrics {
	md := pmetric.NewMetrics()
	for _, r := range resources {
		md.ResourceMetrics().AppendEmpty().Resource().Attributes().PutStr("r", r)
	}
	return md
}

// Records stay known when resources are removed in place, and an added resource is its own record.
func TestRecordsOfWhatIsLeft(t *testing.T) {
	md := metrics("a", "b", "c", "d")
	ctx := origin.With(t.Context(), md, []origin.Part{{Resources: 2}, {Resources: 1, Deduplicated: true}, {Resources: 1}})
	assert.Equal(t, []origin.Record{{Number: 1}, {Number: 1}, {Number: 2, Deduplicated: true}, {Number: 3}}, origin.Of(ctx, md))

	md.ResourceMetrics().RemoveIf(func(rm pmetric.ResourceMetrics) bool {
		name, _ := rm.Resource().Attributes().Get("r")
		return name.Str() == "a" || name.Str() == "d"
	})
	metrics("e", "f").ResourceMetrics().MoveAndAppendTo(md.ResourceMetrics())
	assert.Equal(t, []origin.Record{{Number: 1}, {Number: 2, Deduplicated: true}, {Number: 4}, {Number: 5}}, origin.Of(ctx, md))

	moved := pmetric.NewMetrics()
	md.CopyTo(moved)
	assert.Equal(t, []origin.Record{{Number: 4}, {Number: 5}, {Number: 6}, {Number: 7}}, origin.Of(ctx, moved), "a copy is not known")
	assert.Equal(t, origin.Of(ctx, md), origin.Of(origin.Moved(ctx, moved, origin.Of(ctx, md)), moved), "unless it is told")
}

func TestWithoutAJournal(t *testing.T) {
	assert.Nil(t, origin.Of(context.Background(), metrics("a")))
	assert.False(t, origin.Deduplicated(context.Background(), 0))
}

func TestRequests(t *testing.T) {
	ctx := origin.WithRequests(t.Context(), []bool{false, true})
	assert.False(t, origin.Deduplicated(ctx, 0))
	assert.True(t, origin.Deduplicated(ctx, 1))
	assert.False(t, origin.Deduplicated(ctx, 2))
}

func ExampleOf() {
	md := metrics("a", "b", "c")
	ctx := origin.With(context.Background(), md, []origin.Part{{Resources: 1, Deduplicated: true}, {Resources: 2}})
	fmt.Println(origin.Of(ctx, md))
	// Output: [{1 true} {2 false} {2 false}]
}
