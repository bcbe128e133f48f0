package sender

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// config scrapes a target and takes OTLP. Names stay as they are on the page, as a Prometheus would send them.
const config = `
receivers:
  otlp: {protocols: {http: {endpoint: "${env:PENSTOCK_OTLP_HTTP_ENDPOINT}"}}}
  prometheus:
    config:
      scrape_configs:
        - job_name: test
          scrape_interval: 100ms
          scrape_timeout: 100ms
          static_configs: [{targets: ["%s"]}]
exporters:
  prometheus_tsdb:
    endpoint: %s
    protocol: "%s"
    retry_on_failure: {initial_interval: 20ms, max_interval: 100ms}
    translation: {strategy: UnderscoreEscapingWithoutSuffixes, external_labels: {region: eu}}
extensions:
  health_check: {endpoint: "${env:PENSTOCK_HEALTH_ENDPOINT}"}
service:
  extensions: [health_check]
  telemetry:
    metrics: {level: normal, readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: "${env:PENSTOCK_TELEMETRY_PORT}"}}}}]}
  pipelines:
    metrics: {receivers: [otlp, prometheus], exporters: [prometheus_tsdb]}
`

// setup is a target, the binary, and a receiver.
type setup struct {
	*receiver
	page    atomic.Pointer[string]
	target  *httptest.Server
	process *process.Process
}

// expose writes the target's page.
func (s *setup) expose(lines ...string) {
	page := strings.Join(lines, "\n") + "\n"
	s.page.Store(&page)
}

func start(t *testing.T, version string) *setup {
	s := &setup{receiver: newReceiver(t, version)}
	s.expose("start 1")
	s.target = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		page := *s.page.Load()
		if page == "\n" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		if strings.Contains(page, "# EOF") {
			w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
		}
		_, _ = fmt.Fprint(w, page)
	}))
	t.Cleanup(s.target.Close)
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf(config, strings.TrimPrefix(s.target.URL, "http://"), s.URL, version)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	s.process = process.Start(t, process.Settings{Configs: []string{"file:" + file}})
	return s
}

// begin starts a case: its own page, and a receiver that takes everything.
func (s *setup) begin(t *testing.T, lines ...string) {
	s.mu.Lock()
	s.receiver.t = t
	s.mu.Unlock()
	s.respond(nil)
	s.expose(lines...)
}

func TestSender(t *testing.T) {
	for _, version := range []string{"1.0", "2.0"} {
		t.Run(version, func(t *testing.T) {
			s := start(t, version)
			for _, c := range []struct {
				name string
				run  func(*testing.T, *setup)
			}{
				{"counter", counterCase}, {"gauge", gaugeCase}, {"histogram", histogramCase}, {"summary", summaryCase},
				{"job and instance", jobInstanceCase}, {"up", upCase}, {"name", nameCase}, {"empty label", emptyLabelCase},
				{"sorted labels", sortedCase}, {"label twice", twiceCase}, {"invalid label", invalidCase}, {"external labels", externalCase},
				{"special values", specialCase}, {"timestamp", timestampCase}, {"metadata", metadataCase}, {"exemplar", exemplarCase},
				{"staleness", stalenessCase}, {"target down", downCase}, {"ordering", orderingCase},
				{"retry after 500 and 503", retry5xxCase}, {"retry after 401 and 404", retryOperatorsCase},
				{"no retry after 400", noRetryCase}, {"429 and Retry-After", retryAfterCase}, {"no answer", noAnswerCase},
				{"OTLP", otlpCase},
			} {
				t.Run(c.name, func(t *testing.T) { c.run(t, s) })
			}
			s.begin(t, "end 1")
			s.sample("end")
			s.process.Terminate(t)
		})
	}
}

func counterCase(t *testing.T, s *setup) {
	s.begin(t, "# HELP hits_total Hits.", "# TYPE hits_total counter", `hits_total{path="/"} 1027`)
	assert.Equal(t, 1027.0, s.sample("hits_total", "path", "/").value())
}

func gaugeCase(t *testing.T, s *setup) {
	s.begin(t, "# TYPE temperature gauge", "temperature -3.25")
	assert.Equal(t, -3.25, s.sample("temperature").value())
}

func histogramCase(t *testing.T, s *setup) {
	s.begin(t, "# TYPE took_seconds histogram", `took_seconds_bucket{le="0.5"} 1`, `took_seconds_bucket{le="1"} 3`, `took_seconds_bucket{le="+Inf"} 4`, "took_seconds_sum 5.5", "took_seconds_count 4")
	assert.Equal(t, 5.5, s.sample("took_seconds_sum").value())
	assert.Equal(t, 4.0, s.sample("took_seconds_count").value())
	for le, want := range map[string]float64{"0.5": 1, "1": 3, "+Inf": 4} {
		assert.Equal(t, want, s.sample("took_seconds_bucket", "le", le).value(), le)
	}
}

func summaryCase(t *testing.T, s *setup) {
	s.begin(t, "# TYPE wait_seconds summary", `wait_seconds{quantile="0.5"} 0.2`, `wait_seconds{quantile="0.99"} 3`, "wait_seconds_sum 7", "wait_seconds_count 5")
	assert.Equal(t, 7.0, s.sample("wait_seconds_sum").value())
	assert.Equal(t, 5.0, s.sample("wait_seconds_count").value())
	assert.Equal(t, 0.2, s.sample("wait_seconds", "quantile", "0.5").value())
	assert.Equal(t, 3.0, s.sample("wait_seconds", "quantile", "0.99").value())
}

func jobInstanceCase(t *testing.T, s *setup) {
	s.begin(t, "x 1")
	got := s.sample("x")
	assert.Equal(t, map[string]string{"__name__": "x", "job": "test", "instance": strings.TrimPrefix(s.target.URL, "http://"), "region": "eu"}, got.labels)
}

func upCase(t *testing.T, s *setup) {
	s.begin(t, "x 1")
	assert.Equal(t, 1.0, s.sample("up", "job", "test").value())
}

func nameCase(t *testing.T, s *setup) {
	s.begin(t, "ns:rule_5m 1")
	s.sample("ns:rule_5m")
}

func emptyLabelCase(t *testing.T, s *setup) {
	s.begin(t, `half{a="",b="1"} 1`)
	assert.NotContains(t, s.sample("half").labels, "a")
}

func sortedCase(t *testing.T, s *setup) {
	s.begin(t, `many{z="1",a="2",m="3",Z="4",_u="5"} 1`) // every request is looked at: checkLabels
	assert.Len(t, s.sample("many", "z", "1", "a", "2", "m", "3", "Z", "4").labels, 9)
}

func twiceCase(t *testing.T, s *setup) {
	s.begin(t, `twice{a="1",a="1"} 1`)
	assert.Equal(t, 0.0, s.await("up is 0", func(x sample) bool { return x.is("up") && x.value() == 0 }).value(), "such a page is refused whole")
	for _, x := range s.all() {
		assert.NotEqual(t, "twice", x.labels["__name__"])
	}
}

func invalidCase(t *testing.T, s *setup) {
	s.begin(t, `invalid{001="1"} 1`)
	s.await("up is 0", func(x sample) bool { return x.is("up") && x.value() == 0 })
	for _, x := range s.all() {
		assert.NotEqual(t, "invalid", x.labels["__name__"])
	}
}

func externalCase(t *testing.T, s *setup) {
	s.begin(t, "x 1", `y{region="us"} 1`)
	assert.Equal(t, "eu", s.sample("x").labels["region"])
	assert.Equal(t, "us", s.sample("y").labels["region"], "a series' own label wins")
}

func specialCase(t *testing.T, s *setup) {
	s.begin(t, "nan NaN", "inf +Inf", "low -Inf", "large 1.7976931348623157e308", "small 5e-324", "zero 0")
	got := s.sample("nan")
	assert.True(t, math.IsNaN(got.value()))
	assert.NotEqual(t, uint64(stale), got.bits, "a NaN that was measured is no stale marker")
	assert.Equal(t, math.Inf(1), s.sample("inf").value())
	assert.Equal(t, math.Inf(-1), s.sample("low").value())
	assert.Equal(t, math.MaxFloat64, s.sample("large").value())
	assert.Equal(t, math.SmallestNonzeroFloat64, s.sample("small").value())
	assert.Equal(t, 0.0, s.sample("zero").value())
}

func timestampCase(t *testing.T, s *setup) {
	before := time.Now()
	at := before.Add(-time.Minute).UnixMilli()
	s.begin(t, fmt.Sprintf("timed 1 %d", at), "untimed 1")
	assert.Equal(t, at, s.sample("timed").at)
	untimed := time.UnixMilli(s.sample("untimed").at)
	assert.WithinRange(t, untimed, before.Add(-time.Second), time.Now().Add(time.Second), "the time of the scrape")
}

func metadataCase(t *testing.T, s *setup) {
	s.begin(t, "# HELP jobs_total Jobs that\\nran.", "# TYPE jobs_total counter", "jobs_total 1")
	got := s.sample("jobs_total")
	if s.version == "2.0" {
		assert.Equal(t, "COUNTER", got.kind)
		assert.Equal(t, "Jobs that\nran.", got.help)
		return
	}
	f := s.family("jobs_total")
	assert.Equal(t, "COUNTER", f.Type.String())
	assert.Equal(t, "Jobs that\nran.", f.Help)
}

func exemplarCase(t *testing.T, s *setup) {
	s.begin(t, "# TYPE seen counter", `seen_total{a="1"} 5 # {trace_id="0102030405060708090a0b0c0d0e0f10"} 0.7`, "# EOF")
	got := s.await("an exemplar", func(x sample) bool { return len(x.exemplars) > 0 })
	assert.Equal(t, "0102030405060708090a0b0c0d0e0f10", got.exemplars[0]["trace_id"])
}

func stalenessCase(t *testing.T, s *setup) {
	s.begin(t, "stays 1", `goes{a="1"} 1`)
	s.sample("goes")
	s.expose("stays 1")
	gone := s.await("a stale marker", func(x sample) bool { return x.is("goes") && x.bits == stale })
	assert.Equal(t, "1", gone.labels["a"])
	assert.Equal(t, uint64(0x7ff0000000000002), gone.bits)
	for _, x := range s.all() {
		if x.is("stays") {
			assert.Equal(t, 1.0, x.value())
		}
	}
}

func downCase(t *testing.T, s *setup) {
	s.begin(t, "x 1")
	s.sample("x")
	s.expose()
	s.await("x is stale", func(x sample) bool { return x.is("x") && x.bits == stale })
	s.await("up is 0", func(x sample) bool { return x.is("up") && x.value() == 0 })
}

func orderingCase(t *testing.T, s *setup) {
	s.begin(t, "ordered 1") // checkSample looks at every sample
	s.await("ten samples", func(sample) bool {
		n := 0
		for _, x := range s.all() {
			if x.is("ordered") {
				n++
			}
		}
		return n >= 10
	})
}

// refuseOnce answers the first n requests with status, and stores nothing of them.
func refuseOnce(status, n int, header ...string) func(http.ResponseWriter, int) bool {
	return func(w http.ResponseWriter, samples int) bool {
		if n--; n >= 0 {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			return false
		}
		written(w, make([]sample, samples))
		return true
	}
}

func retry5xxCase(t *testing.T, s *setup) {
	for _, status := range []int{500, 502, 503, 504} {
		s.begin(t, "x 1")
		s.sample("x")
		s.respond(refuseOnce(status, 3))
		s.sample("x")
		assert.Equal(t, 3, s.count(status))
		assert.Equal(t, 4, s.mostRepeated(), "the same request, until it is taken")
	}
}

// A wrong token or address is an operator's to mend: nothing is lost meanwhile. The remote-write specification lets a sender drop these.
func retryOperatorsCase(t *testing.T, s *setup) {
	for _, status := range []int{401, 403, 404, 405, 408} {
		s.begin(t, "x 1")
		s.sample("x")
		before, err := ask.Metric(s.process.Telemetry(), "otelcol_exporter_prometheus_tsdb_refused_samples")
		require.NoError(t, err)
		s.respond(refuseOnce(status, 3))
		s.sample("x")
		assert.Equal(t, 3, s.count(status))
		assert.Equal(t, 4, s.mostRepeated(), "%d: the same request, until it is taken", status)
		after, err := ask.Metric(s.process.Telemetry(), "otelcol_exporter_prometheus_tsdb_refused_samples")
		require.NoError(t, err)
		assert.Equal(t, before, after, "%d: nothing counts as refused", status)
	}
}

func noRetryCase(t *testing.T, s *setup) {
	for _, status := range []int{400, 409, 422} {
		s.begin(t, "x 1")
		s.sample("x")
		before, err := ask.Metric(s.process.Telemetry(), "otelcol_exporter_prometheus_tsdb_refused_samples")
		require.NoError(t, err)
		s.respond(refuseOnce(status, 2))
		s.sample("x")
		assert.Equal(t, 2, s.count(status))
		assert.Equal(t, 1, s.mostRepeated(), "%d: what is refused for good is not sent again", status)
		ask.Eventually(t, func() error {
			refused, err := ask.Metric(s.process.Telemetry(), "otelcol_exporter_prometheus_tsdb_refused_samples")
			if err == nil && refused <= before {
				err = fmt.Errorf("nothing is counted")
			}
			return err
		})
	}
}

func retryAfterCase(t *testing.T, s *setup) {
	s.begin(t, "x 1")
	s.sample("x")
	var refused, taken atomic.Int64
	first := refuseOnce(http.StatusTooManyRequests, 1, "Retry-After", "1")
	s.respond(func(w http.ResponseWriter, n int) bool {
		ok := first(w, n)
		if !ok {
			refused.Store(time.Now().UnixNano())
		} else {
			taken.CompareAndSwap(0, time.Now().UnixNano())
		}
		return ok
	})
	s.sample("x")
	assert.GreaterOrEqual(t, time.Duration(taken.Load()-refused.Load()), 990*time.Millisecond, "Retry-After is obeyed")
	assert.Equal(t, 2, s.mostRepeated())
}

func noAnswerCase(t *testing.T, s *setup) {
	s.begin(t, "x 1")
	s.sample("x")
	n := 0
	s.respond(func(w http.ResponseWriter, samples int) bool {
		if n++; n <= 2 {
			panic(http.ErrAbortHandler)
		}
		written(w, make([]sample, samples))
		return true
	})
	s.sample("x")
	assert.Equal(t, 3, s.mostRepeated())
}

// otlpCase is what a page can't hold: start times, native histograms, units.
func otlpCase(t *testing.T, s *setup) {
	s.begin(t, "x 1")
	now := time.Now()
	at, began := pcommon.NewTimestampFromTime(now), pcommon.NewTimestampFromTime(now.Add(-time.Minute))
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	_ = rm.Resource().Attributes().FromRaw(map[string]any{"service.namespace": "shop", "service.name": "cart", "service.instance.id": "i1", "k8s.pod.name": "p"})
	ms := rm.ScopeMetrics().AppendEmpty().Metrics()
	m := ms.AppendEmpty()
	m.SetName("http.requests")
	m.SetDescription("Requests.")
	m.SetEmptySum().SetIsMonotonic(true)
	m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	p := m.Sum().DataPoints().AppendEmpty()
	p.SetTimestamp(at)
	p.SetStartTimestamp(began)
	p.SetIntValue(7)
	_ = p.Attributes().FromRaw(map[string]any{"http.route": "/a/{b}", "empty": "", "n": 1, "b": true})
	m = ms.AppendEmpty()
	m.SetName("size")
	m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	e := m.ExponentialHistogram().DataPoints().AppendEmpty()
	e.SetTimestamp(at)
	e.SetStartTimestamp(began)
	e.SetCount(5)
	e.SetZeroCount(1)
	e.Positive().BucketCounts().FromRaw([]uint64{1, 3})
	answer, err := send.Metrics(s.process.HTTP(), md)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status)

	got := s.sample("http_requests")
	assert.Equal(t, map[string]string{
		"__name__": "http_requests", "job": "shop/cart", "instance": "i1", "http_route": "/a/{b}", "n": "1", "b": "true", "region": "eu",
	}, got.labels)
	assert.Equal(t, now.UnixMilli(), got.at)
	h := s.sample("size")
	assert.True(t, h.histogram)
	assert.Equal(t, uint64(5), h.count)
	info := s.sample("target_info", "k8s_pod_name", "p")
	assert.Equal(t, "shop/cart", info.labels["job"])
	if s.version == "2.0" {
		assert.Equal(t, now.Add(-time.Minute).UnixMilli(), got.start)
		assert.Equal(t, now.Add(-time.Minute).UnixMilli(), h.start)
		assert.Equal(t, []string{"COUNTER", "HISTOGRAM"}, []string{got.kind, h.kind})
	}
}
