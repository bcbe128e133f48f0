package prometheustsdbexporter

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/metadata"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/metadatatest"
)

// database is Prometheus' own storage, with its remote write receiver.
type database struct {
	t      *testing.T
	db     *tsdb.DB
	engine *promql.Engine
	write  http.Handler
}

func newDatabase(t *testing.T, versions ...remoteapi.WriteMessageType) *database {
	t.Helper()
	opts := tsdb.DefaultOptions()
	opts.EnableExemplarStorage, opts.MaxExemplars = true, 100
	db, err := tsdb.Open(t.TempDir(), promslog.NewNopLogger(), nil, opts, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return &database{
		t: t, db: db,
		engine: promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})}),
		write:  remote.NewWriteHandler(promslog.NewNopLogger(), prometheus.NewRegistry(), db, versions, false, false, false),
	}
}

// values runs an instant query and returns each result by its labels.
func (d *database) values(query string, at time.Time) map[string]string {
	d.t.Helper()
	q, err := d.engine.NewInstantQuery(d.t.Context(), d.db, nil, query, at)
	require.NoError(d.t, err)
	defer q.Close()
	vector, err := q.Exec(d.t.Context()).Vector()
	require.NoError(d.t, err)
	got := map[string]string{}
	for _, s := range vector {
		if s.H != nil {
			got[s.Metric.String()] = s.H.String()
			continue
		}
		got[s.Metric.String()] = strconv.FormatFloat(s.F, 'g', -1, 64)
	}
	return got
}

// Extension side, for writing in process.
func (*database) Start(context.Context, component.Host) error { return nil }
func (*database) Shutdown(context.Context) error              { return nil }
func (d *database) Appender(ctx context.Context) (storage.AppenderV2, error) {
	return d.db.AppenderV2(ctx), nil
}

type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

// export starts an exporter without queue and passes md to it.
func export(t *testing.T, cfg *Config, h component.Host, mds ...pmetric.Metrics) (*componenttest.Telemetry, error) {
	t.Helper()
	require.NoError(t, cfg.Validate())
	tel := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.Background())) })
	set := exportertest.NewNopSettings(metadata.Type)
	set.ID = component.NewID(metadata.Type)
	set.TelemetrySettings = tel.NewTelemetrySettings()
	e, err := NewFactory().CreateMetrics(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), h))
	defer func() { require.NoError(t, e.Shutdown(t.Context())) }()
	for _, md := range mds {
		err = errors.Join(err, e.ConsumeMetrics(t.Context(), md))
	}
	return tel, err
}

// of are the attributes of the exporter's metrics; reason "": of those without a reason.
func of(reason string) attribute.Set {
	self := attribute.String("exporter", "prometheus_tsdb")
	if reason == "" {
		return attribute.NewSet(self)
	}
	return attribute.NewSet(self, attribute.String("reason", reason))
}

func noQueue(edit func(*Config)) *Config {
	cfg := createDefaultConfig().(*Config)
	cfg.Queue = configoptional.None[exporterhelper.QueueBatchConfig]()
	cfg.Retry.InitialInterval = time.Millisecond
	edit(cfg)
	return cfg
}

// allTypes has a metric of each type, at t.
func allTypes(t time.Time) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	ms := rm.ScopeMetrics().AppendEmpty().Metrics()
	at, start := pcommon.NewTimestampFromTime(t), pcommon.NewTimestampFromTime(t.Add(-time.Minute))

	m := ms.AppendEmpty()
	m.SetName("temperature")
	p := m.SetEmptyGauge().DataPoints().AppendEmpty()
	p.SetTimestamp(at)
	p.SetDoubleValue(21.5)

	m = ms.AppendEmpty()
	m.SetName("orders")
	m.SetDescription("Orders taken.")
	m.SetEmptySum().SetIsMonotonic(true)
	m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	p = m.Sum().DataPoints().AppendEmpty()
	p.SetTimestamp(at)
	p.SetStartTimestamp(start)
	p.SetIntValue(42)
	x := p.Exemplars().AppendEmpty()
	x.SetTimestamp(at)
	x.SetIntValue(3)
	x.SetTraceID([16]byte{1})

	m = ms.AppendEmpty()
	m.SetName("latency")
	m.SetUnit("s")
	m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	h := m.Histogram().DataPoints().AppendEmpty()
	h.SetTimestamp(at)
	h.SetStartTimestamp(start)
	h.SetCount(4)
	h.SetSum(10)
	h.ExplicitBounds().FromRaw([]float64{1, 5})
	h.BucketCounts().FromRaw([]uint64{1, 2, 1})

	m = ms.AppendEmpty()
	m.SetName("size")
	m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	e := m.ExponentialHistogram().DataPoints().AppendEmpty()
	e.SetTimestamp(at)
	e.SetStartTimestamp(start)
	e.SetCount(6)
	e.SetSum(12)
	e.SetZeroCount(1)
	e.Positive().BucketCounts().FromRaw([]uint64{2, 3})

	m = ms.AppendEmpty()
	m.SetName("wait")
	s := m.SetEmptySummary().DataPoints().AppendEmpty()
	s.SetTimestamp(at)
	s.SetCount(5)
	s.SetSum(7)
	q := s.QuantileValues().AppendEmpty()
	q.SetQuantile(0.5)
	q.SetValue(1.25)
	return md
}

var wantAllTypes = map[string]string{
	`{__name__="temperature", job="shop"}`:                       "21.5",
	`{__name__="orders_total", job="shop"}`:                      "42",
	`{__name__="latency_seconds_count", job="shop"}`:             "4",
	`{__name__="latency_seconds_sum", job="shop"}`:               "10",
	`{__name__="latency_seconds_bucket", job="shop", le="1"}`:    "1",
	`{__name__="latency_seconds_bucket", job="shop", le="5"}`:    "3",
	`{__name__="latency_seconds_bucket", job="shop", le="+Inf"}`: "4",
	`{__name__="size", job="shop"}`:                              "{count:6, sum:12, [-1e-128,1e-128]:1, (1,2]:2, (2,4]:3}",
	`{__name__="wait", job="shop", quantile="0.5"}`:              "1.25",
	`{__name__="wait_count", job="shop"}`:                        "5",
	`{__name__="wait_sum", job="shop"}`:                          "7",
}

func TestEveryTypeArrives(t *testing.T) {
	now := time.Now()
	v1, v2 := remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType
	for name, c := range map[string]struct {
		speaks   []remoteapi.WriteMessageType
		protocol string
	}{
		"1.0":                      {[]remoteapi.WriteMessageType{v1, v2}, "1.0"},
		"2.0":                      {[]remoteapi.WriteMessageType{v1, v2}, "2.0"},
		"auto to a 2.0 receiver":   {[]remoteapi.WriteMessageType{v1, v2}, "auto"},
		"auto to a 1.0 receiver":   {[]remoteapi.WriteMessageType{v1}, "auto"},
		"in process, without HTTP": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			db := newDatabase(t, c.speaks...)
			h := host{}
			cfg := noQueue(func(cfg *Config) {
				if c.protocol == "" {
					cfg.TSDB = component.MustNewID("embedded_tsdb")
					h[cfg.TSDB] = db
					return
				}
				srv := httptest.NewServer(db.write)
				t.Cleanup(srv.Close)
				cfg.HTTP.Endpoint, cfg.Protocol = srv.URL, c.protocol
			})
			tel, err := export(t, cfg, h, allTypes(now))
			require.NoError(t, err)
			assert.Equal(t, wantAllTypes, db.values(`{job="shop"}`, now))
			eq, err := db.db.ExemplarQuerier(t.Context())
			require.NoError(t, err)
			found, err := eq.Select(0, now.Add(time.Hour).UnixMilli(), []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", "orders_total")})
			require.NoError(t, err)
			require.Len(t, found, 1)
			assert.InDelta(t, 3, found[0].Exemplars[0].Value, 0)
			metadatatest.AssertEqualExporterPrometheusTsdbSentSamples(t, tel,
				[]metricdata.DataPoint[int64]{{Value: int64(len(wantAllTypes)), Attributes: of("")}}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
		})
	}
}

// notReady refuses the first calls, like a database that is reading its log.
type notReady struct {
	*database
	refuse atomic.Int32
}

func (n *notReady) Appender(ctx context.Context) (storage.AppenderV2, error) {
	if n.refuse.Add(-1) >= 0 {
		return nil, errors.New("not ready")
	}
	return n.database.Appender(ctx)
}

func TestNotReadyIsRetriedAndNothingLost(t *testing.T) {
	now := time.Now()
	t.Run("in process", func(t *testing.T) {
		db := &notReady{database: newDatabase(t)}
		db.refuse.Store(3)
		cfg := noQueue(func(cfg *Config) { cfg.TSDB = component.MustNewID("embedded_tsdb") })
		_, err := export(t, cfg, host{cfg.TSDB: db}, allTypes(now))
		require.NoError(t, err)
		assert.Equal(t, wantAllTypes, db.values(`{job="shop"}`, now))
	})
	t.Run("over HTTP", func(t *testing.T) {
		db := newDatabase(t, remoteapi.WriteV2MessageType)
		var refuse atomic.Int32
		refuse.Store(3)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if refuse.Add(-1) >= 0 {
				http.Error(w, "not ready", http.StatusServiceUnavailable)
				return
			}
			db.write.ServeHTTP(w, r)
		}))
		defer srv.Close()
		_, err := export(t, noQueue(func(cfg *Config) { cfg.HTTP.Endpoint = srv.URL }), host{}, allTypes(now))
		require.NoError(t, err)
		assert.Equal(t, wantAllTypes, db.values(`{job="shop"}`, now))
	})
}

func TestRefusalsAreCountedAndDontFail(t *testing.T) {
	now := time.Now()
	for _, inProcess := range []bool{false, true} {
		db := newDatabase(t, remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType)
		h := host{}
		cfg := noQueue(func(cfg *Config) {
			if inProcess {
				cfg.TSDB = component.MustNewID("embedded_tsdb")
				h[cfg.TSDB] = db
				return
			}
			srv := httptest.NewServer(db.write)
			t.Cleanup(srv.Close)
			cfg.HTTP.Endpoint = srv.URL
		})
		old := allTypes(now.Add(-time.Second))
		p := old.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Gauge().DataPoints().AppendEmpty()
		p.SetIntValue(1) // no time
		tel, err := export(t, cfg, h, allTypes(now), old)
		require.NoError(t, err)
		assert.Equal(t, wantAllTypes, db.values(`{job="shop"}`, now))
		metadatatest.AssertEqualExporterPrometheusTsdbRefusedSamples(t, tel,
			[]metricdata.DataPoint[int64]{{Value: int64(len(wantAllTypes)), Attributes: of("out_of_order")}}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
		metadatatest.AssertEqualExporterPrometheusTsdbRefusedDatapoints(t, tel,
			[]metricdata.DataPoint[int64]{{Value: 1, Attributes: of("no_time")}}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	}
}

func TestMissingExtensionStopsStartup(t *testing.T) {
	cfg := noQueue(func(cfg *Config) { cfg.TSDB = component.MustNewIDWithName("embedded_tsdb", "x") })
	e, err := NewFactory().CreateMetrics(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	require.NoError(t, err)
	require.ErrorContains(t, e.Start(t.Context(), host{}), `tsdb: extension "embedded_tsdb/x" is not in service::extensions`)
	other := &struct {
		component.StartFunc
		component.ShutdownFunc
	}{}
	require.ErrorContains(t, e.Start(t.Context(), host{cfg.TSDB: other}), "does not store samples")
}

func TestTenants(t *testing.T) {
	now := time.Now()
	var mu sync.Mutex
	got := map[string][]string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		tenant := r.Header.Get("X-Scope-OrgID")
		got[tenant] = append(got[tenant], r.Header.Get("X-Prometheus-Remote-Write-Version"))
		if tenant == "b" && len(got[tenant]) == 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", "11")
	}))
	defer srv.Close()
	md := pmetric.NewMetrics()
	for _, tenant := range []string{"a", "", "b", "a"} {
		allTypes(now).ResourceMetrics().MoveAndAppendTo(md.ResourceMetrics())
		if tenant != "" {
			md.ResourceMetrics().At(md.ResourceMetrics().Len()-1).Resource().Attributes().PutStr("tenant.id", tenant)
		}
	}
	cfg := noQueue(func(cfg *Config) { cfg.HTTP.Endpoint, cfg.TenantHeader = srv.URL, "x-scope-orgid" })
	_, err := export(t, cfg, host{}, md)
	require.NoError(t, err)
	srv.Close() // its handlers have ended, got is this test's alone
	assert.Equal(t, map[string][]string{"a": {"2.0.0"}, "b": {"2.0.0", "2.0.0"}, "default": {"2.0.0"}}, got, "one tenant's limit repeats no other's")

	clear(got)
	require.NoError(t, eachTenant(client.NewContext(t.Context(), client.Info{
		Metadata: client.NewMetadata(map[string][]string{"X-Scope-OrgID": {"sender"}}),
	}), md, func(tenant string, part pmetric.Metrics) error {
		got[tenant] = nil
		assert.Equal(t, 4, part.ResourceMetrics().Len())
		return nil
	}, nil))
	assert.Contains(t, got, "sender", "client metadata comes first")
}

// Without a journal nothing has checked the tenants before. A name that would break the header costs only that tenant's points, counted:
// the batch was retried forever, and if it were sent as another tenant's, that tenant would see it.
func TestImpossibleTenantsAreRefused(t *testing.T) {
	got := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("X-Scope-OrgID")
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", "11")
	}))
	defer srv.Close()
	md := pmetric.NewMetrics()
	for _, name := range []any{42, "a\nb", "a/b"} {
		allTypes(time.Now()).ResourceMetrics().MoveAndAppendTo(md.ResourceMetrics())
		v := md.ResourceMetrics().At(md.ResourceMetrics().Len() - 1).Resource().Attributes().PutEmpty("tenant.id")
		require.NoError(t, v.FromRaw(name))
	}
	cfg := noQueue(func(cfg *Config) { cfg.HTTP.Endpoint, cfg.TenantHeader = srv.URL, "x-scope-orgid" })
	tel, err := export(t, cfg, host{}, md)
	require.NoError(t, err)
	require.Len(t, got, 1)
	assert.Equal(t, "42", <-got)
	metadatatest.AssertEqualExporterPrometheusTsdbRefusedDatapoints(t, tel,
		[]metricdata.DataPoint[int64]{{Value: int64(2 * md.DataPointCount() / 3), Attributes: of("tenant")}},
		metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
}

// counter makes a point of orders for each of pods, at t.
func counter(t, start time.Time, pods ...string) pmetric.Metrics {
	md := pmetric.NewMetrics()
	for _, pod := range pods {
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", "shop")
		rm.Resource().Attributes().PutStr("k8s.pod.name", pod)
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("orders")
		m.SetEmptySum().SetIsMonotonic(true)
		m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		p := m.Sum().DataPoints().AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(t))
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
		p.SetIntValue(int64(len(pod)))
	}
	return md
}

func TestStreamsThatBecomeOneSeriesAreTold(t *testing.T) {
	now := time.Now()
	start := now.Add(-time.Hour)
	batches := []pmetric.Metrics{
		counter(now.Add(-4*time.Second), start, "one", "other"), // at one time: a series has one value
		counter(now.Add(-3*time.Second), start, "other"),
		counter(now.Add(-2*time.Second), start, "one"), // interleaves
		counter(now.Add(-1*time.Second), now.Add(-2*time.Second), "one, started again"),
	}
	dot := counter(now, start, "one, started again")
	dot.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).SetName("or.ders")
	under := counter(now.Add(time.Second), start, "one, started again")
	under.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).SetName("or_ders")
	again := counter(now.Add(2*time.Second), start, "one, started again")
	again.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).SetName("or.ders")
	batches = append(batches, dot, under, again)

	db := newDatabase(t, remoteapi.WriteV2MessageType)
	srv := httptest.NewServer(db.write)
	t.Cleanup(srv.Close)
	log, logs := observer.New(zap.WarnLevel)
	tel := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.Background())) })
	set := exportertest.NewNopSettings(metadata.Type)
	set.ID = component.NewID(metadata.Type)
	set.TelemetrySettings = tel.NewTelemetrySettings()
	set.Logger = zap.New(log)
	e, err := NewFactory().CreateMetrics(t.Context(), set, noQueue(func(cfg *Config) { cfg.HTTP.Endpoint = srv.URL }))
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), host{}))
	for _, md := range batches {
		require.NoError(t, e.ConsumeMetrics(t.Context(), md))
	}
	require.NoError(t, e.Shutdown(t.Context()))

	metadatatest.AssertEqualExporterPrometheusTsdbCollidingSamples(t, tel,
		[]metricdata.DataPoint[int64]{{Value: 2, Attributes: of("")}}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	metadatatest.AssertEqualExporterPrometheusTsdbRefusedSamples(t, tel,
		[]metricdata.DataPoint[int64]{{Value: 1, Attributes: of("collision")}}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	told := logs.FilterMessageSnippet("Several streams became one series").All()
	require.Len(t, told, 1, "once in a while")
	assert.Equal(t, `{__name__="orders_total", job="shop"}`, told[0].ContextMap()["series"])
	assert.Equal(t, map[string]string{`{job="shop"}`: "4"}, db.values("count_over_time(orders_total[1m])", now))
}

// Delta points are sent unchanged if configured: samples of unknown type, histograms that PromQL may add up.
func TestNativeDeltas(t *testing.T) {
	now := time.Now()
	db := newDatabase(t, remoteapi.WriteV2MessageType)
	srv := httptest.NewServer(db.write)
	t.Cleanup(srv.Close)
	var batches []pmetric.Metrics
	for i := range 3 {
		md := allTypes(now.Add(time.Duration(i-2) * time.Second))
		for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			switch m.Type() {
			case pmetric.MetricTypeSum:
				m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
			case pmetric.MetricTypeHistogram:
				m.Histogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
			case pmetric.MetricTypeExponentialHistogram:
				m.ExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
			}
		}
		batches = append(batches, md)
	}
	_, err := export(t, noQueue(func(cfg *Config) { cfg.HTTP.Endpoint, cfg.Delta.Native = srv.URL, true }), host{}, batches...)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{`{job="shop"}`: "126"}, db.values("sum_over_time(orders_total[1m])", now))
	assert.Equal(t, map[string]string{`{job="shop"}`: "12"}, db.values("sum_over_time(latency_seconds_count[1m])", now))
	assert.Equal(t, map[string]string{`{job="shop"}`: "{count:18, sum:36, [-1e-128,1e-128]:3, (1,2]:6, (2,4]:9}"}, db.values("sum_over_time(size[1m])", now))
}

// bearer is an auth extension.
type bearer struct {
	component.StartFunc
	component.ShutdownFunc
}

func (bearer) RoundTripper(base http.RoundTripper) (http.RoundTripper, error) {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer secret")
		return base.RoundTrip(r)
	}), nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTLSWithHTTP2AndAuthentication(t *testing.T) {
	now := time.Now()
	db := newDatabase(t, remoteapi.WriteV2MessageType)
	// The requests are sent one after the other, but HTTP/2 gives each a goroutine, and orders them only on the wire.
	var http1 atomic.Bool
	var refusals atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			http1.Store(true)
		}
		if r.Header.Get("Authorization") != "Bearer secret" && refusals.Add(1) <= 3 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		db.write.ServeHTTP(w, r)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	auth := component.MustNewID("bearertokenauth")
	cfg := noQueue(func(cfg *Config) {
		cfg.HTTP.Endpoint = srv.URL
		cfg.HTTP.TLS.CAPem = configopaque.String(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
		cfg.HTTP.Auth = configoptional.Some(configauth.Config{AuthenticatorID: auth})
	})
	_, err := export(t, cfg, host{auth: bearer{}}, allTypes(now))
	require.NoError(t, err)
	assert.Equal(t, wantAllTypes, db.values(`{job="shop"}`, now))
	assert.False(t, http1.Load())
	assert.Zero(t, refusals.Load())

	// Without the extension the receiver refuses, until an operator corrects that: the samples wait.
	cfg.HTTP.Auth = configoptional.None[configauth.Config]()
	cfg.Retry.InitialInterval = time.Millisecond
	tel, err := export(t, cfg, host{}, allTypes(now.Add(time.Second)))
	require.NoError(t, err)
	assert.Equal(t, int32(4), refusals.Load(), "three refusals, and the request that was taken")
	_, err = tel.GetMetric("otelcol_exporter_prometheus_tsdb_refused_samples")
	require.Error(t, err, "nothing is refused")
	assert.Equal(t, wantAllTypes, db.values(`{job="shop"}`, now.Add(time.Second)))
}

// A late point has a resource, but is no news about it: the target_info that the translation makes for its time would be out of order.
func TestALatePointMakesNoOldTargetInfo(t *testing.T) {
	now := time.Now()
	db := newDatabase(t, remoteapi.WriteV1MessageType)
	srv := httptest.NewServer(db.write)
	t.Cleanup(srv.Close)
	batch := func(ago time.Duration, name string) pmetric.Metrics {
		md := allTypes(now.Add(-ago))
		md.ResourceMetrics().At(0).Resource().Attributes().PutStr("host.name", "h")
		for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			m.SetName(name + m.Name())
		}
		return md
	}
	tel, err := export(t, noQueue(func(cfg *Config) { cfg.HTTP.Endpoint = srv.URL }), host{}, batch(0, ""), batch(time.Minute, "late_"))
	require.NoError(t, err)
	assert.Equal(t, map[string]string{`{__name__="target_info", host_name="h", job="shop"}`: "1"}, db.values("target_info", now))
	_, err = tel.GetMetric("otelcol_exporter_prometheus_tsdb_refused_samples")
	require.Error(t, err, "nothing was refused")
}

// An ended series is stale directly after its last sample, not five minutes later.
func TestEndedSeriesBecomeStaleWhenTold(t *testing.T) {
	start := time.Now().Add(-time.Hour)
	db := newDatabase(t, remoteapi.WriteV2MessageType)
	srv := httptest.NewServer(db.write)
	t.Cleanup(srv.Close)
	other := func(ago time.Duration) pmetric.Metrics {
		md := pmetric.NewMetrics()
		m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("goes_on")
		p := m.SetEmptyGauge().DataPoints().AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(start.Add(ago)))
		p.SetIntValue(1)
		return md
	}
	_, err := export(t, noQueue(func(cfg *Config) { cfg.HTTP.Endpoint, cfg.StaleAfter = srv.URL, 2*time.Minute }), host{},
		allTypes(start), other(time.Minute), other(2*time.Minute), other(3*time.Minute))
	require.NoError(t, err)
	assert.Equal(t, wantAllTypes, db.values(`{job="shop"}`, start))
	assert.Empty(t, db.values(`{job="shop"}`, start.Add(time.Second)))
	assert.Len(t, db.values(`goes_on`, start.Add(4*time.Minute)), 1)
}

// Every test named in remote_write.md exists.
func TestClausesNameTests(t *testing.T) {
	page, err := os.ReadFile("remote_write.md")
	require.NoError(t, err)
	var code []byte
	for _, pattern := range []string{"*_test.go", "internal/*/*_test.go", "../../testbed/sender/*_test.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, f := range files {
			text, err := os.ReadFile(f)
			require.NoError(t, err)
			code = append(code, text...)
		}
	}
	names := regexp.MustCompile("`(Test\\w+)`").FindAllSubmatch(page, -1)
	require.Greater(t, len(names), 20)
	for _, n := range names {
		assert.Contains(t, string(code), "func "+string(n[1])+"(")
	}
	cases := regexp.MustCompile("sender `([^`]+)`(?:, `([^`]+)`)?").FindAllSubmatch(page, -1)
	require.NotEmpty(t, cases)
	for _, c := range cases {
		for _, name := range c[1:] {
			assert.Contains(t, string(code), `{"`+string(name))
		}
	}
}
