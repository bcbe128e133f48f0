package quotaextension_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

const patience = 30 * time.Second

// Two gateways that share a Kafka learn of each other, and of the bytes that each uses of a day; a restarted one continues from its former usage.
func TestGatewaysShare(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "penstock.layout"))
	require.NoError(t, err)
	defer k.Close()
	conf := func(id string) string {
		return fmt.Sprintf("{instance_id: %s, defaults: {tenant: {bytes_per_day: 1000}}, share: {brokers: [%s], interval: 100ms}}", id, strings.Join(k.ListenAddrs(), ","))
	}
	one, two := create(t, conf("one")), create(t, conf("two"))
	for _, m := range []*made{one, two} {
		require.Eventually(t, func() bool { return gauge(t, m, "otelcol_extension_quota_gateways") == 2 }, patience, 20*time.Millisecond)
	}
	acme := with(t.Context(), "acme", nil)
	require.NoError(t, request(acme, one, 600))
	require.Eventually(t, func() bool { return !fits(acme, two, 401) }, patience, 20*time.Millisecond)
	require.NoError(t, request(acme, two, 400))
	require.NoError(t, one.Extension.Shutdown(t.Context()))
	again := create(t, conf("one"))
	require.Eventually(t, func() bool { return !fits(acme, again, 1) }, patience, 20*time.Millisecond)

	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumeTopics("penstock.quota"))
	require.NoError(t, err)
	defer client.Close()
	assert.NotEmpty(t, client.PollFetches(t.Context()).Records(), "the topic is beside the journal's")
}

// fits says whether a request would pass, and charges nothing.
func fits(ctx context.Context, m *made, n int64) bool {
	r := httptest.NewRequest(http.MethodPost, "/", nil).WithContext(ctx)
	r.ContentLength = n
	_, done, err := m.Request(r, "")
	if err == nil {
		done(false)
	}
	return err == nil
}

func gauge(t *testing.T, m *made, name string) int64 {
	t.Helper()
	got, err := m.tel.GetMetric(name)
	require.NoError(t, err)
	return got.Data.(metricdata.Gauge[int64]).DataPoints[0].Value
}
