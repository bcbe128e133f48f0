package remotewrite

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/prometheusremotewriteexporter"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/featuregate"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter"
	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/testbed/internal/measure"
)

const (
	batchesPerRun = 10
	services      = 20
	attributes    = 8 // with job and instance: 10 labels and the name
)

// receiver reads requests and checks their content against the expectation.
type receiver struct {
	*httptest.Server
	bytes atomic.Int64
}

func newReceiver(b *testing.B) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		n, err := io.Copy(io.Discard, req.Body)
		if err != nil {
			b.Error(err)
		}
		r.bytes.Add(n)
		for _, kind := range []string{"Samples", "Histograms", "Exemplars"} {
			w.Header().Set("X-Prometheus-Remote-Write-"+kind+"-Written", strconv.Itoa(1<<30))
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	b.Cleanup(r.Close)
	return r
}

func start(b *testing.B, f exporter.Factory, edit func(cfg any)) exporter.Metrics {
	b.Helper()
	cfg := f.CreateDefaultConfig()
	edit(cfg)
	e, err := f.CreateMetrics(b.Context(), exportertest.NewNopSettings(f.Type()), cfg)
	require.NoError(b, err)
	require.NoError(b, e.Start(b.Context(), componenttest.NewNopHost()))
	b.Cleanup(func() { require.NoError(b, e.Shutdown(context.Background())) })
	return e
}

// ours has no queue, so that a call returns when all is delivered.
func ours(b *testing.B, url, protocol string) exporter.Metrics {
	return start(b, prometheustsdbexporter.NewFactory(), func(cfg any) {
		c := cfg.(*prometheustsdbexporter.Config)
		c.HTTP.Endpoint, c.Protocol = url, protocol
		c.Queue = configoptional.None[exporterhelper.QueueBatchConfig]()
	})
}

func theirs(b *testing.B, url, protocol string) exporter.Metrics {
	return start(b, prometheusremotewriteexporter.NewFactory(), func(cfg any) {
		c := cfg.(*prometheusremotewriteexporter.Config)
		c.HTTP.Endpoint = url
		c.RemoteWriteQueue.Enabled = false
		c.DisableScopeInfo = true // as ours by default
		if protocol == "2.0" {
			require.NoError(b, featuregate.GlobalRegistry().Set("exporter.prometheusremotewritexporter.enableSendingRW2", true))
			c.RemoteWriteProtoMsg = remoteapi.WriteV2MessageType
		}
	})
}

// workload makes a batch of n points at a time.
type workload struct {
	name  string
	n     int
	point func(m pmetric.Metric, series int, at pcommon.Timestamp) pcommon.Map
}

var workloads = []workload{
	{"sums", 20_000, func(m pmetric.Metric, series int, at pcommon.Timestamp) pcommon.Map {
		if m.Type() == pmetric.MetricTypeEmpty {
			m.SetEmptySum().SetIsMonotonic(true)
			m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		}
		p := m.Sum().DataPoints().AppendEmpty()
		p.SetTimestamp(at)
		p.SetStartTimestamp(at - 1e12)
		p.SetIntValue(int64(series) + int64(at%1000))
		return p.Attributes()
	}},
	{"gauges", 20_000, func(m pmetric.Metric, series int, at pcommon.Timestamp) pcommon.Map {
		if m.Type() == pmetric.MetricTypeEmpty {
			m.SetEmptyGauge()
		}
		p := m.Gauge().DataPoints().AppendEmpty()
		p.SetTimestamp(at)
		p.SetDoubleValue(float64(series) * 1.1)
		return p.Attributes()
	}},
	{"histograms", 2_000, func(m pmetric.Metric, series int, at pcommon.Timestamp) pcommon.Map {
		if m.Type() == pmetric.MetricTypeEmpty {
			m.SetUnit("s")
			m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		}
		p := m.Histogram().DataPoints().AppendEmpty()
		p.SetTimestamp(at)
		p.SetStartTimestamp(at - 1e12)
		p.SetCount(110)
		p.SetSum(float64(series))
		p.ExplicitBounds().FromRaw([]float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5})
		p.BucketCounts().FromRaw([]uint64{10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10})
		return p.Attributes()
	}},
	{"exponential", 5_000, func(m pmetric.Metric, series int, at pcommon.Timestamp) pcommon.Map {
		if m.Type() == pmetric.MetricTypeEmpty {
			m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		}
		p := m.ExponentialHistogram().DataPoints().AppendEmpty()
		p.SetTimestamp(at)
		p.SetStartTimestamp(at - 1e12)
		p.SetCount(800)
		p.SetSum(float64(series))
		p.SetScale(3)
		counts := make([]uint64, 80)
		for i := range counts {
			counts[i] = 10
		}
		p.Positive().BucketCounts().FromRaw(counts)
		return p.Attributes()
	}},
}

func (w workload) batch(at time.Time) pmetric.Metrics {
	md := pmetric.NewMetrics()
	const metrics = 10
	for s := range services {
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", fmt.Sprintf("service-%02d", s))
		rm.Resource().Attributes().PutStr("service.instance.id", fmt.Sprintf("6f9a2b1c-%04d", s))
		rm.Resource().Attributes().PutStr("host.name", "worker-17")
		ms := rm.ScopeMetrics().AppendEmpty().Metrics()
		for k := range metrics {
			m := ms.AppendEmpty()
			m.SetName(fmt.Sprintf("http.server.request.kind_%d", k))
			m.SetDescription("What the service did.")
			for i := range w.n / services / metrics {
				a := w.point(m, s*1000+i, pcommon.NewTimestampFromTime(at))
				a.EnsureCapacity(attributes)
				a.PutStr("http.request.method", []string{"GET", "POST", "PUT"}[i%3])
				a.PutInt("http.response.status_code", int64(200+i%5))
				a.PutStr("http.route", fmt.Sprintf("/api/v1/things/%d", i))
				a.PutStr("url.scheme", "https")
				a.PutStr("network.protocol.version", "1.1")
				a.PutStr("server.address", "shop.example.com")
				a.PutInt("server.port", 443)
				a.PutStr("error.type", "none")
			}
		}
	}
	return md
}

// cost is the cost of a run.
type cost struct {
	cpu    time.Duration
	allocs uint64
	bytes  int64
}

func run(b *testing.B, e exporter.Metrics, r *receiver, batches []pmetric.Metrics) cost {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	sent, start := r.bytes.Load(), cputime.Spent()
	for _, md := range batches {
		require.NoError(b, e.ConsumeMetrics(b.Context(), md))
	}
	c := cost{cpu: cputime.Spent() - start, bytes: r.bytes.Load() - sent}
	runtime.ReadMemStats(&after)
	c.allocs = after.Mallocs - before.Mallocs
	return c
}

func BenchmarkAgainstContrib(b *testing.B) {
	for _, w := range workloads {
		for _, protocol := range []string{"1.0", "2.0"} {
			b.Run(w.name+"/"+protocol, func(b *testing.B) {
				r := newReceiver(b)
				a, c := ours(b, r.URL, protocol), theirs(b, r.URL, protocol)
				var speed, allocs, wire, perCore []float64
				at := time.Now().Add(-time.Hour)
				for b.Loop() {
					batches := make([]pmetric.Metrics, batchesPerRun)
					for i := range batches {
						at = at.Add(15 * time.Second)
						batches[i] = w.batch(at)
						batches[i].MarkReadOnly()
					}
					x, y := run(b, a, r, batches), run(b, c, r, batches)
					speed = append(speed, y.cpu.Seconds()/x.cpu.Seconds())
					allocs = append(allocs, float64(y.allocs)/float64(x.allocs))
					wire = append(wire, float64(x.bytes)/float64(y.bytes))
					perCore = append(perCore, float64(w.n*batchesPerRun)/x.cpu.Seconds())
				}
				measure.Report(b, speed, "x-speed")
				measure.Report(b, allocs, "x-fewer-allocs")
				measure.Report(b, wire, "x-bytes")
				measure.Report(b, perCore, "points/cpu-s")
			})
		}
	}
}

// BenchmarkBytes compares the two versions of the protocol, both by our exporter.
func BenchmarkBytes(b *testing.B) {
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) {
			r := newReceiver(b)
			one, two := ours(b, r.URL, "1.0"), ours(b, r.URL, "2.0")
			var ratio, speed []float64
			for b.Loop() {
				batches := []pmetric.Metrics{w.batch(time.Now())}
				x, y := run(b, one, r, batches), run(b, two, r, batches)
				ratio = append(ratio, float64(y.bytes)/float64(x.bytes))
				speed = append(speed, x.cpu.Seconds()/y.cpu.Seconds())
			}
			measure.Report(b, ratio, "bytes-2.0/1.0")
			measure.Report(b, speed, "speed-2.0/1.0")
		})
	}
}
