package guard

import (
	"fmt"
	"strings"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatautil"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/testbed/internal/measure"
)

// attributes are in the order in which instrumentation for HTTP servers and Kubernetes sets them.
const attributes = `http.request.method=GET url.scheme=https http.response.status_code=200 http.route=/api/v1/orders/{id}
	network.protocol.version=1.1 server.address=orders.shop.svc.cluster.local server.port=8443 error.type=timeout
	k8s.pod.name=orders-7c9f8d6b5-x2v4q k8s.namespace.name=shop k8s.node.name=ip-10-1-2-3 deployment.environment.name=production
	cloud.region=eu-central-1 client.address=10.2.3.4 user_agent.name=Chrome tenant.tier=gold`

// BenchmarkStreamKey pairs our key of an attribute set with contrib's pdatautil.MapHash.
func BenchmarkStreamKey(b *testing.B) {
	for _, n := range []int{2, 8, 16} {
		b.Run(fmt.Sprintf("attributes=%d", n), func(b *testing.B) {
			m := pcommon.NewMap()
			for _, a := range strings.Fields(attributes)[:n] {
				name, value, _ := strings.Cut(a, "=")
				m.PutStr(name, value)
			}
			const rounds = 100_000
			var sum streamkey.Key
			var other [16]byte
			var ours, theirs, ratio []float64
			for b.Loop() {
				begin := cputime.Spent()
				for range rounds {
					sum = sum.Plus(streamkey.Attributes(m))
				}
				middle := cputime.Spent()
				for range rounds {
					other = pdatautil.MapHash(m)
				}
				ours = append(ours, float64(middle-begin)/rounds)
				theirs = append(theirs, float64(cputime.Spent()-middle)/rounds)
				ratio = append(ratio, theirs[len(theirs)-1]/ours[len(ours)-1])
			}
			_, _ = sum, other
			measure.Report(b, ours, "ns/key")
			measure.Report(b, theirs, "ns/MapHash")
			measure.Report(b, ratio, "x-faster")
			b.ReportMetric(testing.AllocsPerRun(100, func() { sum = streamkey.Attributes(m) }), "allocs/key")
		})
	}
}
