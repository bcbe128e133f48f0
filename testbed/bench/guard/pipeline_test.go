package guard

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/testbed/internal/measure"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

const (
	pointsPerRun     = 1_000_000
	pointsPerRequest = 2_000
)

const pipeline = `
receivers:
  otlp: {protocols: {http: {endpoint: "${env:PENSTOCK_OTLP_HTTP_ENDPOINT}"}}}
processors:
  cardinality_guard: {limits: {series: 20000000, series_per_metric: 0}, report: {interval: 0s}}
exporters:
  otlp_http: {endpoint: "%s", compression: none, sending_queue: {enabled: false}}
extensions:
  health_check: {endpoint: "${env:PENSTOCK_HEALTH_ENDPOINT}"}
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
    metrics: {receivers: [otlp], processors: [%s], exporters: [otlp_http]}
`

// BenchmarkPipeline compares the CPU of the binary, OTLP in and out without compression, with and without the guard in
// between. All series are admitted, which is the usual case.
func BenchmarkPipeline(b *testing.B) {
	for _, series := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("series=%d", series), func(b *testing.B) {
			sink := newSink(b)
			requests := load(b, series)
			guarded, plain := start(b, sink, "cardinality_guard"), start(b, sink, "")
			spend(b, sink, guarded, requests) // admits
			spend(b, sink, plain, requests)
			var with, without, share []float64
			for b.Loop() {
				g, p := spend(b, sink, guarded, requests), spend(b, sink, plain, requests)
				with, without, share = append(with, g), append(without, p), append(share, (g/p-1)*100)
			}
			measure.Report(b, with, "ns/point")
			measure.Report(b, without, "ns/passed")
			measure.Report(b, share, "%more")
		})
	}
}

// sink takes OTLP and forgets it.
type sink struct {
	*httptest.Server
	requests atomic.Int64
}

func newSink(b *testing.B) *sink {
	s := &sink{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		s.requests.Add(1)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	b.Cleanup(s.Close)
	return s
}

func start(b *testing.B, s *sink, processors string) *process.Process {
	b.Helper()
	path := filepath.Join(b.TempDir(), "pipeline.yaml")
	require.NoError(b, os.WriteFile(path, fmt.Appendf(nil, pipeline, s.URL, processors), 0o600))
	// With the default, a process with more live memory collects garbage less often, and the guard looked like a gain.
	env := map[string]string{"GOGC": "off", "GOMEMLIMIT": "700MiB"}
	return process.Start(b, process.Settings{Configs: []string{path}, Env: env})
}

// load returns requests with points of a cumulative sum, eight attributes each, for so many series.
func load(b *testing.B, series int) [][]byte {
	b.Helper()
	var requests [][]byte
	for from := 0; from < series; from += pointsPerRequest {
		md := pmetric.NewMetrics()
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", "orders")
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("http.server.requests")
		sum := m.SetEmptySum()
		sum.SetIsMonotonic(true)
		sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		now := pcommon.NewTimestampFromTime(time.Now())
		for i := from; i < from+pointsPerRequest; i++ {
			dp := sum.DataPoints().AppendEmpty()
			dp.SetTimestamp(now)
			dp.SetIntValue(int64(i))
			for _, a := range strings.Fields(attributes)[:7] {
				name, value, _ := strings.Cut(a, "=")
				dp.Attributes().PutStr(name, value)
			}
			dp.Attributes().PutStr("client.id", strconv.Itoa(i))
		}
		request, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
		require.NoError(b, err)
		requests = append(requests, request)
	}
	return requests
}

// spend sends a million points and returns the process's CPU per point in nanoseconds.
func spend(b *testing.B, s *sink, p *process.Process, requests [][]byte) float64 {
	b.Helper()
	before, arrived := p.CPUSoFar(b), s.requests.Load()
	n := pointsPerRun / pointsPerRequest
	for i := range n {
		r, err := http.Post("http://"+p.HTTP()+"/v1/metrics", "application/x-protobuf", bytes.NewReader(requests[i%len(requests)]))
		require.NoError(b, err)
		_, _ = io.Copy(io.Discard, r.Body)
		require.NoError(b, r.Body.Close())
		require.Equal(b, http.StatusOK, r.StatusCode)
	}
	require.EqualValues(b, n, s.requests.Load()-arrived, "every request arrived")
	return float64(p.CPUSoFar(b)-before) / pointsPerRun
}
