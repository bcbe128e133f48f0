package rows_test

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/rows"
)

// Three data sets as a shop of 5 services in 20 pods sends them, in requests of 1000 records with a resource of their own: what the size of files is measured by.
// Unlike the samples of the other benchmarks, where all ids are random, records belong to traces, values follow from those before, and times come in order.

const dataRows = 100_000

// zipf draws small numbers often.
func zipf(r *rand.Rand, n uint64) uint64 { return rand.NewZipf(r, 1.3, 4, n-1).Uint64() }

// requestAttributes are those of a web request, of one of 2000 clients.
func requestAttributes(a pcommon.Map, r *rand.Rand, client uint64) {
	a.PutStr("http.request.method", methods[r.IntN(len(methods))])
	a.PutStr("http.route", routes[zipf(r, uint64(len(routes)))])
	a.PutInt("http.response.status_code", int64([]int{200, 200, 200, 200, 200, 200, 204, 304, 404, 500}[r.IntN(10)]))
	a.PutStr("client.address", fmt.Sprintf("10.%d.%d.%d", client%4, client%251, client%241))
	a.PutStr("user_agent.original", fmt.Sprintf("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/1%02d.0", client%20))
	a.PutInt("http.request.body.size", int64(client*37%4096))
}

// dataLogs are application logs, six of each trace, in messages of a dozen shapes.
func dataLogs(n int) (batches []plog.Logs) {
	r := rand.New(rand.NewPCG(21, 1))
	shapes := []func(user uint64) string{
		func(u uint64) string { return fmt.Sprintf("request of user %d accepted", u) },
		func(u uint64) string { return fmt.Sprintf("loaded cart of user %d: %d items", u, r.IntN(10)) },
		func(u uint64) string {
			return fmt.Sprintf("GET /api/v1/orders/%d answered 200 in %d ms", u*7919%1e6, r.IntN(200))
		},
		func(uint64) string { return "cache miss for key price-list, reading from the database" },
		func(uint64) string { return fmt.Sprintf("connection pool: %d of 50 in use", r.IntN(50)) },
		func(u uint64) string { return fmt.Sprintf("payment of order %d authorized", u*7919%1e6) },
		func(uint64) string { return "retrying after timeout of inventory-service: context deadline exceeded" },
		func(u uint64) string { return fmt.Sprintf("shipment label for order %d printed", u*7919%1e6) },
	}
	at := sampleStart
	var trace pcommon.TraceID
	var span pcommon.SpanID
	var user uint64
	for done := 0; done < n; done += 1000 {
		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		sampleResource(rl.Resource(), done/1000%20)
		sl := rl.ScopeLogs().AppendEmpty()
		sampleScope(sl.Scope())
		for i := range 1000 {
			if i%6 == 0 {
				trace, span = sampleID(r)
				user = zipf(r, 2000)
			}
			at += r.Uint64N(2e6)
			lr := sl.LogRecords().AppendEmpty()
			lr.SetTimestamp(pcommon.Timestamp(at))
			lr.SetObservedTimestamp(pcommon.Timestamp(at + 5e6))
			lr.SetSeverityNumber([]plog.SeverityNumber{plog.SeverityNumberInfo, plog.SeverityNumberInfo, plog.SeverityNumberInfo, plog.SeverityNumberWarn}[r.IntN(4)])
			lr.SetSeverityText(lr.SeverityNumber().String())
			lr.Body().SetStr(shapes[zipf(r, uint64(len(shapes)))](user))
			lr.SetTraceID(trace)
			lr.SetSpanID(span)
			lr.SetFlags(1)
			requestAttributes(lr.Attributes(), r, user)
		}
		batches = append(batches, ld)
	}
	return batches
}

// dataTraces are traces of eight spans, each child of one before it.
func dataTraces(n int) (batches []ptrace.Traces) {
	r := rand.New(rand.NewPCG(21, 2))
	at := sampleStart
	for done := 0; done < n; done += 1000 {
		td := ptrace.NewTraces()
		var slices []ptrace.SpanSlice
		for pod := range len(services) {
			rs := td.ResourceSpans().AppendEmpty()
			sampleResource(rs.Resource(), done/1000%4*5+pod)
			ss := rs.ScopeSpans().AppendEmpty()
			sampleScope(ss.Scope())
			slices = append(slices, ss.Spans())
		}
		for range 125 {
			trace, _ := sampleID(r)
			at += r.Uint64N(2e7)
			var spans []pcommon.SpanID
			user := zipf(r, 2000)
			for i := range 8 {
				s := slices[i%len(services)].AppendEmpty()
				_, id := sampleID(r)
				s.SetTraceID(trace)
				s.SetSpanID(id)
				s.SetFlags(257)
				if i > 0 {
					s.SetParentSpanID(spans[r.IntN(len(spans))])
				}
				spans = append(spans, id)
				start := at + uint64(i)*1e6 + r.Uint64N(1e6)
				s.SetStartTimestamp(pcommon.Timestamp(start))
				s.SetEndTimestamp(pcommon.Timestamp(start + 1e4*uint64(math.Exp(r.NormFloat64()+4))))
				s.SetName("GET " + routes[zipf(r, uint64(len(routes)))])
				s.SetKind(ptrace.SpanKind(2 + i%2))
				requestAttributes(s.Attributes(), r, user)
			}
		}
		batches = append(batches, td)
	}
	return batches
}

// dataMetrics are what SDKs and a host agent send every 15 s: counters and gauges of integers and doubles, histograms whose counts grow.
func dataMetrics(n int) (batches []pmetric.Metrics) {
	r := rand.New(rand.NewPCG(21, 3))
	const pods, names, streams = 20, 5, 10
	state := make([]float64, pods*names*streams)
	buckets := make([][12]uint64, pods*streams)
	for done, step := 0, uint64(0); done < n; step++ {
		for pod := range pods {
			md := pmetric.NewMetrics()
			rm := md.ResourceMetrics().AppendEmpty()
			sampleResource(rm.Resource(), pod)
			sm := rm.ScopeMetrics().AppendEmpty()
			sampleScope(sm.Scope())
			at := pcommon.Timestamp(sampleStart + step*15e9 + uint64(pod)*7e8)
			for name := range names {
				m := sm.Metrics().AppendEmpty()
				m.SetName([]string{"http.server.requests", "process.cpu.time", "system.memory.usage", "queue.length", "http.server.request.duration"}[name])
				m.SetUnit([]string{"{request}", "s", "By", "{item}", "s"}[name])
				m.SetDescription("What the shop measures of itself.")
				for i := range streams {
					v := &state[(pod*names+name)*streams+i]
					switch name {
					case 4:
						dataHistogram(m, r, &buckets[pod*streams+i], at)
						done++
						continue
					case 0:
						*v += float64(r.IntN(20))
					case 1:
						*v += float64(r.IntN(150)) / 100
					case 2:
						*v = 1e9 + float64(i)*1e7 + float64(r.IntN(100))*4096
					case 3:
						*v = float64(zipf(r, 30))
					}
					dataPoint(m, name, i, *v, at)
					done++
				}
			}
			batches = append(batches, md)
		}
	}
	return batches
}

func dataPoint(m pmetric.Metric, name, i int, v float64, at pcommon.Timestamp) {
	var points pmetric.NumberDataPointSlice
	if name < 2 {
		if i == 0 {
			m.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			m.Sum().SetIsMonotonic(true)
		}
		points = m.Sum().DataPoints()
	} else {
		if i == 0 {
			m.SetEmptyGauge()
		}
		points = m.Gauge().DataPoints()
	}
	dp := points.AppendEmpty()
	dp.SetTimestamp(at)
	if name < 2 {
		dp.SetStartTimestamp(pcommon.Timestamp(sampleStart))
	}
	if name == 1 {
		dp.SetDoubleValue(v)
	} else {
		dp.SetIntValue(int64(v))
	}
	samplePoint(dp.Attributes(), i)
}

func dataHistogram(m pmetric.Metric, r *rand.Rand, counts *[12]uint64, at pcommon.Timestamp) {
	if m.Type() == pmetric.MetricTypeEmpty {
		m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	}
	dp := m.Histogram().DataPoints().AppendEmpty()
	dp.SetTimestamp(at)
	dp.SetStartTimestamp(pcommon.Timestamp(sampleStart))
	dp.ExplicitBounds().FromRaw([]float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10})
	total, sum := uint64(0), 0.0
	for b := range counts {
		counts[b] += zipf(r, 30) / uint64(1+(b-4)*(b-4))
		total += counts[b]
		sum += float64(counts[b]) * 0.07 * float64(b)
	}
	dp.BucketCounts().FromRaw(counts[:])
	dp.SetCount(total)
	dp.SetSum(sum)
	samplePoint(dp.Attributes(), m.Histogram().DataPoints().Len()-1)
}

// size is what a Writer took.
func size[D any](t testing.TB, batches []D, merge func([]D) D, e interface {
	Split(D, string, int) *rows.Plan
	Write(io.Writer, rows.Partition) error
}, marshal func(D) ([]byte, error)) (parquet, otlp, records int64) {
	t.Helper()
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	for _, b := range batches {
		raw, err := marshal(b)
		require.NoError(t, err)
		otlp += int64(len(enc.EncodeAll(raw, nil)))
	}
	var out counter
	for _, p := range e.Split(merge(batches), "", 256).Partitions {
		require.NoError(t, e.Write(&out, p))
		records += int64(p.Rows)
	}
	return out.n, otlp, records
}

func mergeLogs(all []plog.Logs) plog.Logs {
	to := plog.NewLogs()
	for _, b := range all {
		b.ResourceLogs().MoveAndAppendTo(to.ResourceLogs())
	}
	return to
}

func mergeTraces(all []ptrace.Traces) ptrace.Traces {
	to := ptrace.NewTraces()
	for _, b := range all {
		b.ResourceSpans().MoveAndAppendTo(to.ResourceSpans())
	}
	return to
}

func mergeMetrics(all []pmetric.Metrics) pmetric.Metrics {
	to := pmetric.NewMetrics()
	for _, b := range all {
		b.ResourceMetrics().MoveAndAppendTo(to.ResourceMetrics())
	}
	return to
}

// The files take a fraction of the bytes of the same records as OTLP in zstd, request by request. What is left is mostly random: half of a span's bytes
// are its id and its parent's, a third of a log record's its times in ns.
func TestBytesOfTheDataSets(t *testing.T) {
	check := func(signal string, most float64, parquet, otlp, n int64) {
		ratio := float64(parquet) / float64(otlp)
		t.Logf("%s: %.1f B a row, OTLP in zstd %.1f: %.2fx", signal, float64(parquet)/float64(n), float64(otlp)/float64(n), ratio)
		assert.LessOrEqual(t, ratio, most, signal)
	}
	p, o, n := size(t, dataLogs(dataRows), mergeLogs, rows.NewLogs(), (&plog.ProtoMarshaler{}).MarshalLogs)
	check("logs", 0.56, p, o, n)
	p, o, n = size(t, dataMetrics(dataRows), mergeMetrics, rows.NewMetrics(), (&pmetric.ProtoMarshaler{}).MarshalMetrics)
	check("data points", 0.24, p, o, n)
	p, o, n = size(t, dataTraces(dataRows), mergeTraces, rows.NewTraces(), (&ptrace.ProtoMarshaler{}).MarshalTraces)
	check("spans", 0.74, p, o, n)
}
