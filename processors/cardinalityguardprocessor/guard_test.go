package cardinalityguardprocessor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/metadata"
)

// requests returns one delta sum "requests" of service checkout, with a point a user.
func requests(at time.Time, users ...string) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "checkout")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("requests")
	sum := m.SetEmptySum()
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	sum.SetIsMonotonic(true)
	for _, user := range users {
		dp := sum.DataPoints().AppendEmpty()
		dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
		dp.SetIntValue(1)
		dp.Attributes().PutStr("user_id", user)
		dp.Attributes().PutStr("method", "GET")
	}
	return md
}

func users(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf("user-%d", i))
	}
	return list
}

// seriesOf returns the attributes of all points as sorted text.
func seriesOf(batches []pmetric.Metrics) (list []string) {
	for _, md := range batches {
		for _, rm := range md.ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					for _, dp := range m.Sum().DataPoints().All() {
						list = append(list, fmt.Sprint(dp.Attributes().AsRaw(), "=", dp.IntValue()))
					}
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

// embedded is an extension that holds the journal in this process.
type embedded struct{ component.Component }

func (embedded) JournalRoom(string) journal.Room { return journal.Room{} }

// The partitions of a journal in this process have the same names as those of a gateway's Kafka, or of another standalone's. So the owner
// of a separate journal adds its instance to the streams that it makes, or one store would get two values for one series and time.
func TestAJournalOfItsOwnIsOnTheSeries(t *testing.T) {
	for _, own := range []bool{false, true} {
		extensions := map[component.ID]component.Component{}
		want := "map[method:GET otel.metric.overflow:true penstock.partition:p.metrics-0]=30"
		if own {
			extensions[component.MustNewID("embedded_kafka")] = embedded{}
			want = "map[method:GET otel.metric.overflow:true penstock.instance:here penstock.partition:p.metrics-0]=30"
		}
		cfg := testConfig(func(c *Config) { c.Limits.SeriesPerMetric, c.InstanceID, c.Report.Interval = 20, "here", time.Minute })
		g := newRigIn(t, host{extensions}, cfg)
		sink := &consumertest.MetricsSink{}
		g.guard.(*guard).next = sink
		g.consume(requests(epoch.Add(time.Second), users(0, 50)...))
		sink.Reset()
		g.advance(epoch, true)
		g.advance(epoch.Add(2*time.Minute), true)
		reports := 0
		var folded []pmetric.Metrics
		for _, md := range sink.AllMetrics() {
			m := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0)
			if m.Name() != "penstock.cardinality.series" {
				folded = append(folded, md)
				continue
			}
			reports++
			_, signed := m.Gauge().DataPoints().At(0).Attributes().Get("penstock.instance")
			assert.Equal(t, own, signed)
		}
		assert.Equal(t, []string{want}, seriesOf(folded))
		assert.Positive(t, reports)
	}
}

func TestFoldRemovesTheGuiltyAttribute(t *testing.T) {
	g := newRig(t, testConfig(func(c *Config) { c.Limits.SeriesPerMetric = 20 }))
	sink := &consumertest.MetricsSink{}
	g.guard.(*guard).next = sink
	g.consume(requests(epoch.Add(time.Second), users(0, 20)...))
	g.consume(requests(epoch.Add(2*time.Second), users(20, 50)...))
	assert.Equal(t, 20, sink.DataPointCount(), "what is admitted passes at once")
	sink.Reset()
	g.advance(epoch, true)
	g.advance(epoch.Add(time.Minute), true)
	assert.Equal(t, []string{"map[method:GET otel.metric.overflow:true penstock.partition:p.metrics-0]=30"}, seriesOf(sink.AllMetrics()))

	got := sink.AllMetrics()[0].ResourceMetrics().At(0)
	assert.Equal(t, map[string]any{"service.name": "checkout"}, got.Resource().Attributes().AsRaw())
	dp := got.ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0)
	assert.Equal(t, epoch.Add(15*time.Second-1), dp.Timestamp().AsTime(), "the last nanosecond of the pane")
	assert.EqualValues(t, 30, g.count("limited_points"))
}

func TestDropAndObserve(t *testing.T) {
	for mode, want := range map[string]int{onLimitDrop: 5, onLimitObserve: 20} {
		t.Run(mode, func(t *testing.T) {
			g := newRig(t, testConfig(func(c *Config) { c.Limits.SeriesPerMetric, c.OnLimit = 5, mode }))
			assert.Equal(t, mode != onLimitObserve, g.guard.Capabilities().MutatesData)
			sink := &consumertest.MetricsSink{}
			g.guard.(*guard).next = sink
			g.consume(requests(epoch.Add(time.Second), users(0, 20)...))
			g.advance(epoch.Add(time.Hour), true)
			assert.Equal(t, want, sink.DataPointCount())
			assert.EqualValues(t, 15, g.count("limited_points"))
			assert.EqualValues(t, 20-want, g.count("dropped_points"))
		})
	}
}

// Every level limits, and counts under its name.
func TestLevels(t *testing.T) {
	one := int64(1)
	cases := map[string]func(*Config){
		"total":     func(c *Config) { c.Limits.Series = 3 },
		"tenant":    func(c *Config) { c.Limits.SeriesPerTenant = 3 },
		"service":   func(c *Config) { c.Limits.SeriesPerService = 3 },
		"metric":    func(c *Config) { c.Limits.SeriesPerMetric = 3 },
		"attribute": func(c *Config) { c.Limits.ValuesPerAttribute = 3 },
		"denied":    func(c *Config) { c.Attributes = []AttributesConfig{{Metric: "*", Allow: []string{"method"}}} },
		"metrics": func(c *Config) {
			c.Limits.Metrics = 1
		},
	}
	for level, change := range cases {
		t.Run(level, func(t *testing.T) {
			g := newRig(t, testConfig(func(c *Config) {
				change(c)
				c.OnLimit = onLimitDrop
				c.Overrides = []OverrideConfig{{Metric: "other", Limits: OverrideLimitsConfig{SeriesPerMetric: &one}}}
			}))
			if level == "metrics" {
				other := requests(epoch.Add(time.Second), "x")
				other.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).SetName("first")
				g.consume(other)
			}
			g.consume(requests(epoch.Add(time.Second), users(0, 20)...))
			m, err := g.tel.GetMetric("otelcol_processor_cardinality_guard_dropped_points")
			require.NoError(t, err)
			assert.Contains(t, fmt.Sprint(m.Data), level)
		})
	}
}

func TestOverridesAndTenants(t *testing.T) {
	many, few := int64(50), int64(2)
	g := newRig(t, testConfig(func(c *Config) {
		c.Limits.SeriesPerMetric, c.OnLimit = 5, onLimitDrop
		c.Overrides = []OverrideConfig{
			{Service: "check*", Metric: "req*", Limits: OverrideLimitsConfig{SeriesPerMetric: &many}},
			{Tenant: "small", Limits: OverrideLimitsConfig{SeriesPerTenant: &few}},
			{Tenant: "42", Limits: OverrideLimitsConfig{SeriesPerTenant: &few}},
		}
	}))
	sink := &consumertest.MetricsSink{}
	g.guard.(*guard).next = sink
	g.consume(requests(epoch.Add(time.Second), users(0, 60)...))
	assert.Equal(t, 50, sink.DataPointCount(), "the override holds")

	sink.Reset()
	ctx := g.ctx
	g.ctx = client.NewContext(ctx, client.Info{Metadata: client.NewMetadata(map[string][]string{tenant.MetadataKey: {"small"}})})
	g.consume(requests(epoch.Add(time.Second), users(0, 60)...))
	assert.Equal(t, 2, sink.DataPointCount(), "a tenant by client metadata has a budget of its own")

	sink.Reset()
	g.ctx = ctx
	md := requests(epoch.Add(time.Second), users(0, 60)...)
	md.ResourceMetrics().At(0).Resource().Attributes().PutStr(tenant.Attribute, "third")
	g.consume(md)
	assert.Equal(t, 50, sink.DataPointCount(), "a tenant by resource attribute too")

	sink.Reset()
	md = requests(epoch.Add(time.Second), users(0, 60)...)
	md.ResourceMetrics().At(0).Resource().Attributes().PutInt(tenant.Attribute, 42)
	g.consume(md)
	assert.Equal(t, 2, sink.DataPointCount(), "whose name may be a number")
}

// Folded points of a tenant that is known from client metadata are sent with that metadata.
func TestTenantOfOverflowStreams(t *testing.T) {
	g := newRig(t, testConfig(func(c *Config) { c.Limits.SeriesPerMetric = 1 }))
	sink := &consumertest.MetricsSink{}
	g.guard.(*guard).next = sink
	plain := g.ctx
	for _, name := range []string{"a", "b"} {
		g.ctx = tenant.With(plain, name)
		g.consume(requests(epoch.Add(time.Second), users(0, 5)...))
	}
	sink.Reset()
	g.ctx = plain
	g.advance(epoch, true)
	g.advance(epoch.Add(time.Minute), true)
	var tenants []string
	for _, ctx := range sink.Contexts() {
		tenants = append(tenants, client.FromContext(ctx).Metadata.Get(tenant.MetadataKey)...)
	}
	assert.ElementsMatch(t, []string{"a", "b"}, tenants)
	for _, s := range seriesOf(sink.AllMetrics()) {
		assert.Contains(t, s, "=4", "tenants are not merged: %s", seriesOf(sink.AllMetrics()))
	}
}

// A metric that grows slowly without end does not get the places of its own idle series: of 600 random ids the same 60 are admitted, and
// no later ones.
func TestConstantGrowth(t *testing.T) {
	g := newRig(t, testConfig(func(c *Config) { c.Limits.SeriesPerMetric, c.OnLimit = 60, onLimitDrop }))
	passed := 0
	sink := &consumertest.MetricsSink{}
	g.guard.(*guard).next = sink
	for minute := range 600 {
		g.consume(requests(epoch.Add(time.Duration(minute)*time.Minute), users(minute, minute+1)...))
		if minute == 59 {
			passed = sink.DataPointCount()
		}
	}
	assert.Equal(t, 60, passed)
	assert.Equal(t, 60, sink.DataPointCount())
}

// Growth in a burst, as when all pods are replaced, is forgiven: once new series would fit in, they are admitted again.
func TestAMetricRecoversFromABurst(t *testing.T) {
	g := newRig(t, testConfig(func(c *Config) { c.Limits.SeriesPerMetric, c.OnLimit = 60, onLimitDrop }))
	sink := &consumertest.MetricsSink{}
	g.guard.(*guard).next = sink
	for minute := range 5 * 60 {
		at := epoch.Add(time.Duration(minute) * time.Minute)
		g.consume(requests(at, users(minute/30*10, minute/30*10+10)...)) // Ten pods, replaced every half hour.
		if minute == 40 {
			g.consume(requests(at, users(1000, 1100)...))
			sink.Reset()
		}
		if minute == 4*60 {
			sink.Reset()
		}
	}
	assert.Equal(t, 10*59, sink.DataPointCount(), "the pods of the last hour pass")
}

// A widened budget applies at once: the verdict of the old one must not limit what now has a place.
func TestAWiderBudgetHoldsAtOnce(t *testing.T) {
	g := newRig(t, testConfig(func(c *Config) { c.Limits.SeriesPerMetric, c.OnLimit = 20, onLimitDrop }))
	g.consume(requests(epoch.Add(time.Second), users(0, 50)...))
	g.restart()
	sink := &consumertest.MetricsSink{}
	g.guard.(*guard).next = sink
	g.consume(requests(epoch.Add(2*time.Second), users(20, 50)...))
	assert.Zero(t, sink.DataPointCount(), "under the same rules the same series are limited")
	g.cfg.Limits.SeriesPerMetric = 200
	g.restart()
	g.guard.(*guard).next = sink
	g.consume(requests(epoch.Add(3*time.Second), users(20, 50)...))
	assert.Equal(t, 30, sink.DataPointCount())
}

// The log names the culprit: which budget is nearly used up, by what, and then what is folded.
func TestTheLogNamesTheCulprit(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	g := newRig(t, testConfig(func(c *Config) { c.Limits.SeriesPerMetric = 100 }))
	g.guard.(*guard).tel.log = zap.New(core)
	g.consume(requests(epoch.Add(time.Second), users(0, 90)...))
	g.consume(requests(epoch.Add(time.Second), users(90, 120)...))
	require.Equal(t, 2, logs.Len())
	near, past := logs.All()[0].ContextMap(), logs.All()[1].ContextMap()
	assert.Subset(t, near, map[string]any{"budget": "metric", "service": "checkout", "metric": "requests", "used": int64(80), "limit": int64(100)})
	assert.Subset(t, near["most_values"], map[string]any{"attribute": "user_id"})
	assert.Subset(t, past, map[string]any{"service": "checkout", "metric": "requests", "attributes": []any{"user_id"}, "on_limit": "fold"})
}

// A point without a time does not mean the epoch: overflow streams get the present time.
func TestPointsWithoutATime(t *testing.T) {
	g := newRig(t, testConfig(func(c *Config) { c.Limits.SeriesPerMetric = 1 }))
	sink := &consumertest.MetricsSink{}
	g.guard.(*guard).next = sink
	g.consume(requests(epoch.Add(time.Second), users(0, 5)...))
	g.consume(requests(time.Unix(0, 0), users(5, 10)...))
	sink.Reset()
	g.advance(epoch, true)
	g.advance(epoch.Add(time.Minute), true)
	require.Len(t, sink.AllMetrics(), 1)
	dp := sink.AllMetrics()[0].ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0)
	assert.Equal(t, epoch.Add(15*time.Second-1), dp.Timestamp().AsTime())
	assert.EqualValues(t, 9, dp.IntValue())
}

// Idle series free their place; active series keep it.
func TestIdleSeriesFreeTheirPlace(t *testing.T) {
	g := newRig(t, testConfig(func(c *Config) { c.Limits.SeriesPerMetric, c.OnLimit = 2, onLimitDrop }))
	sink := &consumertest.MetricsSink{}
	g.guard.(*guard).next = sink
	g.consume(requests(epoch, "stays", "goes"))
	for minute := range 3 * 60 {
		g.consume(requests(epoch.Add(time.Duration(minute)*time.Minute), "stays"))
	}
	sink.Reset()
	at := epoch.Add(3 * time.Hour)
	g.consume(requests(at, "new"))
	g.consume(requests(at, "stays"))
	g.consume(requests(at, "another"))
	assert.Equal(t, 2, sink.DataPointCount())
	assert.EqualValues(t, 1, g.count("dropped_points"))
}

func TestWarnsOnceABudgetAndWindow(t *testing.T) {
	g := newRig(t, testConfig(func(c *Config) { c.Limits.SeriesPerMetric, c.Limits.Series = 10, 0 }))
	g.consume(requests(epoch, users(0, 7)...))
	assert.EqualValues(t, 0, g.count("warnings"))
	g.consume(requests(epoch, users(7, 9)...))
	g.consume(requests(epoch, users(9, 30)...))
	assert.EqualValues(t, 1, g.count("warnings"))
}

// The values of the first two series, a tenth of the budget, are not counted.
func TestReportGoesDownThePipeline(t *testing.T) {
	g := newRig(t, testConfig(func(c *Config) {
		c.Limits.SeriesPerMetric, c.Report.Interval = 20, time.Minute
	}))
	sink := &consumertest.MetricsSink{}
	g.guard.(*guard).next = sink
	g.consume(requests(epoch.Add(20*time.Second), users(0, 50)...))
	g.advance(epoch.Add(30*time.Second), true)
	sink.Reset()
	g.consume(requests(epoch.Add(90*time.Second), users(0, 50)...))
	g.advance(epoch.Add(91*time.Second), true)
	var got []string
	for _, md := range sink.AllMetrics() {
		for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			if m.Type() == pmetric.MetricTypeGauge {
				dp := m.Gauge().DataPoints().At(0)
				assert.Equal(t, epoch.Add(time.Minute-1), dp.Timestamp().AsTime())
				attribute, _ := dp.Attributes().AsRaw()["attribute"].(string)
				got = append(got, fmt.Sprint(m.Name(), " ", attribute, " ", dp.IntValue(), " ", dp.DoubleValue()))
			}
		}
	}
	assert.Equal(t, []string{
		"penstock.cardinality.series  20 0", "penstock.cardinality.metric.series  20 0", "penstock.cardinality.metric.usage  0 1",
		"penstock.cardinality.attribute.values user_id 48 0", "penstock.cardinality.overflow.streams  1 0",
	}, got)
}

// admin is a host with an admin extension and a storage.
type host struct {
	extensions map[component.ID]component.Component
}

func (h host) GetExtensions() map[component.ID]component.Component { return h.extensions }

type fakeAdmin struct {
	component.Component
	mounted map[string]http.Handler
}

func (a *fakeAdmin) Mount(id, _ string, h http.Handler) (func(), error) {
	a.mounted[id] = h
	return func() { delete(a.mounted, id) }, nil
}

// reader is the tenant whose key a client has.
type reader string

func (r reader) GetAttribute(name string) any {
	return map[string]any{"tenant": string(r), "scopes": []string{access.Read}}[name]
}

func (reader) GetAttributeNames() []string { return nil }

func TestAdminPage(t *testing.T) {
	admin := &fakeAdmin{mounted: map[string]http.Handler{}}
	set := processortest.NewNopSettings(metadata.Type)
	set.ID = component.NewIDWithName(metadata.Type, "edge")
	g, err := newGuard(testConfig(func(c *Config) { c.Limits.SeriesPerMetric, c.InstanceID = 20, "here" }), set, consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, g.Start(t.Context(), host{map[component.ID]component.Component{component.MustNewID("admin"): admin}}))
	require.NoError(t, g.ConsumeMetrics(t.Context(), requests(epoch, users(0, 50)...)))
	h := admin.mounted[set.ID.String()]
	require.NotNil(t, h)
	ask := func(path string) string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, http.StatusOK, w.Code)
		body, err := io.ReadAll(w.Body)
		require.NoError(t, err)
		return string(body)
	}
	moved := httptest.NewRecorder()
	h.ServeHTTP(moved, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Equal(t, http.StatusFound, moved.Code)
	assert.Equal(t, strings.Repeat("../", strings.Count(set.ID.String(), "/")+1)+"console/#/guard", moved.Header().Get("Location"))
	var got struct{ Partitions []partitionReport }
	require.NoError(t, json.Unmarshal([]byte(ask("/report.json")), &got))
	require.Len(t, got.Partitions, 1)
	assert.Equal(t, "here/edge", got.Partitions[0].Partition)
	assert.InDelta(t, 31, got.Partitions[0].FoldedDelay, 0)
	assert.Equal(t, []string{"user_id"}, got.Partitions[0].Tenants[0].Metrics[0].Folded)

	// A reader sees only its tenant, and no sum that includes others.
	require.NoError(t, g.ConsumeMetrics(tenant.With(t.Context(), "acme"), requests(epoch, "a", "b")))
	require.NoError(t, json.Unmarshal([]byte(ask("/report.json")), &got))
	require.Len(t, got.Partitions[0].Tenants, 2)
	for name, series := range map[string]int64{"acme": 2, "nobody": 0} {
		reports := g.reports(access.Of(client.NewContext(t.Context(), client.Info{Auth: reader(name)})))
		if series == 0 {
			assert.Empty(t, reports, name)
			continue
		}
		require.Len(t, reports, 1)
		require.Len(t, reports[0].Tenants, 1)
		assert.Equal(t, name, reports[0].Tenants[0].Tenant)
		assert.Equal(t, series, reports[0].Series)
		assert.Zero(t, reports[0].Contributors+reports[0].OverflowStreams)
	}
	require.NoError(t, g.Shutdown(t.Context()))
	assert.Empty(t, admin.mounted)
}

func TestJournalRequired(t *testing.T) {
	g, err := newGuard(testConfig(func(c *Config) { c.Journal = journalRequired }), processortest.NewNopSettings(metadata.Type), consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, g.Start(t.Context(), componenttest.NewNopHost()))
	assert.ErrorIs(t, g.ConsumeMetrics(t.Context(), requests(epoch, "a")), delivery.ErrNoSession)
	require.NoError(t, g.Shutdown(t.Context()))
}

// disk is a storage extension in memory.
type disk struct {
	component.Component
	storage.Client
	values map[string][]byte
	open   bool
}

func (d *disk) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	if d.open {
		return nil, errors.New("timeout")
	}
	d.open = true
	return d, nil
}

func (d *disk) Get(_ context.Context, key string) ([]byte, error) { return d.values[key], nil }

func (d *disk) Batch(_ context.Context, ops ...*storage.Operation) error {
	for _, op := range ops {
		if op.Type == storage.Delete {
			delete(d.values, op.Key)
		} else {
			d.values[op.Key] = slices.Clone(op.Value)
		}
	}
	return nil
}

func (d *disk) Close(context.Context) error { d.open = false; return nil }

// Without a journal the state is in a storage extension: after a restart the same series are admitted, and the same are folded. A damaged
// state is discarded with a reason.
func TestLocalStateSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		id := component.MustNewID("file_storage")
		d := &disk{values: map[string][]byte{}}
		tel := componenttest.NewTelemetry()
		sink := &consumertest.MetricsSink{}
		start := func() *guard {
			set := processortest.NewNopSettings(metadata.Type)
			set.TelemetrySettings = tel.NewTelemetrySettings()
			g, err := newGuard(testConfig(func(c *Config) { c.Limits.SeriesPerMetric, c.Storage, c.InstanceID = 5, &id, "here" }), set, sink)
			require.NoError(t, err)
			require.NoError(t, g.Start(t.Context(), host{map[component.ID]component.Component{id: d}}))
			return g
		}
		g := start()
		second, err := newGuard(g.cfg, processortest.NewNopSettings(metadata.Type), sink)
		require.NoError(t, err)
		assert.ErrorContains(t, second.Start(t.Context(), host{map[component.ID]component.Component{id: d}}), "another process, or another pipeline")

		require.NoError(t, g.ConsumeMetrics(t.Context(), requests(time.Now(), users(0, 10)...)))
		require.NoError(t, g.Shutdown(t.Context()))
		g = start()
		sink.Reset()
		require.NoError(t, g.ConsumeMetrics(t.Context(), requests(time.Now().Add(1), users(5, 10)...)))
		assert.Zero(t, sink.DataPointCount(), "the folded are still folded")
		require.NoError(t, g.ConsumeMetrics(t.Context(), requests(time.Now(), users(0, 5)...)))
		assert.Equal(t, 5, sink.DataPointCount(), "the admitted are still admitted")
		sink.Reset()
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, []string{"map[method:GET otel.metric.overflow:true penstock.partition:here]=10"}, seriesOf(sink.AllMetrics()),
			"what was folded before and after the restart is one value")
		require.NoError(t, g.Shutdown(t.Context()))

		d.values["chunk.000000"][20] ^= 1
		g = start()
		sink.Reset()
		require.NoError(t, g.ConsumeMetrics(t.Context(), requests(time.Now(), users(5, 10)...)))
		assert.Equal(t, 5, sink.DataPointCount(), "a fresh start")
		m, err := tel.GetMetric("otelcol_processor_cardinality_guard_failures")
		require.NoError(t, err)
		assert.Contains(t, fmt.Sprint(m.Data), "restore")
		require.NoError(t, g.Shutdown(t.Context()))
	})
}

// Without a storage everything is sent on shutdown. A guard that starts in the same pane has later times, so a store accepts both.
func TestRestartWithoutStorageInTheSamePane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &consumertest.MetricsSink{}
		for range 2 {
			time.Sleep(time.Millisecond) // As a start takes at least.
			g, err := newGuard(testConfig(func(c *Config) { c.Limits.SeriesPerMetric, c.InstanceID = 1, "here" }), processortest.NewNopSettings(metadata.Type), sink)
			require.NoError(t, err)
			require.NoError(t, g.Start(t.Context(), componenttest.NewNopHost()))
			time.Sleep(time.Second)
			md := requests(time.Now(), users(0, 5)...)
			sum := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum()
			sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			for _, dp := range sum.DataPoints().All() {
				dp.SetStartTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(-time.Millisecond)))
			}
			require.NoError(t, g.ConsumeMetrics(t.Context(), md))
			require.NoError(t, g.Shutdown(t.Context()))
		}
		var times []time.Time
		var values []int64
		for _, md := range sink.AllMetrics() {
			for _, dp := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().All() {
				if _, ok := dp.Attributes().Get(overflowAttribute); ok {
					times, values = append(times, dp.Timestamp().AsTime()), append(values, dp.IntValue())
				}
			}
		}
		assert.Equal(t, []int64{0, 4, 0, 4}, values)
		for i := range times[1:] {
			assert.True(t, times[i].Before(times[i+1]), "%v", times)
		}
	})
}

// Concurrent batches are counted once each: nothing is lost between admission, folding and the ticks of the local session.
func TestConcurrentBatches(t *testing.T) {
	sink := newLedger(t)
	g, err := newGuard(testConfig(func(c *Config) { c.Limits.SeriesPerMetric, c.InstanceID = 100, "here" }),
		processortest.NewNopSettings(metadata.Type), &locked{ledger: sink})
	require.NoError(t, err)
	require.NoError(t, g.Start(t.Context(), componenttest.NewNopHost()))
	const senders, batches, points = 4, 200, 20
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for b := range batches {
				from := (b * 7 % 50) * (s + 1)
				assert.NoError(t, g.ConsumeMetrics(context.Background(), requests(time.Now(), users(from, from+points)...)))
			}
		})
	}
	wg.Wait()
	// Two batches that bring one new series at once use two places for a moment; a third that finds none left meanwhile is folded
	// permanently.
	active := unjournaled(t, g).activeSeries()
	assert.LessOrEqual(t, active, int64(100))
	assert.Greater(t, active, int64(100-senders))
	require.NoError(t, g.Shutdown(t.Context()))
	assert.EqualValues(t, senders*batches*points, sink.total["requests/0"])
}

// local is the state of the local session.
func unjournaled(t testing.TB, g *guard) *partition {
	t.Helper()
	p, journal, err := g.partitions.Of(t.Context())
	require.NoError(t, err)
	require.False(t, journal)
	return p
}

// locked is a ledger for several senders.
type locked struct {
	mu sync.Mutex
	*ledger
}

func (*locked) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (l *locked) ConsumeMetrics(_ context.Context, md pmetric.Metrics) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(md)
	return nil
}

// The collector's clock is an hour behind: stores would refuse a folded point, which stands for many, as one of the future. Panes stay open until the
// clock shows nearly their time, whether more records wait or not.
func TestNoPaneClosesBeforeItsTime(t *testing.T) {
	r := newRig(t, testConfig(func(c *Config) { c.Journal, c.Limits.SeriesPerMetric = journalRequired, 1 }))
	g, sink := r.guard.(*guard), &consumertest.MetricsSink{}
	g.next = sink
	s, err := delivery.NewSession(delivery.Settings{Label: "p", Source: delivery.Live, Began: epoch.Add(-time.Hour)})
	require.NoError(t, err)
	consume := func(after time.Duration) {
		s.Deliver(epoch.Add(after-time.Hour), false)
		require.NoError(t, g.ConsumeMetrics(delivery.With(t.Context(), s), requests(epoch.Add(after), users(0, 3)...)))
	}
	flush := g.cfg.FlushInterval
	for n := range 5 {
		after := time.Duration(n) * flush
		consume(after)
		for _, atEnd := range []bool{false, true} {
			assert.False(t, s.Advance(epoch.Add(after-time.Hour), atEnd), "nothing leaves an hour before its time")
		}
	}
	assert.True(t, s.Advance(epoch.Add(5*flush), false), "the clock was set right")
}

// The collector's clock stays a day behind: open panes are bounded all the same.
func TestPanesDoNotWaitForAClockForEver(t *testing.T) {
	r := newRig(t, testConfig(func(c *Config) { c.Journal, c.Limits.SeriesPerMetric = journalRequired, 1 }))
	g, sink := r.guard.(*guard), &consumertest.MetricsSink{}
	g.next = sink
	s, err := delivery.NewSession(delivery.Settings{Label: "p", Source: delivery.Live, Began: epoch.Add(-48 * time.Hour)})
	require.NoError(t, err)
	ctx := delivery.With(t.Context(), s)
	const panes = 700
	for n := range panes {
		at := epoch.Add(time.Duration(n) * g.cfg.FlushInterval)
		require.NoError(t, g.ConsumeMetrics(ctx, requests(at, users(0, 3)...)))
		for _, atEnd := range []bool{false, true} {
			if s.Advance(at.Add(-24*time.Hour), atEnd) {
				require.NoError(t, s.Flush(ctx))
			}
		}
	}
	newest := pcommon.Timestamp(0)
	for _, md := range sink.AllMetrics() {
		for _, rm := range md.ResourceMetrics().All() {
			for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
				if overflow, ok := m.Sum().DataPoints().At(0).Attributes().Get(overflowAttribute); ok && overflow.Bool() {
					newest = max(newest, m.Sum().DataPoints().At(0).Timestamp())
				}
			}
		}
	}
	assert.Greater(t, newest.AsTime(), epoch.Add((panes-515)*g.cfg.FlushInterval), "512 panes are open at most")
}
