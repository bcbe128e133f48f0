package rows_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Samples shaped like production telemetry, for the benchmarks: 20 pods of 5 services, resources with 10 attributes.

const sampleStart = uint64(1_790_000_000_000_000_000)

var (
	services = []string{"checkout", "cart", "frontend", "payment", "inventory"}
	routes   = []string{"/", "/cart", "/cart/{id}", "/checkout", "/product/{id}", "/api/v1/orders"}
	methods  = []string{"GET", "GET", "GET", "POST", "PUT"}
)

func sampleResource(res pcommon.Resource, pod int) {
	a := res.Attributes()
	service := services[pod%len(services)]
	a.PutStr("service.name", service)
	a.PutStr("service.namespace", "shop")
	a.PutStr("service.version", "1.42.0")
	a.PutStr("host.name", fmt.Sprintf("node-%d", pod%7))
	a.PutStr("k8s.namespace.name", "shop")
	a.PutStr("k8s.pod.name", fmt.Sprintf("%s-7d4b9c-%05d", service, pod))
	a.PutStr("k8s.deployment.name", service)
	a.PutStr("telemetry.sdk.language", "go")
	a.PutStr("telemetry.sdk.name", "opentelemetry")
	a.PutInt("process.pid", int64(1000+pod))
}

func sampleScope(s pcommon.InstrumentationScope) {
	s.SetName("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp")
	s.SetVersion("0.62.0")
}

func sampleID(r *rand.Rand) (id pcommon.TraceID, span pcommon.SpanID) {
	binary.LittleEndian.PutUint64(id[:], r.Uint64())
	binary.LittleEndian.PutUint64(id[8:], r.Uint64())
	binary.LittleEndian.PutUint64(span[:], r.Uint64())
	return id, span
}

func sampleRequest(a pcommon.Map, r *rand.Rand) {
	a.PutStr("http.request.method", methods[r.IntN(len(methods))])
	a.PutStr("http.route", routes[r.IntN(len(routes))])
	a.PutInt("http.response.status_code", int64([]int{200, 200, 200, 404, 500}[r.IntN(5)]))
	a.PutStr("client.address", fmt.Sprintf("10.%d.%d.%d", r.IntN(4), r.IntN(256), r.IntN(256)))
	a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36")
	a.PutInt("http.request.body.size", int64(r.IntN(1<<16)))
}

func sampleLogs(n int) plog.Logs {
	r := rand.New(rand.NewPCG(1, 2))
	ld := plog.NewLogs()
	const pods = 20
	for pod := range pods {
		rl := ld.ResourceLogs().AppendEmpty()
		sampleResource(rl.Resource(), pod)
		sl := rl.ScopeLogs().AppendEmpty()
		sampleScope(sl.Scope())
		for i := range n / pods {
			lr := sl.LogRecords().AppendEmpty()
			lr.SetTimestamp(pcommon.Timestamp(sampleStart + uint64(i)*1e6 + r.Uint64N(1e6)))
			lr.SetObservedTimestamp(lr.Timestamp() + pcommon.Timestamp(r.Uint64N(1e9)))
			lr.SetSeverityNumber(plog.SeverityNumberInfo)
			lr.SetSeverityText("INFO")
			lr.Body().SetStr(fmt.Sprintf("order %d of user %d accepted in %d ms, %d items, total %d.%02d EUR",
				r.IntN(1e8), r.IntN(1e6), r.IntN(500), r.IntN(10), r.IntN(500), r.IntN(100)))
			id, span := sampleID(r)
			lr.SetTraceID(id)
			lr.SetSpanID(span)
			sampleRequest(lr.Attributes(), r)
		}
	}
	return ld
}

func sampleTraces(n int) ptrace.Traces {
	r := rand.New(rand.NewPCG(1, 2))
	td := ptrace.NewTraces()
	const pods = 20
	for pod := range pods {
		rs := td.ResourceSpans().AppendEmpty()
		sampleResource(rs.Resource(), pod)
		ss := rs.ScopeSpans().AppendEmpty()
		sampleScope(ss.Scope())
		for i := range n / pods {
			s := ss.Spans().AppendEmpty()
			start := sampleStart + uint64(i)*1e6 + r.Uint64N(1e6)
			s.SetStartTimestamp(pcommon.Timestamp(start))
			s.SetEndTimestamp(pcommon.Timestamp(start + r.Uint64N(5e8)))
			id, span := sampleID(r)
			s.SetTraceID(id)
			s.SetSpanID(span)
			_, parent := sampleID(r)
			s.SetParentSpanID(parent)
			s.SetName("GET " + routes[r.IntN(len(routes))])
			s.SetKind(ptrace.SpanKindServer)
			sampleRequest(s.Attributes(), r)
			if r.IntN(10) == 0 {
				e := s.Events().AppendEmpty()
				e.SetName("exception")
				e.SetTimestamp(s.EndTimestamp())
				e.Attributes().PutStr("exception.message", "context deadline exceeded")
				s.Status().SetCode(ptrace.StatusCodeError)
			}
		}
	}
	return td
}

func sampleMetrics(n int) pmetric.Metrics {
	r := rand.New(rand.NewPCG(1, 2))
	md := pmetric.NewMetrics()
	const pods, names = 20, 10
	for pod := range pods {
		rm := md.ResourceMetrics().AppendEmpty()
		sampleResource(rm.Resource(), pod)
		sm := rm.ScopeMetrics().AppendEmpty()
		sampleScope(sm.Scope())
		for name := range names {
			m := sm.Metrics().AppendEmpty()
			m.SetName(fmt.Sprintf("http.server.measure.%d", name))
			m.SetUnit("s")
			m.SetDescription("Duration of what the server does.")
			histogram := name < 2
			if histogram {
				m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			} else {
				m.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
				m.Sum().SetIsMonotonic(true)
			}
			for i := range n / pods / names {
				at := pcommon.Timestamp(sampleStart + uint64(i/24)*15e9)
				if histogram {
					dp := m.Histogram().DataPoints().AppendEmpty()
					dp.SetTimestamp(at)
					dp.SetStartTimestamp(pcommon.Timestamp(sampleStart))
					for b := range 14 {
						dp.BucketCounts().Append(uint64(i*b) + r.Uint64N(10))
						dp.ExplicitBounds().Append(float64(b) * 0.25)
					}
					dp.BucketCounts().Append(uint64(i))
					dp.SetCount(uint64(i) * 100)
					dp.SetSum(float64(i) * 31.5)
					samplePoint(dp.Attributes(), i)
					continue
				}
				dp := m.Sum().DataPoints().AppendEmpty()
				dp.SetTimestamp(at)
				dp.SetStartTimestamp(pcommon.Timestamp(sampleStart))
				dp.SetDoubleValue(float64(i) + r.Float64())
				samplePoint(dp.Attributes(), i)
			}
		}
	}
	return md
}

func samplePoint(a pcommon.Map, i int) {
	a.PutStr("http.request.method", methods[i%2+3])
	a.PutStr("http.route", routes[i/2%6])
	a.PutInt("http.response.status_code", int64(200+i/12%2*300))
	a.PutStr("server.address", "shop.example.com")
	a.PutInt("server.port", 8443)
}
