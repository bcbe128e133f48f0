//go:build full

package prometheus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/testbed/backends/prometheus"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// config is OTLP in, remote write out, with a queue on disk; the exporter's other keys come from the test.
const config = `
receivers:
  otlp: {protocols: {http: {endpoint: "${env:PENSTOCK_OTLP_HTTP_ENDPOINT}"}}}
exporters:
  prometheus_tsdb:
    endpoint: %s/api/v1/write
    retry_on_failure: {initial_interval: 50ms, max_interval: 500ms}
    sending_queue: {storage: queue_storage}
%s
extensions:
  health_check: {endpoint: "${env:PENSTOCK_HEALTH_ENDPOINT}"}
  queue_storage: {directory: "${env:PENSTOCK_DATA_DIR}/queue"}
service:
  extensions: [health_check, queue_storage]
  telemetry:
    metrics:
      level: normal
      readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: "${env:PENSTOCK_TELEMETRY_PORT}"}}}}]
  pipelines:
    metrics: {receivers: [otlp], exporters: [prometheus_tsdb]}
`

func exporter(t *testing.T, endpoint string, keys ...string) *process.Process {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf(config, endpoint, "    "+strings.Join(keys, "\n    "))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return process.Start(t, process.Settings{Configs: []string{"file:" + file}})
}

func accepted(t *testing.T, p *process.Process, md pmetric.Metrics) {
	t.Helper()
	answer, err := send.Metrics(p.HTTP(), md)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
}

func metric(t *testing.T, p *process.Process, name string, with ...string) float64 {
	t.Helper()
	v, err := ask.Metric(p.Telemetry(), "otelcol_exporter_prometheus_tsdb_"+name, with...)
	require.NoError(t, err)
	return v
}

var features = map[prometheus.Release]string{
	prometheus.Debian: "--enable-feature=native-histograms,exemplar-storage",
	prometheus.Three:  "--enable-feature=native-histograms,exemplar-storage",
}

// everyType has a metric of each type, cumulative or delta, at t.
func everyType(t time.Time, temporality pmetric.AggregationTemporality) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	_ = rm.Resource().Attributes().FromRaw(map[string]any{"service.name": "shop", "service.instance.id": temporality.String(), "k8s.pod.name": "p"})
	ms := rm.ScopeMetrics().AppendEmpty().Metrics()
	at, start := pcommon.NewTimestampFromTime(t), pcommon.NewTimestampFromTime(t.Add(-time.Minute))
	m := ms.AppendEmpty()
	m.SetName("room.temperature")
	m.SetUnit("Cel")
	p := m.SetEmptyGauge().DataPoints().AppendEmpty()
	p.SetTimestamp(at)
	p.SetDoubleValue(21.5)
	m = ms.AppendEmpty()
	m.SetName("orders")
	m.SetDescription("Orders taken.")
	m.SetEmptySum().SetIsMonotonic(true)
	m.Sum().SetAggregationTemporality(temporality)
	p = m.Sum().DataPoints().AppendEmpty()
	p.SetTimestamp(at)
	p.SetStartTimestamp(start)
	p.SetIntValue(42)
	p.Attributes().PutStr("shop.city", "Zürich")
	x := p.Exemplars().AppendEmpty()
	x.SetTimestamp(at)
	x.SetIntValue(3)
	x.SetTraceID([16]byte{1})
	m = ms.AppendEmpty()
	m.SetName("latency")
	m.SetUnit("s")
	m.SetEmptyHistogram().SetAggregationTemporality(temporality)
	h := m.Histogram().DataPoints().AppendEmpty()
	h.SetTimestamp(at)
	h.SetStartTimestamp(start)
	h.SetCount(4)
	h.SetSum(10)
	h.ExplicitBounds().FromRaw([]float64{0.5, 5})
	h.BucketCounts().FromRaw([]uint64{1, 2, 1})
	m = ms.AppendEmpty()
	m.SetName("size")
	m.SetEmptyExponentialHistogram().SetAggregationTemporality(temporality)
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

// PromQL returns what was sent, for every type, through both versions of the protocol, with an old and a new Prometheus.
func TestPromQLAnswersWhatWasSent(t *testing.T) {
	for _, c := range []struct {
		release        prometheus.Release
		protocol       string
		speaks2, nhcbs bool
	}{
		{prometheus.Debian, "auto", false, false},
		{prometheus.Debian, "1.0", false, false},
		{prometheus.Three, "auto", true, false},
		{prometheus.Three, "2.0", true, true},
		{prometheus.Three, "1.0", false, false},
	} {
		t.Run(fmt.Sprintf("%s %s custom buckets %t", c.release, c.protocol, c.nhcbs), func(t *testing.T) {
			server := prometheus.New(t, c.release, features[c.release])
			p := exporter(t, "http://"+server.Address, "protocol: "+`"`+c.protocol+`"`, fmt.Sprintf("translation: {custom_buckets: %t}", c.nhcbs))
			now := time.Now().Truncate(time.Millisecond)
			accepted(t, p, everyType(now.Add(-time.Second), pmetric.AggregationTemporalityCumulative))
			for ago := 3; ago > 0; ago-- { // deltas of 42, 4, 6 observations three times
				accepted(t, p, everyType(now.Add(-time.Duration(ago)*time.Second), pmetric.AggregationTemporalityDelta))
			}
			for instance, factor := range map[string]float64{"Cumulative": 1, "Delta": 3} {
				of := fmt.Sprintf(`instance=%q,job="shop"`, instance)
				want := map[string]float64{
					`room_temperature_celsius{` + of + `}`:             21.5,
					`orders_total{shop_city="Zürich",` + of + `}`:      42 * factor,
					`histogram_count(size{` + of + `})`:                6 * factor,
					`histogram_sum(size{` + of + `})`:                  12 * factor,
					`histogram_fraction(0, 2, size{` + of + `}) * 6`:   3,
					`histogram_quantile(1, size{` + of + `})`:          4,
					`wait{quantile="0.5",` + of + `}`:                  1.25,
					`wait_sum{` + of + `}`:                             7,
					`wait_count{` + of + `}`:                           5,
					`target_info{k8s_pod_name="p",` + of + `}`:         1,
					`count(timestamp(orders_total{` + of + `})) == 1`:  1,
					`count_over_time(orders_total{` + of + `}[1m])`:    factor,
					`timestamp(orders_total{` + of + `}) - ` + ms(now): -1,
				}
				if c.nhcbs {
					want[`histogram_count(latency_seconds{`+of+`})`] = 4 * factor
					want[`histogram_sum(latency_seconds{`+of+`})`] = 10 * factor
					want[`histogram_fraction(0.5, 5, latency_seconds{`+of+`}) * 4`] = 2
				} else {
					want[`latency_seconds_count{`+of+`}`] = 4 * factor
					want[`latency_seconds_sum{`+of+`}`] = 10 * factor
					for le, n := range map[string]float64{"0.5": 1, "5": 3, "+Inf": 4} {
						want[fmt.Sprintf(`latency_seconds_bucket{le=%q,%s}`, le, of)] = n * factor
					}
				}
				for query, v := range want {
					ask.Eventually(t, func() error {
						got, err := ask.PromQL(server.Address, query, now)
						if err != nil {
							return err
						}
						if len(got) != 1 || abs(got[0].Value-v) > 1e-3 {
							return fmt.Errorf("%s: %v, want %v", query, got, v)
						}
						return nil
					})
				}
			}
			status, body, err := process.Fetch(t.Context(), fmt.Sprintf("http://%s/api/v1/query_exemplars?%s", server.Address,
				url.Values{"query": {"orders_total"}, "start": {ms(now.Add(-time.Minute))}, "end": {ms(now.Add(time.Minute))}}.Encode()))
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
			assert.Contains(t, body, `"trace_id":"01000000000000000000000000000000"`)
			assert.Zero(t, metric(t, p, "refused_samples"))
			assert.Zero(t, metric(t, p, "refused_datapoints"))
		})
	}
}

func ms(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

func abs(v float64) float64 { return max(v, -v) }

// counters makes a point of each of n series, at t.
func counters(t time.Time, n int, value int64) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("steps")
	m.SetEmptySum().SetIsMonotonic(true)
	m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for i := range n {
		p := m.Sum().DataPoints().AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(t))
		p.SetIntValue(value)
		p.Attributes().PutInt("i", int64(i))
	}
	return md
}

// Prometheus is killed and started again twice, answers 429 and 503 now and then, and loses answers to requests that it
// took: every sample of every series is there with its value, and Prometheus, which takes none out of order, refused none.
func TestNothingLostOrReordered(t *testing.T) {
	const rounds, series = 60, 2000
	for _, c := range []struct {
		release  prometheus.Release
		protocol string
		keys     []string
	}{
		{prometheus.Debian, "1.0", nil},
		{prometheus.Three, "2.0", nil},
		{prometheus.Three, "2.0", []string{"max_samples: 500", "max_shards: 16"}},
	} {
		t.Run(string(c.release)+" "+c.protocol+strings.Join(c.keys, " "), func(t *testing.T) {
			server := prometheus.New(t, c.release)
			to, err := url.Parse("http://" + server.Address)
			require.NoError(t, err)
			forward := httputil.NewSingleHostReverseProxy(to)
			var n, limited, lost, down atomic.Int64
			forward.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) {
				down.Add(1)
				w.WriteHeader(http.StatusBadGateway)
			}
			way := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch k := n.Add(1); {
				case k%7 == 0:
					limited.Add(1)
					w.WriteHeader(http.StatusTooManyRequests)
				case k%11 == 0:
					w.WriteHeader(http.StatusServiceUnavailable)
				case k%13 == 0: // accepted, and the answer is lost
					lost.Add(1)
					forward.ServeHTTP(httptest.NewRecorder(), r)
					panic(http.ErrAbortHandler)
				default:
					forward.ServeHTTP(w, r)
				}
			}))
			t.Cleanup(way.Close)
			p := exporter(t, way.URL, append(c.keys, "protocol: "+`"`+c.protocol+`"`)...)
			base := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
			for round := range rounds {
				if round == rounds/3 || round == 2*rounds/3 {
					before := down.Load()
					server.Kill()
					accepted(t, p, counters(base.Add(time.Duration(round)*time.Second), series, int64(round)))
					ask.Eventually(t, func() error {
						if down.Load() == before {
							return fmt.Errorf("the exporter has not met the closed door")
						}
						return nil
					})
					server.Run(t)
					continue
				}
				accepted(t, p, counters(base.Add(time.Duration(round)*time.Second), series, int64(round)))
			}
			ask.Eventually(t, func() error {
				got, err := ask.PromValue(server.Address, "sum(count_over_time(steps_total[30m]))")
				if err == nil && got != rounds*series {
					err = fmt.Errorf("%v samples", got)
				}
				return err
			})
			for i, values := range matrix(t, server.Address, "steps_total[30m]") {
				require.Len(t, values, rounds, i)
				for round, v := range values {
					require.Equal(t, fmt.Sprint(round), v, i)
				}
			}
			p.Terminate(t)
			assert.NotContains(t, p.Log(), "Samples were refused")
			t.Logf("%d requests, %d limited, %d answers lost, %d met no server", n.Load(), limited.Load(), lost.Load(), down.Load())
			assert.NotZero(t, limited.Load())
			assert.NotZero(t, lost.Load())
		})
	}
}

// matrix returns the raw values of each series.
func matrix(t *testing.T, address, query string) map[string][]string {
	t.Helper()
	status, body, err := process.Fetch(context.Background(), "http://"+address+"/api/v1/query?query="+url.QueryEscape(query))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	all := map[string][]string{}
	for _, r := range answer.Data.Result {
		for _, v := range r.Values {
			all[r.Metric["i"]] = append(all[r.Metric["i"]], v[1].(string))
		}
	}
	return all
}

// One sample in a thousand is too old for its series. It is counted, by reason, and the others are there: also with 1.0,
// where Prometheus rolls the request back whole.
func TestOnlyWhatIsRefusedIsLost(t *testing.T) {
	for _, c := range []struct {
		release  prometheus.Release
		protocol string
	}{{prometheus.Debian, "1.0"}, {prometheus.Three, "1.0"}, {prometheus.Three, "2.0"}} {
		t.Run(string(c.release)+" "+c.protocol, func(t *testing.T) {
			server := prometheus.New(t, c.release)
			p := exporter(t, "http://"+server.Address, "protocol: "+`"`+c.protocol+`"`)
			now := time.Now().Truncate(time.Second)
			ahead := counters(now.Add(-10*time.Second), 1000, 1)
			ahead.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().RemoveIf(func(p pmetric.NumberDataPoint) bool {
				i, _ := p.Attributes().Get("i")
				return i.Int() != 500
			})
			accepted(t, p, ahead)
			accepted(t, p, counters(now.Add(-20*time.Second), 1000, 2)) // the one of series 500 comes too late
			ask.Eventually(t, func() error {
				got, err := ask.PromValue(server.Address, "count(steps_total == 2)")
				if err == nil && got != 999 {
					err = fmt.Errorf("%v series", got)
				}
				return err
			})
			ask.Eventually(t, func() error {
				if n := metric(t, p, "refused_samples", `reason="out_of_order"`); n != 1 {
					return fmt.Errorf("%v refused", n)
				}
				return nil
			})
			assert.Equal(t, 1.0, metric(t, p, "refused_samples"))
		})
	}
}

// deltas makes a point of each of n series, at t: series i grows by i+1.
func deltas(t time.Time, n int) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("steps")
	m.SetEmptySum().SetIsMonotonic(true)
	m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	for i := range n {
		p := m.Sum().DataPoints().AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(t))
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(t.Add(-time.Second)))
		p.SetIntValue(int64(i + 1))
		p.Attributes().PutInt("i", int64(i))
	}
	return md
}

// The journal of the standalone profile drives a remote Prometheus that accepts nothing out of order. Both are killed in the middle. Every delta is
// in the totals once, each sample has one value, and repeated samples are distinguished from lost ones.
func TestDeltasThroughTheJournal(t *testing.T) {
	const rounds, series = 60, 100
	server := prometheus.New(t, prometheus.Three)
	p := process.Start(t, process.Settings{Env: map[string]string{
		"PENSTOCK_REMOTE_WRITE_URL": "http://" + server.Address + "/api/v1/write", "PENSTOCK_LAKE_URL": "off",
	}})
	base := time.Now().Add(-5 * time.Minute).Truncate(time.Second)
	for round := range rounds {
		switch round {
		case rounds / 4, rounds / 2: // just when Prometheus has it and the checkpoint, most often, hasn't
			ask.Eventually(t, func() error {
				got, err := ask.PromValue(server.Address, "sum(count_over_time(steps_total[30m]))")
				if err == nil && got != float64(round*series) {
					err = fmt.Errorf("%v samples", got)
				}
				return err
			})
			p.Kill()
			p.Restart(t)
		case 3 * rounds / 4:
			server.Kill()
			server.Run(t)
		}
		ask.Eventually(t, func() error { // as a client does that wasn't answered
			answer, err := send.Metrics(p.HTTP(), deltas(base.Add(time.Duration(round)*time.Second), series))
			if err == nil && answer.Status != http.StatusOK {
				err = fmt.Errorf("status %d: %s", answer.Status, answer.Body)
			}
			return err
		})
	}
	ask.Eventually(t, func() error {
		got, err := ask.PromValue(server.Address, "sum(count_over_time(steps_total[30m]))")
		if err == nil && got != rounds*series {
			err = fmt.Errorf("%v samples", got)
		}
		return err
	})
	for i, values := range matrix(t, server.Address, "steps_total[30m]") {
		step, err := strconv.Atoi(i)
		require.NoError(t, err)
		require.Len(t, values, rounds)
		for round, v := range values {
			require.Equal(t, strconv.Itoa((step+1)*(round+1)), v, "series %s", i)
		}
	}
	assert.Zero(t, metric(t, p, "refused_samples", `exporter="prometheus_tsdb/remote_write"`))
	assert.Zero(t, metric(t, p, "refused_datapoints", `exporter="prometheus_tsdb/remote_write"`))
	t.Logf("%v samples redelivered since the last start", metric(t, p, "redelivered_samples", `exporter="prometheus_tsdb/remote_write"`))
}

// An old Prometheus doesn't know custom buckets and would store them as exponential ones: they are counted, and not sent.
func TestCustomBucketsDontGoToAnOldPrometheus(t *testing.T) {
	server := prometheus.New(t, prometheus.Debian, features[prometheus.Debian])
	p := exporter(t, "http://"+server.Address, "translation: {custom_buckets: true}")
	now := time.Now().Add(-time.Second)
	accepted(t, p, everyType(now, pmetric.AggregationTemporalityCumulative))
	ask.Eventually(t, func() error {
		if n := metric(t, p, "refused_samples", `reason="unsupported"`); n != 1 {
			return fmt.Errorf("%v refused", n)
		}
		return nil
	})
	got, err := ask.PromQL(server.Address, `count by (__name__) ({job="shop",__name__=~"orders_total|size|latency_seconds"})`, now.Add(time.Second))
	require.NoError(t, err)
	names := map[string]bool{}
	for _, s := range got {
		names[s.Labels["__name__"]] = true
	}
	assert.Equal(t, map[string]bool{"orders_total": true, "size": true}, names)
}
