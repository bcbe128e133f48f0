package pipeline_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/pipeline"
)

// item is a request of tenant with one log record.
func item(tenant, body string) *pipeline.Item {
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(body)
	return &pipeline.Item{Record: journal.Record{Tenant: tenant}, Request: ld}
}

func TestBatchesAreOfOneSender(t *testing.T) {
	for name, c := range map[string]struct {
		inOrder bool
		want    []string
	}{
		"without a state": {false, []string{"a: 1 3", "b: 2"}},
		"with a state":    {true, []string{"a: 1", "b: 2", "a: 3"}},
	} {
		var got []string
		next, err := consumer.NewLogs(func(ctx context.Context, ld plog.Logs) error {
			text := client.FromContext(ctx).Metadata.Get("x-scope-orgid")[0] + ":"
			for _, rl := range ld.ResourceLogs().All() {
				text += " " + rl.ScopeLogs().At(0).LogRecords().At(0).Body().Str()
			}
			got = append(got, text)
			return nil
		})
		require.NoError(t, err)
		var batches []*pipeline.Batch
		for _, it := range []*pipeline.Item{item("a", "1"), item("b", "2"), item("a", "3")} {
			batches = it.Into(batches, c.inOrder)
		}
		for _, b := range batches {
			require.NoError(t, b.Send(t.Context(), pipeline.Logs(next)))
		}
		assert.Equal(t, c.want, got, name)
	}
}
