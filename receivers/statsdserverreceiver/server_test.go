package statsdserverreceiver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/internal/readmetest"
	"github.com/penstockhq/penstock/receivers/statsdserverreceiver/internal/metadatatest"
)

// harness is a receiver with the metrics that it has sent.
type harness struct {
	t    *testing.T
	tel  *componenttest.Telemetry
	sink *consumertest.MetricsSink
	r    *server
}

// start starts a receiver whose interval only ends at Shutdown, unless change says otherwise.
func start(t *testing.T, next consumer.Metrics, change func(*Config)) *harness {
	t.Helper()
	h := &harness{t: t, tel: componenttest.NewTelemetry(), sink: new(consumertest.MetricsSink)}
	if next == nil {
		next = h.sink
	}
	cfg := createDefaultConfig().(*Config)
	cfg.Endpoint = "127.0.0.1:0,unixgram://" + freeport.Socket(t)
	cfg.AggregationInterval = time.Hour
	if change != nil {
		change(cfg)
	}
	require.NoError(t, cfg.Validate())
	set := metadatatest.NewSettings(h.tel)
	r, err := NewFactory().CreateMetrics(t.Context(), set, cfg, next)
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), componenttest.NewNopHost()))
	h.r = r.(*server)
	return h
}

// send writes one text over a socket of the receiver: udp, tcp or unixgram.
func (h *harness) send(network, text string) {
	h.t.Helper()
	for _, a := range h.r.listener.Addresses() {
		if a.Network() != network {
			continue
		}
		conn, err := net.Dial(network, a.String())
		require.NoError(h.t, err)
		_, err = conn.Write([]byte(text))
		require.NoError(h.t, err)
		require.NoError(h.t, conn.Close())
	}
}

// await waits until n lines were accepted.
func (h *harness) await(n int64) {
	h.t.Helper()
	require.EventuallyWithT(h.t, func(c *assert.CollectT) {
		assert.Equal(c, n, h.counted("otelcol_receiver_statsd_server_accepted_lines"))
	}, time.Minute, time.Millisecond)
}

func (h *harness) counted(name string) (n int64) {
	m, err := h.tel.GetMetric(name)
	if err != nil {
		return 0
	}
	for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
		n += p.Value
	}
	return n
}

// stop returns the metrics by name, and ends the receiver.
func (h *harness) stop() map[string]pmetric.Metric {
	h.t.Helper()
	require.NoError(h.t, h.r.Shutdown(context.Background()))
	require.NoError(h.t, h.r.Shutdown(context.Background()))
	all := map[string]pmetric.Metric{}
	for _, metrics := range h.sink.AllMetrics() {
		for _, rm := range metrics.ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					all[m.Name()] = m
				}
			}
		}
	}
	return all
}

// Fractions are kept, over every kind of socket, and a stop sends everything that was counted.
func TestFractionsStay(t *testing.T) {
	for _, network := range []string{"udp", "tcp", "unixgram"} {
		h := start(t, nil, nil)
		h.send(network, strings.Repeat("sampled:1|c|@0.7\nhalf:0.5|c\ntime:320|ms|@0.7\n", 100))
		h.send(network, "hits:1|c|#canary,env:prod\nhits:-3|c\r\nqueue:7|g\nqueue:-2.5|g\nusers:ann|s\nusers:bob|s\n\nlast:1|c")
		h.await(307)
		all := h.stop()
		point := func(name string) pmetric.NumberDataPoint {
			require.Contains(t, all, name, network)
			if all[name].Type() == pmetric.MetricTypeGauge {
				return all[name].Gauge().DataPoints().At(0)
			}
			return all[name].Sum().DataPoints().At(0)
		}
		assert.InDelta(t, 142.857142857, point("sampled").DoubleValue(), 1e-6)
		assert.InDelta(t, 50, point("half").DoubleValue(), 1e-9)
		assert.True(t, all["half"].Sum().IsMonotonic())
		assert.Equal(t, pmetric.AggregationTemporalityDelta, all["half"].Sum().AggregationTemporality())
		assert.Positive(t, point("half").StartTimestamp())
		assert.False(t, all["hits"].Sum().IsMonotonic(), "something negative was sent")
		assert.Equal(t, 2, all["hits"].Sum().DataPoints().Len())
		assert.Equal(t, 4.5, point("queue").DoubleValue())
		assert.Equal(t, int64(2), point("users").IntValue())
		assert.Equal(t, 1.0, point("last").DoubleValue())
		time := all["time"].ExponentialHistogram().DataPoints().At(0)
		assert.Equal(t, uint64(143), time.Count())
		assert.InDelta(t, 320*142.857142857, time.Sum(), 1e-3)
		assert.Equal(t, "ms", all["time"].Unit())
	}
}

func TestTagsAndSenders(t *testing.T) {
	h := start(t, nil, func(c *Config) { c.ServiceName = "fallback" })
	h.send("udp", "a:1|c|#canary,env:prod,env:test,service:shop,url:http://x/y\nb:1|c|c:ci-83c0\nc:2|c|T1656581400\nd:1|c|#caf\xe9")
	h.await(4)
	all := h.stop()
	assert.Equal(t, map[string]any{"canary": "", "env": "prod,test", "service": "shop", "url": "http://x/y"}, all["a"].Sum().DataPoints().At(0).Attributes().AsRaw())
	assert.Equal(t, time.Unix(1656581400, 0).UTC(), all["c"].Sum().DataPoints().At(0).Timestamp().AsTime())
	assert.Equal(t, map[string]any{"caf\uFFFD": ""}, all["d"].Sum().DataPoints().At(0).Attributes().AsRaw())
	resources := map[string]map[string]any{}
	for _, rm := range h.sink.AllMetrics()[0].ResourceMetrics().All() {
		for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
			resources[m.Name()] = rm.Resource().Attributes().AsRaw()
		}
	}
	assert.Equal(t, map[string]map[string]any{"a": {"service.name": "shop"}, "b": {"service.name": "fallback", "container.id": "83c0"},
		"c": {"service.name": "fallback"}, "d": {"service.name": "fallback"}}, resources)
}

func TestSummaries(t *testing.T) {
	h := start(t, nil, func(c *Config) { c.Timers, c.Percentiles = summary, []float64{0, 50, 100} })
	h.send("udp", "time:1:2:3:4:5|d|@0.5")
	h.await(1)
	d := h.stop()["time"].Summary().DataPoints().At(0)
	assert.Equal(t, uint64(10), d.Count())
	assert.Equal(t, 30.0, d.Sum())
	for i, want := range []float64{1, 3, 5} {
		assert.InEpsilon(t, want, d.QuantileValues().At(i).Value(), 0.01)
	}
}

// Every refused line is counted, each time, with its reason.
func TestRefusedLinesAreCounted(t *testing.T) {
	h := start(t, nil, func(c *Config) { c.MaxMemory = leastMemory })
	for range 5 {
		h.send("unixgram", "_e{5,4}:title|text\n_sc|redis|0\nhits:one|c\nhits:1|x\nhits:1|c|@2\nok:1|c\n")
	}
	h.send("tcp", strings.Repeat("x", 2*maxLine)+"\nok:1|c\nok:2|c")
	h.await(7)
	var streams strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&streams, "t%d:1|h\n", i)
	}
	h.send("tcp", streams.String())
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Equal(c, int64(7+1000+26), h.counted("otelcol_receiver_statsd_server_accepted_lines")+h.counted("otelcol_receiver_statsd_server_refused_lines"))
	}, time.Minute, time.Millisecond)
	full := int64(1007) - h.counted("otelcol_receiver_statsd_server_accepted_lines")
	assert.Positive(t, full)
	var want []metricdata.DataPoint[int64]
	for reason, n := range map[string]int64{"event": 5, "service_check": 5, "bad_value": 5, "unknown_type": 5, "bad_rate": 5, "too_long": 1, "memory_full": full} {
		want = append(want, metricdata.DataPoint[int64]{Attributes: attribute.NewSet(attribute.String("reason", reason)), Value: n})
	}
	metadatatest.AssertEqualReceiverStatsdServerRefusedLines(t, h.tel, want, metricdatatest.IgnoreTimestamp())
	h.stop()
}

// refusing keeps metrics, or refuses them with an error.
type refusing struct {
	consumertest.MetricsSink
	mu  sync.Mutex
	err error // guarded by mu
}

func (m *refusing) ConsumeMetrics(ctx context.Context, metrics pmetric.Metrics) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	return m.MetricsSink.ConsumeMetrics(ctx, metrics)
}

// accept lets it keep metrics from now on.
func (m *refusing) accept() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = nil
}

// An interval that the pipeline does not accept continues, and nothing of it is lost.
func TestARefusedIntervalGoesOn(t *testing.T) {
	next := &refusing{err: errors.New("full")}
	h := start(t, next, nil)
	h.send("udp", "hits:1|c\ntime:5|ms")
	h.await(2)
	begun := h.r.begun
	assert.Equal(t, 2, h.r.flush(t.Context(), time.Now()))
	h.send("udp", "hits:2|c\ntime:7|ms")
	h.await(4)
	next.accept()
	h.stop()
	require.Len(t, next.AllMetrics(), 1)
	for _, m := range next.AllMetrics()[0].ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		if m.Name() == "hits" {
			assert.Equal(t, 3.0, m.Sum().DataPoints().At(0).DoubleValue())
			assert.Equal(t, begun.UnixNano(), m.Sum().DataPoints().At(0).StartTimestamp().AsTime().UnixNano())
		} else {
			assert.Equal(t, 12.0, m.ExponentialHistogram().DataPoints().At(0).Sum())
		}
	}
	assert.Zero(t, h.counted("otelcol_receiver_statsd_server_lost_points"))
}

func TestWhatIsRefusedForGoodIsCounted(t *testing.T) {
	next := &refusing{err: consumererror.NewPermanent(errors.New("never"))}
	h := start(t, next, nil)
	h.send("udp", "hits:1|c\ntime:5|ms")
	h.await(2)
	h.stop()
	assert.Equal(t, int64(2), h.counted("otelcol_receiver_statsd_server_lost_points"))
}

func TestIntervals(t *testing.T) {
	h := start(t, nil, func(c *Config) { c.AggregationInterval = time.Millisecond })
	h.send("udp", "hits:1|c")
	require.EventuallyWithT(t, func(c *assert.CollectT) { assert.NotZero(c, h.sink.DataPointCount()) }, time.Minute, time.Millisecond)
	h.stop()
	assert.Equal(t, 1, h.sink.DataPointCount())
}

func TestStartFails(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	cfg := createDefaultConfig().(*Config)
	cfg.Endpoint = "udp://" + taken.LocalAddr().String()
	r, err := NewFactory().CreateMetrics(t.Context(), metadatatest.NewSettings(componenttest.NewTelemetry()), cfg, consumertest.NewNop())
	require.NoError(t, err)
	assert.ErrorContains(t, r.Start(t.Context(), componenttest.NewNopHost()), cfg.Endpoint)
	require.NoError(t, r.Shutdown(t.Context()))
}

// The README's examples are valid, and each wrong value is named by its key.
func TestConfig(t *testing.T) {
	readmetest.Load(t, "receivers", NewFactory(), nil)
	for key, change := range map[string]func(*Config){
		"endpoint":             func(c *Config) { c.Endpoint = "localhost" },
		"endpoint: ":           func(c *Config) { c.Endpoint = "tls://localhost:1" },
		"socket_permissions":   func(c *Config) { c.SocketPermissions = "rw" },
		"aggregation_interval": func(c *Config) { c.AggregationInterval = 0 },
		"timers":               func(c *Config) { c.Timers = "gauge" },
		"max_buckets":          func(c *Config) { c.MaxBuckets = 1 },
		"percentiles":          func(c *Config) { c.Percentiles = []float64{101} },
		"service_name":         func(c *Config) { c.ServiceName = "" },
		"max_memory":           func(c *Config) { c.MaxMemory = 1 },
		"max_connections":      func(c *Config) { c.MaxConnections = 0 },
	} {
		cfg := createDefaultConfig().(*Config)
		change(cfg)
		assert.ErrorContains(t, cfg.Validate(), key)
	}
}
