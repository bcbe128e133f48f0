package prometheustsdbexporter_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	prometheustsdb "github.com/penstockhq/penstock/exporters/prometheustsdbexporter"
	"github.com/penstockhq/penstock/internal/delivery"
)

// tenantStore answers 403 to the refused tenants, and counts the other requests.
type tenantStore struct {
	*httptest.Server
	mu      sync.Mutex
	refuses map[string]bool // guarded by mu; "*": all
	left    int             // guarded by mu; requests until no tenant is refused any more; 0: never
	taken   map[string]int  // guarded by mu
}

func newTenantStore(t *testing.T, refuses ...string) *tenantStore {
	s := &tenantStore{refuses: map[string]bool{}, taken: map[string]int{}}
	for _, r := range refuses {
		s.refuses[r] = true
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *tenantStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tenant := r.Header.Get("X-Scope-OrgID")
	if s.left > 0 {
		if s.left--; s.left == 0 {
			clear(s.refuses)
		}
	}
	if s.refuses[tenant] || s.refuses["*"] {
		http.Error(w, "the account is closed", http.StatusForbidden)
		return
	}
	if r.ContentLength > 16 { // else it was an empty request
		s.taken[tenant]++
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *tenantStore) has(tenant string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken[tenant]
}

// letters keeps what is set aside.
type letters struct {
	mu  sync.Mutex
	all []delivery.Letter // guarded by mu
}

func (l *letters) Keep(_ context.Context, letter delivery.Letter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, letter)
	return nil
}

func (l *letters) Waiting(context.Context) []string { return []string{"bad", "good"} }

func (l *letters) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

func (l *letters) of(ctx context.Context, tenant string) context.Context {
	ctx = client.NewContext(ctx, client.Info{Metadata: client.NewMetadata(map[string][]string{"x-scope-orgid": {tenant}})})
	return delivery.Delivery{Aside: l}.In(ctx)
}

func oneGauge() pmetric.Metrics {
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("level")
	p := m.SetEmptyGauge().DataPoints().AppendEmpty()
	p.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	p.SetDoubleValue(1)
	return md
}

func patient(t *testing.T, s *tenantStore, patience time.Duration) exporter.Metrics {
	t.Helper()
	factory := prometheustsdb.NewFactory()
	cfg := factory.CreateDefaultConfig().(*prometheustsdb.Config)
	cfg.HTTP.Endpoint, cfg.TenantHeader, cfg.TenantPatience, cfg.Protocol = s.URL, "X-Scope-OrgID", patience, "1.0"
	cfg.Queue = configoptional.None[exporterhelper.QueueBatchConfig]()
	cfg.Retry.InitialInterval, cfg.Retry.MaxInterval = time.Millisecond, 10*time.Millisecond
	require.NoError(t, cfg.Validate())
	e, err := factory.CreateMetrics(t.Context(), exportertest.NewNopSettings(factory.Type()), cfg)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, e.Shutdown(context.Background())) })
	return e
}

// A tenant that the store refuses delays the others for at most the patience; its metrics are in the dead letter, and when the store
// accepts it again the exporter finds out.
func TestATenantThatTheStoreRefusesHoldsUpOthersNoLongerThanThePatience(t *testing.T) {
	s, l := newTenantStore(t, "bad"), &letters{}
	e := patient(t, s, 50*time.Millisecond)
	require.NoError(t, e.ConsumeMetrics(l.of(t.Context(), "bad"), oneGauge()))
	require.Equal(t, 1, l.count())
	assert.Equal(t, "bad", l.all[0].Tenant)
	assert.Equal(t, "tenant_patience", l.all[0].Reason)
	md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(l.all[0].Request)
	require.NoError(t, err)
	assert.Equal(t, 1, md.DataPointCount())
	require.NoError(t, e.ConsumeMetrics(l.of(t.Context(), "good"), oneGauge()))
	assert.Equal(t, 1, s.has("good"))

	s.mu.Lock()
	clear(s.refuses)
	s.mu.Unlock()
	require.Eventually(t, func() bool {
		require.NoError(t, e.ConsumeMetrics(l.of(t.Context(), "bad"), oneGauge()))
		return s.has("bad") > 0
	}, 30*time.Second, 10*time.Millisecond)
	before := l.count()
	require.NoError(t, e.ConsumeMetrics(l.of(t.Context(), "bad"), oneGauge()))
	assert.Equal(t, before, l.count())
}

// An expired token affects all tenants: everything waits.
func TestNothingIsSetAsideWhereTheStoreRefusesEverybody(t *testing.T) {
	s, l := newTenantStore(t, "*"), &letters{}
	s.left = 20
	require.NoError(t, patient(t, s, time.Millisecond).ConsumeMetrics(l.of(t.Context(), "bad"), oneGauge()))
	assert.Zero(t, l.count())
	assert.Equal(t, 1, s.has("bad"))
}
