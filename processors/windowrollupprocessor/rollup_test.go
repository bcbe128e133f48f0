package windowrollupprocessor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/origin"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/metadata"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// requests returns one delta sum "requests" of service checkout, with a point of 1 for each user.
func requests(at time.Time, users ...string) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "checkout")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("requests")
	m.SetUnit("{request}")
	sum := m.SetEmptySum()
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	sum.SetIsMonotonic(true)
	for _, user := range users {
		dp := sum.DataPoints().AppendEmpty()
		dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
		dp.SetIntValue(1)
		dp.Attributes().PutStr("user_id", user)
	}
	return md
}

// lines returns name, attributes, end and value of all number points, sorted.
func lines(batches []pmetric.Metrics) (list []string) {
	for _, md := range batches {
		for _, rm := range md.ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					dps := pmetric.NewNumberDataPointSlice()
					if m.Type() == pmetric.MetricTypeSum {
						dps = m.Sum().DataPoints()
					} else if m.Type() == pmetric.MetricTypeGauge {
						dps = m.Gauge().DataPoints()
					}
					for _, dp := range dps.All() {
						v := dp.DoubleValue()
						if dp.ValueType() == pmetric.NumberDataPointValueTypeInt {
							v = float64(dp.IntValue())
						}
						list = append(list, fmt.Sprintf("%s %v %v %s = %v", m.Name(), rm.Resource().Attributes().AsRaw(), dp.Attributes().AsRaw(),
							dp.Timestamp().AsTime().Format("15:04:05"), v))
					}
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

// batches returns those that sink got with any point.
func batches(sink *consumertest.MetricsSink) []pmetric.Metrics {
	return slices.DeleteFunc(sink.AllMetrics(), func(md pmetric.Metrics) bool { return md.DataPointCount() == 0 })
}

// perMinute is one rule: the requests of a service, per minute.
func perMinute(change ...func(*Config)) *Config {
	cfg := createDefaultConfig().(*Config)
	cfg.InstanceID = "here"
	drop := false
	cfg.Rules = []RuleConfig{{
		Match: MatchConfig{Metric: "requests"}, Windows: []WindowConfig{{Size: time.Minute}},
		By: []string{"service.name"}, Aggregates: []string{"sum", "count"}, KeepRaw: &drop,
	}}
	for _, c := range change {
		c(cfg)
	}
	return cfg
}

// rig drives the processor as a worker of the journal does.
type rig struct {
	t       *testing.T
	cfg     *Config
	tel     *componenttest.Telemetry
	next    consumer.Metrics
	host    component.Host
	proc    processor.Metrics
	session *delivery.Session
	ctx     context.Context
}

func newRig(t *testing.T, cfg *Config, next consumer.Metrics) *rig {
	return newRigIn(t, componenttest.NewNopHost(), cfg, next)
}

func newRigIn(t *testing.T, h component.Host, cfg *Config, next consumer.Metrics) *rig {
	cfg.Journal = journalRequired
	r := &rig{t: t, cfg: cfg, tel: componenttest.NewTelemetry(), next: next, host: h}
	r.start(nil)
	return r
}

func (r *rig) start(state []byte) {
	r.t.Helper()
	set := processortest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = r.tel.NewTelemetrySettings()
	var err error
	r.proc, err = NewFactory().CreateMetrics(r.t.Context(), set, r.cfg, r.next)
	require.NoError(r.t, err)
	require.NoError(r.t, r.proc.Start(r.t.Context(), r.host))
	r.session, err = delivery.NewSession(delivery.Settings{Label: "p.metrics-0", Began: epoch, State: state})
	require.NoError(r.t, err)
	r.ctx = delivery.With(r.t.Context(), r.session)
	require.NoError(r.t, r.proc.ConsumeMetrics(r.ctx, pmetric.NewMetrics()))
	require.NoError(r.t, r.session.Flush(r.ctx))
	r.session.Adopt()
}

func (r *rig) advance(now time.Time, atEnd bool) (state []byte) {
	r.t.Helper()
	for r.session.Advance(now, atEnd) {
		var buf bytes.Buffer
		require.NoError(r.t, r.session.Snapshot(&buf))
		state = buf.Bytes()
		require.NoError(r.t, r.session.Flush(r.ctx))
	}
	return state
}

// count returns the value of an internal counter, summed over its attributes.
func count(t *testing.T, tel *componenttest.Telemetry, name string) (sum int64) {
	t.Helper()
	m, err := tel.GetMetric("otelcol_processor_window_rollup_" + name)
	if err != nil {
		return 0
	}
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, dp := range data.DataPoints {
			sum += dp.Value
		}
	case metricdata.Gauge[int64]:
		for _, dp := range data.DataPoints {
			sum += dp.Value
		}
	}
	return sum
}

func TestWindowsOfAService(t *testing.T) {
	sink := &consumertest.MetricsSink{}
	r := newRig(t, perMinute(), sink)
	require.NoError(t, r.proc.ConsumeMetrics(r.ctx, requests(epoch.Add(time.Second), "a", "b")))
	require.NoError(t, r.proc.ConsumeMetrics(r.ctx, requests(epoch.Add(59*time.Second), "a")))
	require.NoError(t, r.proc.ConsumeMetrics(r.ctx, requests(epoch.Add(60*time.Second), "a")))
	r.advance(epoch, false)
	assert.Zero(t, sink.DataPointCount(), "raw points are not kept, and no window is complete")
	require.NoError(t, r.proc.ConsumeMetrics(r.ctx, requests(epoch.Add(90*time.Second), "a")))
	r.advance(epoch, false)
	assert.Equal(t, []string{
		"requests.count map[service.name:checkout] map[rollup.window:1m] 12:01:00 = 3",
		"requests.sum map[service.name:checkout] map[rollup.window:1m] 12:01:00 = 3",
	}, lines(sink.AllMetrics()))

	metrics := batches(sink)[0].ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics()
	dp := metrics.At(0).Sum().DataPoints().At(0)
	assert.Equal(t, epoch, dp.StartTimestamp().AsTime())
	assert.Equal(t, pmetric.AggregationTemporalityDelta, metrics.At(0).Sum().AggregationTemporality())
	assert.Equal(t, "{request}", metrics.At(0).Unit())
	assert.Equal(t, "{measurement}", metrics.At(1).Unit())

	assert.EqualValues(t, 5, count(t, r.tel, "points"))
	assert.EqualValues(t, 2, count(t, r.tel, "emitted_points"))
	assert.EqualValues(t, 1, count(t, r.tel, "streams"))
	assert.EqualValues(t, 1, count(t, r.tel, "sources"))
	require.NoError(t, r.proc.ConsumeMetrics(r.ctx, requests(epoch.Add(time.Second), "a")))
	assert.EqualValues(t, 1, count(t, r.tel, "lost_points"), "late")
}

func TestTemporalities(t *testing.T) {
	for temporality, want := range map[string][]string{
		"gauge":      {"requests.count", "3", "1", "requests.sum", "3", "1"},
		"delta":      {"requests.count", "3", "1", "requests.sum", "3", "1"},
		"cumulative": {"requests.count", "3", "4", "requests.sum", "3", "4"},
	} {
		t.Run(temporality, func(t *testing.T) {
			sink := &consumertest.MetricsSink{}
			r := newRig(t, perMinute(func(c *Config) { c.Temporality = temporality }), sink)
			require.NoError(t, r.proc.ConsumeMetrics(r.ctx, requests(epoch.Add(time.Second), "a", "b", "c")))
			require.NoError(t, r.proc.ConsumeMetrics(r.ctx, requests(epoch.Add(time.Minute), "a")))
			r.advance(delivery.Unbounded(), true)
			require.Len(t, batches(sink), 1)
			var got []string
			metrics := batches(sink)[0].ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics()
			names := map[string][]string{}
			for _, m := range metrics.All() {
				var points pmetric.NumberDataPointSlice
				if temporality == "gauge" {
					points = m.Gauge().DataPoints()
				} else {
					points = m.Sum().DataPoints()
					assert.Equal(t, temporality == "cumulative", m.Sum().AggregationTemporality() == pmetric.AggregationTemporalityCumulative)
					assert.True(t, m.Sum().IsMonotonic())
				}
				for _, dp := range points.All() {
					names[m.Name()] = append(names[m.Name()], fmt.Sprint(dp.IntValue()+int64(dp.DoubleValue())))
					if temporality == "cumulative" {
						assert.Equal(t, epoch, dp.StartTimestamp().AsTime(), "a running total starts with the stream")
					} else {
						assert.Equal(t, dp.Timestamp().AsTime().Add(-time.Minute), dp.StartTimestamp().AsTime())
					}
				}
			}
			for _, name := range []string{"requests.count", "requests.sum"} {
				got = append(append(got, name), names[name]...)
			}
			assert.Equal(t, want, got)
		})
	}
}

// Tenants are never merged, and the output is sent under the tenant's metadata.
func TestTenants(t *testing.T) {
	var got []string
	next, err := consumer.NewMetrics(func(ctx context.Context, md pmetric.Metrics) error {
		if md.DataPointCount() > 0 {
			name, err := tenant.Client(ctx)
			require.NoError(t, err)
			got = append(got, name+": "+lines([]pmetric.Metrics{md})[1])
		}
		return nil
	})
	require.NoError(t, err)
	r := newRig(t, perMinute(), next)
	for i, name := range []string{"red", "blue", "red"} {
		require.NoError(t, r.proc.ConsumeMetrics(tenant.With(r.ctx, name), requests(epoch.Add(time.Duration(i)), "a")))
	}
	r.advance(delivery.Unbounded(), true)
	slices.Sort(got)
	assert.Equal(t, []string{
		"blue: requests.sum map[service.name:checkout] map[rollup.window:1m] 12:01:00 = 1",
		"red: requests.sum map[service.name:checkout] map[rollup.window:1m] 12:01:00 = 2",
	}, got)
}

// Only the content of a checkpoint is sent, and a restored one sends the same again.
func TestOutboxSurvivesACrash(t *testing.T) {
	sink := &consumertest.MetricsSink{}
	down := true
	next, err := consumer.NewMetrics(func(ctx context.Context, md pmetric.Metrics) error {
		if down && md.DataPointCount() > 0 {
			return errors.New("down")
		}
		return sink.ConsumeMetrics(ctx, md)
	})
	require.NoError(t, err)
	r := newRig(t, perMinute(), next)
	require.NoError(t, r.proc.ConsumeMetrics(r.ctx, requests(epoch, "a")))
	require.NoError(t, r.proc.ConsumeMetrics(r.ctx, requests(epoch.Add(2*time.Minute), "a")))
	require.True(t, r.session.Advance(epoch, false))
	var state bytes.Buffer
	require.NoError(t, r.session.Snapshot(&state))
	require.Error(t, r.session.Flush(r.ctx))
	r.session.Close()
	assert.Zero(t, count(t, r.tel, "streams"), "a partition that has left counts no more")
	down = false
	r.start(state.Bytes())
	first := lines(sink.AllMetrics())
	assert.Equal(t, []string{
		"requests.count map[service.name:checkout] map[rollup.window:1m] 12:01:00 = 1",
		"requests.sum map[service.name:checkout] map[rollup.window:1m] 12:01:00 = 1",
	}, first)
	sink.Reset()
	r.start(state.Bytes())
	assert.Equal(t, first, lines(sink.AllMetrics()))
	sink.Reset()
	r.advance(delivery.Unbounded(), true)
	assert.Len(t, lines(sink.AllMetrics()), 2, "the open window was in the checkpoint too")
}

func TestJournalRequired(t *testing.T) {
	r := newRig(t, perMinute(), consumertest.NewNop())
	assert.ErrorContains(t, r.proc.ConsumeMetrics(t.Context(), requests(epoch, "a")), "no session")
}

// A rule that merges streams of several partitions is refused, and the message says how to correct it.
func TestRulesMustKeepWhatPartitionsAreMadeOf(t *testing.T) {
	for name, c := range map[string]struct {
		spread      []string
		by, without []string
		bad         string
	}{
		"one partition":          {nil, []string{"http.route"}, nil, ""},
		"kept":                   {[]string{"service.name"}, []string{"service.name"}, nil, ""},
		"not in by":              {[]string{"service.name"}, []string{"http.route"}, nil, `does not keep "service.name"`},
		"in without":             {[]string{"service.namespace", "service.name"}, nil, []string{"service.name"}, `spreads streams over partitions by service.namespace, service.name`},
		"all kept":               {[]string{"*"}, nil, nil, ""},
		"sharded, less than all": {[]string{"*"}, nil, []string{"user_id"}, `does not keep "*"`},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := perMinute(func(c *Config) { c.Journal = journalRequired })
			cfg.Rules[0].By, cfg.Rules[0].Without = c.by, c.without
			w, err := newWindowRollup(cfg, processortest.NewNopSettings(metadata.Type), consumertest.NewNop())
			require.NoError(t, err)
			session, err := delivery.NewSession(delivery.Settings{Label: "p.metrics-1", SpreadBy: c.spread})
			require.NoError(t, err)
			err = w.ConsumeMetrics(delivery.With(t.Context(), session), pmetric.NewMetrics())
			if c.bad == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, c.bad)
			}
			require.NoError(t, w.Shutdown(t.Context()))
		})
	}
}

type host struct {
	extensions map[component.ID]component.Component
}

func (h host) GetExtensions() map[component.ID]component.Component { return h.extensions }

// disk is a storage extension that one component at a time can have.
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

// startLocal starts the processor without a journal.
func startLocal(t *testing.T, tel *componenttest.Telemetry, cfg *Config, next consumer.Metrics, h component.Host) *windowRollup {
	t.Helper()
	set := processortest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = tel.NewTelemetrySettings()
	w, err := newWindowRollup(cfg, set, next)
	require.NoError(t, err)
	require.NoError(t, w.Start(t.Context(), h))
	return w
}

// Without a journal the state is in a storage extension: a window that was open during a restart has the points of both runs. A damaged
// state is discarded with a reason.
func TestLocalStateSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		id := component.MustNewID("file_storage")
		d := &disk{values: map[string][]byte{}}
		h := host{map[component.ID]component.Component{id: d}}
		tel := componenttest.NewTelemetry()
		sink := &consumertest.MetricsSink{}
		cfg := perMinute(func(c *Config) { c.Storage = &id })
		w := startLocal(t, tel, cfg, sink, h)
		second, err := newWindowRollup(cfg, processortest.NewNopSettings(metadata.Type), sink)
		require.NoError(t, err)
		assert.ErrorContains(t, second.Start(t.Context(), h), "another process, or another pipeline")

		at := time.Now()
		require.NoError(t, w.ConsumeMetrics(t.Context(), requests(at, "a")))
		require.NoError(t, w.Shutdown(t.Context()))
		assert.Zero(t, sink.DataPointCount(), "what is open is saved, not sent")
		w = startLocal(t, tel, cfg, sink, h)
		require.NoError(t, w.ConsumeMetrics(t.Context(), requests(at.Add(1), "a", "b")))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		got := lines(sink.AllMetrics())
		require.Len(t, got, 2)
		assert.Contains(t, got[1], "= 3")
		require.NoError(t, w.Shutdown(t.Context()))

		d.values["chunk.000000"][20] ^= 1
		w = startLocal(t, tel, cfg, sink, h)
		m, err := tel.GetMetric("otelcol_processor_window_rollup_failures")
		require.NoError(t, err)
		assert.Contains(t, fmt.Sprint(m.Data), "restore")
		require.NoError(t, w.Shutdown(t.Context()))
	})
}

// store keeps the first value for one series and time, as a TSDB does, and the test fails when another one comes.
type store struct {
	t      *testing.T
	values map[string]int64
}

func (s *store) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (s *store) ConsumeMetrics(_ context.Context, md pmetric.Metrics) error {
	for _, rm := range md.ResourceMetrics().All() {
		for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
			if m.Type() != pmetric.MetricTypeSum {
				continue
			}
			for _, dp := range m.Sum().DataPoints().All() {
				key := fmt.Sprint(m.Name(), rm.Resource().Attributes().AsRaw(), dp.Attributes().AsRaw(), dp.Timestamp())
				assert.NotContains(s.t, s.values, key)
				s.values[key] = int64(dp.DoubleValue()) + dp.IntValue()
			}
		}
	}
	return nil
}

func (s *store) total(metric string) (total int64) {
	for key, v := range s.values {
		if strings.HasPrefix(key, metric) {
			total += v
		}
	}
	return total
}

// embedded is an extension that holds the journal in this process.
type embedded struct{ component.Component }

func (embedded) JournalRoom(string) journal.Room { return journal.Room{} }

// Two standalone collectors and a gateway receive parts of one service and write into one store. Their journals have partitions of equal
// names: the owner of a separate journal adds its instance to its rollups, also to those past the limit.
func TestAJournalOfItsOwnIsOnTheSeries(t *testing.T) {
	s := &store{t: t, values: map[string]int64{}}
	own := host{map[component.ID]component.Component{component.MustNewID("embedded_kafka"): embedded{}}}
	for instance, users := range map[string][]string{"one": {"a", "b"}, "two": {"c", "d", "e"}, "": {"f", "g"}} {
		h := component.Host(own)
		if instance == "" {
			h = componenttest.NewNopHost() // the gateway
		}
		r := newRigIn(t, h, perMinute(func(c *Config) { c.InstanceID, c.MaxStreams, c.Rules[0].By = instance, 1, []string{"user_id"} }), s)
		require.NoError(t, r.proc.ConsumeMetrics(r.ctx, requests(epoch, users...)))
		r.advance(delivery.Unbounded(), true)
		assert.EqualValues(t, len(users)-1, count(t, r.tel, "folded_points"), "one stream alone has room")
		require.NoError(t, r.proc.Shutdown(t.Context()))
	}
	assert.Equal(t, int64(7), s.total("requests.sum"), "%v", s.values)
	signed := 0
	for key := range s.values {
		if strings.Contains(key, "penstock.instance:one") || strings.Contains(key, "penstock.instance:two") {
			signed++
		} else {
			assert.NotContains(t, key, "penstock.instance")
		}
	}
	assert.Equal(t, 2*(len(s.values)-signed), signed, "those of the two; gateways that share a Kafka share their series")
}

// Two collectors without a journal receive parts of one service and write into one store: each writes series of its own. A store keeps the
// first of two values for one series and time, which made 4 of 44.
func TestInstancesWithoutAJournalWriteNoSeriesTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{t: t, values: map[string]int64{}}
		at := time.Now()
		for instance, users := range map[string][]string{"g1": {"a"}, "g2": {"b", "c", "d"}} {
			w := startLocal(t, componenttest.NewTelemetry(), perMinute(func(c *Config) { c.InstanceID = instance }), s, componenttest.NewNopHost())
			require.NoError(t, w.ConsumeMetrics(t.Context(), requests(at, users...)))
			require.NoError(t, w.Shutdown(t.Context()))
		}
		for key := range s.values {
			assert.Contains(t, key, "penstock.instance:g")
		}
		assert.Equal(t, int64(4), s.total("requests.sum"), "%v", s.values)
	})
}

// Without a storage a shutdown closes and sends what is open, at once.
func TestShutdownWithoutAStorageSendsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &consumertest.MetricsSink{}
		cfg := perMinute(func(c *Config) { c.Emit.BatchPoints = 1 })
		cfg.Rules[0].Windows = append(cfg.Rules[0].Windows, WindowConfig{Size: time.Hour})
		cfg.Rules[0].By = []string{"user_id"}
		w := startLocal(t, componenttest.NewTelemetry(), cfg, sink, componenttest.NewNopHost())
		require.NoError(t, w.ConsumeMetrics(t.Context(), requests(time.Now(), "a", "b", "c")))
		before := time.Now()
		require.NoError(t, w.Shutdown(t.Context()))
		assert.Len(t, lines(sink.AllMetrics()), 12)
		assert.Equal(t, before, time.Now(), "a shutdown does not spread")
		require.NoError(t, w.Shutdown(t.Context()))
	})
}

// Windows that close together are sent in batches, spread over emit::spread, while other batches arrive. The rollup does not wait for a
// slow sink beyond that; a flush that takes longer than the shortest window is counted, and loses nothing.
func TestEmissionIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times []time.Time
		delay := time.Duration(0)
		next, err := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error {
			if md.DataPointCount() > 0 {
				time.Sleep(delay)
				times = append(times, time.Now())
			}
			return nil
		})
		require.NoError(t, err)
		tel := componenttest.NewTelemetry()
		cfg := perMinute(func(c *Config) { c.Emit = EmitConfig{BatchPoints: 2, Spread: 10 * time.Second} })
		cfg.Rules[0].By = []string{"user_id"}
		w := startLocal(t, tel, cfg, next, componenttest.NewNopHost())
		users := []string{"a", "b", "c", "d", "e"}
		require.NoError(t, w.ConsumeMetrics(t.Context(), requests(time.Now(), users...)))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Len(t, times, 5)
		for i := 1; i < len(times); i++ {
			assert.Equal(t, 2*time.Second, times[i].Sub(times[i-1]), "five batches over ten seconds")
		}
		assert.Zero(t, count(t, tel, "flush_overruns"))

		delay = 20 * time.Second
		require.NoError(t, w.ConsumeMetrics(t.Context(), requests(time.Now(), users...)))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		assert.Len(t, times, 10)
		assert.EqualValues(t, 1, count(t, tel, "flush_overruns"))
		require.NoError(t, w.Shutdown(t.Context()))
		assert.EqualValues(t, 20, count(t, tel, "emitted_points"))
	})
}

// A batch that the next component refuses is not counted, so the sender can repeat it.
func TestRefusedBatchCountsOnce(t *testing.T) {
	refuse := true
	sink := &consumertest.MetricsSink{}
	next, err := consumer.NewMetrics(func(ctx context.Context, md pmetric.Metrics) error {
		if refuse {
			return errors.New("come back later")
		}
		return sink.ConsumeMetrics(ctx, md)
	})
	require.NoError(t, err)
	cfg := perMinute()
	cfg.Rules[0].KeepRaw = nil
	w := startLocal(t, componenttest.NewTelemetry(), cfg, next, componenttest.NewNopHost())
	require.Error(t, w.ConsumeMetrics(t.Context(), requests(time.Now(), "a")))
	refuse = false
	require.NoError(t, w.ConsumeMetrics(t.Context(), requests(time.Now(), "a")))
	require.NoError(t, w.Shutdown(t.Context()))
	got := lines(sink.AllMetrics())
	require.Len(t, got, 3, "the raw point, and one window")
	assert.Contains(t, got[0], "requests map")
	assert.Contains(t, got[2], "= 1")
}

// Permanently refused windows are dropped and counted; others are kept and sent again.
func TestRefusedWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answers []error
		next, err := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error {
			if md.DataPointCount() == 0 || len(answers) == 0 {
				return nil
			}
			err := answers[0]
			answers = answers[1:]
			return err
		})
		require.NoError(t, err)
		tel := componenttest.NewTelemetry()
		w := startLocal(t, tel, perMinute(), next, componenttest.NewNopHost())
		answers = []error{errors.New("busy"), consumererror.NewPermanent(errors.New("no"))}
		for range 2 {
			require.NoError(t, w.ConsumeMetrics(t.Context(), requests(time.Now(), "a")))
			time.Sleep(10 * time.Minute)
			synctest.Wait()
		}
		require.NoError(t, w.Shutdown(t.Context()))
		assert.EqualValues(t, 2, count(t, tel, "refused_points"))
		assert.EqualValues(t, 2, count(t, tel, "emitted_points"))
		assert.EqualValues(t, 1, count(t, tel, "failures"))
	})
}

// Late points are passed on with a mark, and logged by metric.
func TestRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &consumertest.MetricsSink{}
		tel := componenttest.NewTelemetry()
		admin := &mounted{}
		w := startLocal(t, tel, perMinute(func(c *Config) { c.OnLate = "route" }), sink, host{map[component.ID]component.Component{component.MustNewID("admin"): admin}})
		at := time.Now()
		require.NoError(t, w.ConsumeMetrics(t.Context(), requests(at, "a")))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		sink.Reset()
		require.NoError(t, w.ConsumeMetrics(t.Context(), requests(at, "a")))
		got := lines(sink.AllMetrics())
		require.Len(t, got, 1)
		assert.Contains(t, got[0], "requests map[service.name:checkout] map[rollup.late:true user_id:a]")

		answer := httptest.NewRecorder()
		admin.page.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/report.json", nil))
		var told report
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &told))
		assert.Equal(t, []lateMetric{{"requests", 1}}, told.Late)
		require.Len(t, told.Partitions, 1)
		assert.Equal(t, "here", told.Partitions[0].Partition)
		answer = httptest.NewRecorder()
		admin.page.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
		assert.Equal(t, http.StatusFound, answer.Code)
		assert.Contains(t, answer.Header().Get("Location"), "../console/#/rollups")
		require.NoError(t, w.Shutdown(t.Context()))
		assert.Nil(t, admin.page)
	})
}

// mounted is an admin extension.
type mounted struct {
	component.Component
	page http.Handler
}

func (m *mounted) Mount(_, _ string, h http.Handler) (func(), error) {
	m.page = h
	return func() { m.page = nil }, nil
}

// Concurrent batches are counted once each, while windows close and are sent.
func TestConcurrentBatches(t *testing.T) {
	var mu sync.Mutex
	var total int64
	next, err := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error {
		mu.Lock()
		defer mu.Unlock()
		for _, rm := range md.ResourceMetrics().All() {
			for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
				if m.Name() == "requests.count" {
					for _, dp := range m.Sum().DataPoints().All() {
						total += dp.IntValue()
					}
				}
			}
		}
		return nil
	})
	require.NoError(t, err)
	tel := componenttest.NewTelemetry()
	w := startLocal(t, tel, perMinute(func(c *Config) { c.Emit = EmitConfig{BatchPoints: 100} }), next, componenttest.NewNopHost())
	w.cfg.Rules[0].By = []string{"user_id"}
	const senders, batches = 4, 200
	begin := time.Now()
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for b := range batches {
				at := begin.Add(time.Duration(b-batches) * time.Second)
				assert.NoError(t, w.ConsumeMetrics(context.Background(), requests(at, "a", fmt.Sprint(s), fmt.Sprint(b))))
			}
		})
	}
	wg.Wait()
	require.NoError(t, w.Shutdown(t.Context()))
	assert.EqualValues(t, 3*senders*batches, total+count(t, tel, "lost_points"))
}

// A delta point that is in two requests, because the sender got no answer, counts once, also after a restart. If the journal drops
// repetitions, equal points of two records are two points.
func TestARepeatedRequestIsRolledUpOnce(t *testing.T) {
	for deduplicated, want := range map[bool]float64{true: 9, false: 4} {
		sink := &consumertest.MetricsSink{}
		r := newRig(t, perMinute(), sink)
		send := func(at time.Time, users ...string) {
			md := requests(at, users...)
			ctx := origin.With(r.ctx, md, []origin.Part{{Resources: 1, Deduplicated: deduplicated}})
			require.NoError(t, r.proc.ConsumeMetrics(ctx, md))
		}
		send(epoch.Add(time.Second), "a")
		for range 2 {
			send(epoch.Add(2*time.Second), "a", "a", "b")
		}
		var state bytes.Buffer
		require.NoError(t, r.session.Snapshot(&state))
		r.start(state.Bytes())
		send(epoch.Add(2*time.Second), "a")
		send(epoch.Add(2*time.Second), "b")
		r.advance(delivery.Unbounded(), true)
		got := lines(sink.AllMetrics())
		require.Len(t, got, 2)
		for _, line := range got {
			assert.Contains(t, line, fmt.Sprintf("= %v", want))
		}
	}
}
