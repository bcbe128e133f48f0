package kafkareplayreceiver_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/delivery"
)

// An exporter sets the output of one tenant aside: it is in the dead letter topic, under the tenant's name, and a job replays it from
// there.
func TestWhatIsSetAsideForATenantIsReplayable(t *testing.T) {
	w := newWorld(t)
	w.write(t, "bad", bodies("bad", 4)...)
	w.write(t, "good", bodies("good", 4)...)
	var mu sync.Mutex
	passed := 0
	waiting := map[string]bool{}
	w.followInto(t, func(ctx context.Context, ld plog.Logs) error {
		mu.Lock()
		defer mu.Unlock()
		passed += ld.LogRecordCount()
		if !strings.HasPrefix(firstBody(ld), "bad") {
			return nil
		}
		aside := delivery.Of(ctx).Aside
		for _, tenant := range aside.Waiting(ctx) {
			waiting[tenant] = true
		}
		request, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
		if err != nil {
			return err
		}
		return aside.Keep(ctx, delivery.Letter{By: "loki", Reason: "tenant_patience", Cause: "403", Tenant: client.FromContext(ctx).Metadata.Get("x-scope-orgid")[0], Request: request})
	})
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return passed >= 8 }, 30*time.Second, 10*time.Millisecond)
	mu.Lock()
	for tenant := range waiting {
		assert.Contains(t, []string{"bad", "good"}, tenant)
	}
	mu.Unlock()

	host, s := newAdminHost(), newSink()
	w.replay(t, host, s, nil)
	status, out := host.create(t, `{"id":"letters","from":"-1h","source":"deadletter","tenants":["bad"],"headers":{"penstock-reason":"tenant_patience*","penstock-stage":"loki"}}`)
	require.Equal(t, http.StatusCreated, status, out)
	assert.EqualValues(t, 4, counts(host.await(t, "letters", "done"))["items"])
	seen := s.waitFor(t, 4)
	assert.Contains(t, seen, "[bad]bad0")
	assert.NotContains(t, seen, "[good]good0")
}
