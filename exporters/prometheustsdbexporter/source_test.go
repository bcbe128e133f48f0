package prometheustsdbexporter

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pmetric"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/metadata"
	"github.com/penstockhq/penstock/internal/delivery"
)

func started(t *testing.T, cfg *Config) exporter.Metrics {
	t.Helper()
	set := exportertest.NewNopSettings(metadata.Type)
	set.ID = component.NewID(metadata.Type)
	e, err := NewFactory().CreateMetrics(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, e.Shutdown(context.Background())) })
	return e
}

// delivering returns a session of source and a context for its batches.
func delivering(t *testing.T, source delivery.Source) (context.Context, *delivery.Session, *delivery.Outcome) {
	t.Helper()
	s, err := delivery.NewSession(delivery.Settings{Label: "penstock.metrics-0", Source: source})
	require.NoError(t, err)
	o := new(delivery.Outcome)
	return delivery.Delivery{Session: s, Outcome: o}.In(t.Context()), s, o
}

// A job writes one request, the next one fails, and a user cancels it. The same job is created again with replace, which deletes what the
// first try has written: it must write all of it.
func TestAJobThatIsMadeAgainSkipsNothing(t *testing.T) {
	var mu sync.Mutex
	stored, down := 0, false // guarded by mu
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		stored, down = stored+3, stored == 0
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", "3")
	}))
	defer srv.Close()
	begin := func(n int) { mu.Lock(); defer mu.Unlock(); stored, down = n, false }
	has := func() int { mu.Lock(); defer mu.Unlock(); return stored }
	e := started(t, noQueue(func(cfg *Config) {
		cfg.HTTP.Endpoint, cfg.MaxSamples, cfg.MaxShards, cfg.Translation.TargetInfo = srv.URL, 3, 1, false
		cfg.Retry.Enabled = false
	}))
	at := time.Now()
	md := counter(at, at.Add(-time.Hour), "a", "b", "c", "d", "e", "f")
	for _, rm := range md.ResourceMetrics().All() {
		pod, _ := rm.Resource().Attributes().Get("k8s.pod.name")
		rm.Resource().Attributes().PutStr("service.instance.id", pod.Str())
	}
	made := at.Add(-time.Minute)
	ctx, session, _ := delivering(t, delivery.JobSource("j", made))
	require.Error(t, e.ConsumeMetrics(ctx, md))
	require.Equal(t, 3, has())
	session.Close() // cancelled

	begin(0) // replace
	ctx, session, outcome := delivering(t, delivery.JobSource("j", at))
	defer session.Close()
	require.Error(t, e.ConsumeMetrics(ctx, md), "the receiver is down again")
	begin(has())
	require.NoError(t, e.ConsumeMetrics(ctx, md))
	assert.Equal(t, 6, has(), "every sample, once")
	assert.Empty(t, outcome.Refusals())
}

// A job replays target_info of a time that is long past for live delivery.
func TestAJobsTargetInfoIsNotOldBesideLiveDelivery(t *testing.T) {
	now := time.Now()
	db := newDatabase(t, remoteapi.WriteV2MessageType)
	var stored atomic.Bool // else the database accepts nothing, and reports success
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if stored.Load() {
			db.write.ServeHTTP(w, r)
			return
		}
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", "13")
	}))
	defer srv.Close()
	e := started(t, noQueue(func(cfg *Config) { cfg.HTTP.Endpoint = srv.URL }))
	batch := func(at time.Time, service string) pmetric.Metrics {
		md := allTypes(at)
		md.ResourceMetrics().At(0).Resource().Attributes().PutStr("host.name", "h")
		md.ResourceMetrics().At(0).Resource().Attributes().PutStr("service.name", service)
		return md
	}
	// The database has no out-of-order window, so live delivery remembers a series that does not exist: it represents a deleted one.
	live, liveSession, _ := delivering(t, delivery.Live)
	defer liveSession.Close()
	require.NoError(t, e.ConsumeMetrics(live, batch(now, "svc")))
	stored.Store(true)

	job, jobSession, _ := delivering(t, delivery.JobSource("j", now))
	defer jobSession.Close()
	before := now.Add(-10 * time.Minute)
	require.NoError(t, e.ConsumeMetrics(job, batch(before, "svc")))
	assert.Equal(t, map[string]string{`{__name__="target_info", host_name="h", job="svc"}`: "1"}, db.values("target_info", before))
}
