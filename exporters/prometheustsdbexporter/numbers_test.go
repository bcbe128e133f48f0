package prometheustsdbexporter

import (
	"context"
	"math"
	"net/http/httptest"
	"testing"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/metadata"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/metadatatest"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/origin"
)

// ignore are the options that no test compares.
var ignore = []metricdatatest.Option{metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars()}

// ways are the two ways to send samples.
func ways(t *testing.T, f func(t *testing.T, cfg *Config, h host, db *database)) {
	t.Helper()
	t.Run("in process", func(t *testing.T) {
		db := newDatabase(t)
		cfg := noQueue(func(cfg *Config) { cfg.TSDB = component.MustNewID("embedded_tsdb") })
		f(t, cfg, host{cfg.TSDB: db}, db)
	})
	t.Run("remote write", func(t *testing.T) {
		db := newDatabase(t, remoteapi.WriteV2MessageType)
		srv := httptest.NewServer(db.write)
		t.Cleanup(srv.Close)
		f(t, noQueue(func(cfg *Config) { cfg.HTTP.Endpoint = srv.URL }), host{}, db)
	})
}

// request is one entry of one resource; name is that of a sum or gauge.
func request(fill func(resource pcommon.Map, m pmetric.Metric)) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	fill(rm.Resource().Attributes(), rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty())
	return md
}

// deltas adds a point of each value at t to the delta sum m.
func deltas(m pmetric.Metric, t time.Time, values ...float64) {
	if m.Type() != pmetric.MetricTypeSum {
		m.SetName("orders")
		m.SetEmptySum().SetIsMonotonic(true)
		m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	}
	for _, v := range values {
		p := m.Sum().DataPoints().AppendEmpty()
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(t.Add(-10 * time.Second)))
		p.SetTimestamp(pcommon.NewTimestampFromTime(t))
		p.SetDoubleValue(v)
	}
}

func one(v string) map[string]string {
	return map[string]string{`{__name__="orders_total", job="shop"}`: v}
}

// Three pods with one resource report aligned steps: 12 steps of 10, 20 and 30 are 720, in one request or in three.
func TestThreePodsOfOneResource(t *testing.T) {
	now := time.Now()
	for _, requests := range [][][]float64{{{10, 20, 30}}, {{10}, {20}, {30}}, {{20}, {20}, {20}}} {
		ways(t, func(t *testing.T, cfg *Config, h host, db *database) {
			var mds []pmetric.Metrics
			for step := range 12 {
				for i, values := range requests {
					mds = append(mds, request(func(_ pcommon.Map, m pmetric.Metric) {
						deltas(m, now.Add(time.Duration(step-12)*10*time.Second), values...)
						for _, p := range m.Sum().DataPoints().All() {
							p.SetStartTimestamp(p.StartTimestamp() + pcommon.Timestamp(i)) // each began at a time of its own
						}
					}))
				}
			}
			_, err := export(t, cfg, h, mds...)
			require.NoError(t, err)
			assert.Equal(t, one("720"), db.values("orders_total", now))
		})
	}
}

// A repeated request adds nothing without a journal, and is counted; with a journal its record was already dropped, and equal points are
// two points.
func TestEqualPoints(t *testing.T) {
	now := time.Now().Add(-time.Minute)
	equal := func() pmetric.Metrics { return request(func(_ pcommon.Map, m pmetric.Metric) { deltas(m, now, 5, 5) }) }
	cfg := noQueue(func(cfg *Config) { cfg.TSDB = component.MustNewID("embedded_tsdb") })
	db := newDatabase(t)
	tel, err := export(t, cfg, host{cfg.TSDB: db}, equal(), equal())
	require.NoError(t, err)
	assert.Equal(t, one("10"), db.values("orders_total", now.Add(time.Second)))
	metadatatest.AssertEqualExporterPrometheusTsdbRefusedDatapoints(t, tel, []metricdata.DataPoint[int64]{{Value: 2, Attributes: of("delta_repeated")}}, ignore...)

	for deduplicated, want := range map[bool]string{false: "10", true: "20"} {
		db := newDatabase(t)
		e := running(t, cfg, host{cfg.TSDB: db})
		s, err := delivery.NewSession(delivery.Settings{Label: "penstock.metrics-0"})
		require.NoError(t, err)
		both := equal() // two records in one range
		equal().ResourceMetrics().MoveAndAppendTo(both.ResourceMetrics())
		part := origin.Part{Resources: 1, Deduplicated: deduplicated}
		require.NoError(t, e.ConsumeMetrics(origin.With(delivery.With(t.Context(), s), both, []origin.Part{part, part}), both))
		assert.Equal(t, one(want), db.values("orders_total", now.Add(time.Second)), "deduplicated %v", deduplicated)
	}
}

func TestNothingInfiniteEntersATotal(t *testing.T) {
	now := time.Now()
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		ways(t, func(t *testing.T, cfg *Config, h host, db *database) {
			histograms := func(exponential bool) pmetric.Metrics {
				return request(func(_ pcommon.Map, m pmetric.Metric) {
					m.SetName("latency")
					for i, sum := range []float64{7, bad, 7} {
						at := pcommon.NewTimestampFromTime(now.Add(time.Duration(i-3) * time.Second))
						if exponential {
							m.SetName("size")
							if i == 0 {
								m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
							}
							p := m.ExponentialHistogram().DataPoints().AppendEmpty()
							p.SetTimestamp(at)
							p.SetCount(1)
							p.SetZeroCount(1)
							p.SetSum(sum)
							continue
						}
						if i == 0 {
							m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
						}
						p := m.Histogram().DataPoints().AppendEmpty()
						p.SetTimestamp(at)
						p.SetCount(1)
						p.SetSum(sum)
					}
				})
			}
			tel, err := export(t, cfg, h, request(func(_ pcommon.Map, m pmetric.Metric) {
				for i, v := range []float64{7, bad, 7} {
					deltas(m, now.Add(time.Duration(i-3)*time.Second), v)
				}
			}), histograms(false), histograms(true))
			require.NoError(t, err)
			assert.Equal(t, one("14"), db.values("orders_total", now))
			assert.Equal(t, map[string]string{`{__name__="latency_sum", job="shop"}`: "14"}, db.values("latency_sum", now))
			assert.Equal(t, map[string]string{`{__name__="latency_count", job="shop"}`: "3"}, db.values("latency_count", now))
			assert.Equal(t, map[string]string{`{job="shop"}`: "14"}, db.values("histogram_sum(size)", now))
			metadatatest.AssertEqualExporterPrometheusTsdbRefusedDatapoints(t, tel, []metricdata.DataPoint[int64]{{Value: 1, Attributes: of("not_finite")}}, ignore...)
			metadatatest.AssertEqualExporterPrometheusTsdbMissingSums(t, tel, []metricdata.DataPoint[int64]{{Value: 2, Attributes: of("not_finite")}}, ignore...)
		})
	}
}

// After a deployment with other bounds percentiles are right as soon as the range has only new points, and counts lose nothing.
func TestADeployWithOtherBounds(t *testing.T) {
	now := time.Now()
	ways(t, func(t *testing.T, cfg *Config, h host, db *database) {
		latency := func(ago time.Duration, bounds []float64, counts ...uint64) pmetric.Metrics {
			return request(func(_ pcommon.Map, m pmetric.Metric) {
				m.SetName("latency")
				m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
				p := m.Histogram().DataPoints().AppendEmpty()
				p.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-ago - 10*time.Second)))
				p.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(-ago)))
				p.ExplicitBounds().FromRaw(bounds)
				p.BucketCounts().FromRaw(counts)
				for _, n := range counts {
					p.SetCount(p.Count() + n)
				}
			})
		}
		mds := []pmetric.Metrics{latency(200*time.Second, []float64{1, 2}, 1, 1, 0)}
		for ago := 190 * time.Second; ago >= 0; ago -= 10 * time.Second {
			mds = append(mds, latency(ago, []float64{10, 20}, 1, 9, 0))
		}
		tel, err := export(t, cfg, h, mds...)
		require.NoError(t, err)
		p90 := db.values("histogram_quantile(0.9, rate(latency_bucket[2m]))", now)
		require.Len(t, p90, 1)
		assert.Regexp(t, `^1[0-9]\.`, p90[`{job="shop"}`], "in (10, 20]")
		// 2, then a total from 0: all 20 points of 10 count, the first as well.
		assert.Equal(t, map[string]string{`{job="shop"}`: "1"}, db.values("resets(latency_count[5m])", now))
		assert.Equal(t, map[string]string{`{__name__="latency_count", job="shop"}`: "200"}, db.values("latency_count", now))
		assert.Equal(t, map[string]string{`{job="shop", le="20"}`: "0"}, db.values(`min_over_time(latency_bucket{le="20"}[5m])`, now))
		metadatatest.AssertEqualExporterPrometheusTsdbRestartedTotals(t, tel, []metricdata.DataPoint[int64]{{Value: 1, Attributes: of("bounds")}}, ignore...)
	})
}

// Two processes without service.instance.id, with steps of 100 and 1, one label that is empty in one of them and a number in
// the other: one series, which grows by what both report.
func TestTwoProcessesOfOneSeries(t *testing.T) {
	now := time.Now()
	ways(t, func(t *testing.T, cfg *Config, h host, db *database) {
		var mds []pmetric.Metrics
		for step := range 20 {
			for pid, v := range []float64{100, 1} {
				mds = append(mds, request(func(resource pcommon.Map, m pmetric.Metric) {
					resource.PutInt("process.pid", int64(pid))
					deltas(m, now.Add(time.Duration(step-20)*10*time.Second+time.Duration(pid)*time.Second), v)
					a := m.Sum().DataPoints().At(0).Attributes()
					if pid == 0 {
						a.PutInt("code", 200)
						a.PutStr("k", "")
					} else {
						a.PutStr("code", "200")
					}
				}))
			}
		}
		tel, err := export(t, cfg, h, mds...)
		require.NoError(t, err)
		assert.Equal(t, map[string]string{`{__name__="orders_total", code="200", job="shop"}`: "2020"}, db.values("orders_total", now))
		assert.Equal(t, map[string]string{`{code="200", job="shop"}`: "0"}, db.values("resets(orders_total[5m])", now))
		_, err = tel.GetMetric("otelcol_exporter_prometheus_tsdb_refused_samples")
		require.Error(t, err, "nothing was refused")
	})
}

// More than a point a millisecond: samples stay within 10 ms of their points, and the total is what was sent.
func TestMorePointsThanMilliseconds(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	ways(t, func(t *testing.T, cfg *Config, h host, db *database) {
		var mds []pmetric.Metrics
		for second := range 6 {
			mds = append(mds, request(func(_ pcommon.Map, m pmetric.Metric) {
				for i := range 20_000 {
					deltas(m, now.Add(time.Duration(second-6)*time.Second+time.Duration(i)*50*time.Microsecond), 1)
				}
			}))
		}
		_, err := export(t, cfg, h, mds...)
		require.NoError(t, err)
		assert.Equal(t, one("120000"), db.values("orders_total", now.Add(10*time.Millisecond)))
		assert.Empty(t, db.values("count_over_time(orders_total[10s])", now.Add(11*time.Second)), "no sample is ahead of its point")
	})
}

// One value a millisecond: the last of a request, and the first of several records. The rest is counted.
func TestOneMillisecond(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond).Add(-time.Second)
	level := func(values ...float64) pmetric.Metrics {
		return request(func(_ pcommon.Map, m pmetric.Metric) {
			m.SetName("dup1")
			m.SetEmptyGauge()
			for i, v := range values {
				p := m.Gauge().DataPoints().AppendEmpty()
				p.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(time.Duration(i/4) * time.Millisecond)))
				p.SetDoubleValue(v)
			}
		})
	}
	refused := func(tel *componenttest.Telemetry, n int64) {
		metadatatest.AssertEqualExporterPrometheusTsdbRefusedSamples(t, tel, []metricdata.DataPoint[int64]{{Value: n, Attributes: of("duplicate")}}, ignore...)
	}
	ways(t, func(t *testing.T, cfg *Config, h host, db *database) {
		tel, err := export(t, cfg, h, level(1, 2))
		require.NoError(t, err)
		assert.Equal(t, map[string]string{`{__name__="dup1", job="shop"}`: "2"}, db.values("dup1", now))
		refused(tel, 1)
	})
	ways(t, func(t *testing.T, cfg *Config, h host, db *database) {
		tel, err := export(t, cfg, h, level(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20))
		require.NoError(t, err)
		assert.Equal(t, map[string]string{`{job="shop"}`: "5"}, db.values("count_over_time(dup1[1m])", now.Add(time.Second)))
		assert.Equal(t, map[string]string{`{job="shop"}`: "60"}, db.values("sum_over_time(dup1[1m])", now.Add(time.Second)), "4, 8, 12, 16, 20")
		refused(tel, 15)
	})
	ways(t, func(t *testing.T, cfg *Config, h host, db *database) {
		s, err := delivery.NewSession(delivery.Settings{Label: "penstock.metrics-0"})
		require.NoError(t, err)
		e := running(t, cfg, h)
		both := level(1, 2)
		level(3).ResourceMetrics().MoveAndAppendTo(both.ResourceMetrics())
		require.NoError(t, e.ConsumeMetrics(origin.With(delivery.With(t.Context(), s), both, []origin.Part{{Resources: 1}, {Resources: 1}}), both))
		assert.Equal(t, map[string]string{`{__name__="dup1", job="shop"}`: "2"}, db.values("dup1", now))
	})
}

// A missing value is not 0: a counter of 1000 and 1010 grows by 10.
func TestWhatIsNotThereIsNoNumber(t *testing.T) {
	now := time.Now()
	for _, flagged := range []bool{false, true} {
		ways(t, func(t *testing.T, cfg *Config, h host, db *database) {
			_, err := export(t, cfg, h, request(func(_ pcommon.Map, m pmetric.Metric) {
				deltas(m, now.Add(-20*time.Second), 1000)
				m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
				p := m.Sum().DataPoints().AppendEmpty()
				p.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(-10 * time.Second)))
				p.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(flagged))
				deltas(m, now, 1010)
			}))
			require.NoError(t, err)
			assert.Equal(t, map[string]string{`{job="shop"}`: "10"}, db.values("orders_total - min_over_time(orders_total[1m])", now))
			assert.Equal(t, map[string]string{`{job="shop"}`: "0"}, db.values("resets(orders_total[1m])", now))
		})
	}
}

// A window of an hour has two streams of an app that restarted within it. Gauge values of both at its end are no collision: one series
// continues, and a hint is counted. Two counters at one time still are.
func TestARestartIsNoCollision(t *testing.T) {
	now := time.Now().Truncate(time.Second).Add(-time.Second)
	window := func(pid int64, level bool) pmetric.Metrics {
		return request(func(resource pcommon.Map, m pmetric.Metric) {
			resource.PutInt("process.pid", pid)
			m.SetName("pool.avg")
			ps := m.SetEmptyGauge().DataPoints()
			if !level {
				m.SetEmptySum().SetIsMonotonic(true)
				m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
				ps = m.Sum().DataPoints()
			}
			p := ps.AppendEmpty()
			p.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-time.Hour)))
			p.SetTimestamp(pcommon.NewTimestampFromTime(now))
			p.SetDoubleValue(float64(pid))
		})
	}
	ways(t, func(t *testing.T, cfg *Config, h host, db *database) {
		tel, err := export(t, cfg, h, window(1, true), window(2, true))
		require.NoError(t, err)
		assert.Equal(t, map[string]string{`{__name__="pool_avg", job="shop"}`: "1"}, db.values("pool_avg", now))
		_, err = tel.GetMetric("otelcol_exporter_prometheus_tsdb_refused_samples")
		require.Error(t, err, "nothing was refused")
		metadatatest.AssertEqualExporterPrometheusTsdbCollidingSamples(t, tel, []metricdata.DataPoint[int64]{{Value: 1, Attributes: of("")}}, ignore...)
	})
	ways(t, func(t *testing.T, cfg *Config, h host, db *database) {
		tel, err := export(t, cfg, h, window(1, false), window(2, false))
		require.NoError(t, err)
		metadatatest.AssertEqualExporterPrometheusTsdbRefusedSamples(t, tel, []metricdata.DataPoint[int64]{{Value: 1, Attributes: of("collision")}}, ignore...)
	})
}

// A negative increase of a monotonic sum would make the total fall, and PromQL would count all of it again.
func TestWhatOnlyGrowsDoesNotFall(t *testing.T) {
	now := time.Now()
	for _, integers := range []bool{true, false} {
		ways(t, func(t *testing.T, cfg *Config, h host, db *database) {
			tel, err := export(t, cfg, h, request(func(_ pcommon.Map, m pmetric.Metric) {
				for i, v := range []float64{1000, -1, 0, 10} {
					deltas(m, now.Add(time.Duration(i-4)*time.Second), v)
					if p := m.Sum().DataPoints().At(i); integers {
						p.SetIntValue(int64(v))
					}
				}
			}))
			require.NoError(t, err)
			assert.Equal(t, one("1010"), db.values("orders_total", now))
			assert.Equal(t, map[string]string{`{job="shop"}`: "0"}, db.values("resets(orders_total[1m])", now))
			metadatatest.AssertEqualExporterPrometheusTsdbRefusedDatapoints(t, tel, []metricdata.DataPoint[int64]{{Value: 1, Attributes: of("delta_malformed")}}, ignore...)
		})
	}
}

// sizes is a delta point of an exponential histogram.
func sizes(at time.Time, fill func(pmetric.ExponentialHistogramDataPoint)) pmetric.Metrics {
	return request(func(_ pcommon.Map, m pmetric.Metric) {
		m.SetName("size")
		m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		p := m.ExponentialHistogram().DataPoints().AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(at))
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(at.Add(-10 * time.Second)))
		fill(p)
		p.SetCount(p.ZeroCount())
		for _, n := range p.Positive().BucketCounts().All() {
			p.SetCount(p.Count() + n)
		}
	})
}

// One odd point does not spoil a total for the life of its stream: one coarser than Prometheus supports, one of zeros at another scale,
// one whose zero bucket is as wide as the rest.
func TestOneOddHistogram(t *testing.T) {
	now := time.Now()
	ordinary := func(p pmetric.ExponentialHistogramDataPoint) { // ten measurements in (4, 4.36]
		p.SetScale(3)
		p.Positive().SetOffset(16)
		p.Positive().BucketCounts().FromRaw([]uint64{10})
	}
	for name, odd := range map[string]func(pmetric.ExponentialHistogramDataPoint){
		"coarse": func(p pmetric.ExponentialHistogramDataPoint) {
			p.SetScale(-10)
			p.Positive().BucketCounts().FromRaw([]uint64{1})
		},
		"zeros, coarse": func(p pmetric.ExponentialHistogramDataPoint) { p.SetScale(-11); p.SetZeroCount(1) },
		"zeros":         func(p pmetric.ExponentialHistogramDataPoint) { p.SetZeroCount(1) },
		"threshold":     func(p pmetric.ExponentialHistogramDataPoint) { p.SetZeroThreshold(1e300); p.SetZeroCount(1) },
	} {
		ways(t, func(t *testing.T, cfg *Config, h host, db *database) {
			mds := []pmetric.Metrics{sizes(now.Add(-210*time.Second), ordinary), sizes(now.Add(-200*time.Second), odd)}
			for ago := 190 * time.Second; ago >= 0; ago -= 10 * time.Second {
				mds = append(mds, sizes(now.Add(-ago), ordinary))
			}
			tel, err := export(t, cfg, h, mds...)
			require.NoError(t, err)
			_, err = tel.GetMetric("otelcol_exporter_prometheus_tsdb_refused_datapoints")
			require.Error(t, err, "%s: nothing was refused", name)
			grown := db.values("histogram_count(increase(size[2m]))", now)
			require.Len(t, grown, 1, name)
			assert.Equal(t, map[string]string{`{job="shop"}`: "0"}, db.values("resets(size[2m])", now), name)
			p90 := db.values("histogram_quantile(0.9, rate(size[2m]))", now)
			require.Len(t, p90, 1, name)
			if name == "coarse" { // the total contains that measurement, so it is as coarse as Prometheus allows
				return
			}
			assert.Regexp(t, `^4\.[0-3]`, p90[`{job="shop"}`], name)
		})
	}
}

// Delta points of two processes that become one series add up: that is no collision, and no reason for a warning.
func TestDeltasOfTwoProcessesAreNoCollision(t *testing.T) {
	ways(t, func(t *testing.T, cfg *Config, h host, db *database) {
		tel := componenttest.NewTelemetry()
		t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.Background())) })
		log, logs := observer.New(zap.WarnLevel)
		set := exportertest.NewNopSettings(metadata.Type)
		set.TelemetrySettings = tel.NewTelemetrySettings()
		set.Logger = zap.New(log)
		e, err := NewFactory().CreateMetrics(t.Context(), set, cfg)
		require.NoError(t, err)
		require.NoError(t, e.Start(t.Context(), h))
		now := time.Now()
		for step := range 10 {
			for pid := range int64(2) {
				require.NoError(t, e.ConsumeMetrics(t.Context(), request(func(r pcommon.Map, m pmetric.Metric) {
					r.PutInt("process.pid", pid)
					deltas(m, now.Add(time.Duration(step-10)*time.Second+time.Duration(pid)*100*time.Millisecond), 1)
				})))
			}
		}
		require.NoError(t, e.Shutdown(t.Context()))
		assert.Equal(t, map[string]string{`{__name__="orders_total", job="shop"}`: "20"}, db.values("orders_total", now))
		assert.Empty(t, logs.All())
		_, err = tel.GetMetric("otelcol_exporter_prometheus_tsdb_colliding_samples")
		assert.Error(t, err, "nothing is counted")
	})
}
