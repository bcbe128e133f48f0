package lake

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/measure"
	"github.com/penstockhq/penstock/testbed/internal/objects"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	perRequest = 500
	perRun     = 200_000
)

var words = []string{"order", "payment", "user", "accepted", "rejected", "retry", "timeout", "connection", "cache", "miss", "inventory", "shipment", "label", "queue", "worker", "response"}

// request is an OTLP request of log records, none of them with anything to scrub.
func request(b *testing.B, r *rand.Rand) []byte {
	b.Helper()
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	pod := r.IntN(20)
	for key, value := range map[string]string{
		"service.name": fmt.Sprint("service-", pod%5), "service.namespace": "shop", "service.version": "1.42.0", "host.name": fmt.Sprint("node-", pod%7),
		"k8s.namespace.name": "shop", "k8s.pod.name": fmt.Sprint("pod-7d4b9c-", pod), "telemetry.sdk.language": "go", "telemetry.sdk.name": "opentelemetry",
	} {
		rl.Resource().Attributes().PutStr(key, value)
	}
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp")
	now := pcommon.NewTimestampFromTime(time.Now())
	var trace pcommon.TraceID
	for i := range perRequest {
		if i%6 == 0 {
			binary.LittleEndian.PutUint64(trace[:], r.Uint64())
			binary.LittleEndian.PutUint64(trace[8:], r.Uint64())
		}
		lr := sl.LogRecords().AppendEmpty()
		lr.SetTimestamp(now + pcommon.Timestamp(r.Uint64N(1e6)))
		lr.SetObservedTimestamp(lr.Timestamp() + 5e6)
		lr.SetSeverityNumber(plog.SeverityNumberInfo)
		lr.SetSeverityText("INFO")
		body := ""
		for len(body) < 150 {
			body += fmt.Sprintf("%s %d ", words[r.IntN(len(words))], r.IntN(1e4))
		}
		lr.Body().SetStr(body)
		lr.SetTraceID(trace)
		lr.SetSpanID([8]byte(binary.LittleEndian.AppendUint64(nil, r.Uint64())))
		a := lr.Attributes()
		a.PutStr("http.request.method", "GET")
		a.PutStr("http.route", fmt.Sprint("/api/v1/", words[r.IntN(len(words))]))
		a.PutInt("http.response.status_code", 200)
		a.PutStr("server.address", "shop.example.internal")
		a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36")
		a.PutInt("http.request.body.size", int64(r.IntN(1<<16)))
	}
	raw, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	require.NoError(b, err)
	return raw
}

// BenchmarkStandalone sends 200 000 log records, 500 a request, to `profile:standalone` and waits until the lake has them: microseconds of the process's CPU a record,
// the variants in turn. The journal, the scrubber and the other followers are those of the profile.
//
//	go test -run '^$' -bench Standalone -benchtime 3x ./bench/lake
func BenchmarkStandalone(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	store := objects.Start(b, 1)
	variants := []string{"disk", "store"}
	running := map[string]*process.Process{}
	for _, name := range variants {
		s := process.Settings{Args: []string{"--set=receivers::kafka_replay/lake::follow::range::max_wait=2s"}}
		if name == "store" {
			s.Env = store.Env()
		}
		running[name] = process.Start(b, s)
		spend(b, running[name], r, perRun/10) // warm
	}
	spent, ratios := map[string][]float64{}, []float64{}
	for b.Loop() {
		round := map[string]float64{}
		for _, name := range variants {
			round[name] = spend(b, running[name], r, perRun)
			spent[name] = append(spent[name], round[name])
		}
		ratios = append(ratios, round["store"]/round["disk"])
	}
	for _, name := range variants {
		b.ReportMetric(measure.Median(spent[name]), name+"-us/record")
	}
	b.ReportMetric(measure.Median(ratios), "store/disk")
	b.ReportMetric(float64(len(request(b, r)))/perRequest, "otlpB/record")
	b.ReportMetric(0, "ns/op")
}

// spend sends records, no request like another (the journal drops those that come again), and returns the CPU a record in microseconds.
func spend(b *testing.B, p *process.Process, r *rand.Rand, records int) float64 {
	b.Helper()
	rows := func() float64 {
		n, err := ask.Metric(p.Telemetry(), "otelcol_exporter_parquet_rows", `signal="logs"`)
		require.NoError(b, err)
		return n
	}
	before, cpu := rows(), p.CPUSoFar(b)
	for range records / perRequest {
		answer, err := send.Post(p.HTTP(), "/v1/logs", request(b, r), "Content-Type", "application/x-protobuf")
		require.NoError(b, err)
		require.Equal(b, http.StatusOK, answer.Status, answer.Body)
	}
	ask.Eventually(b, func() error {
		if got := rows() - before; got < float64(records) {
			return fmt.Errorf("%.0f of %d rows", got, records)
		}
		return nil
	})
	return (p.CPUSoFar(b) - cpu).Seconds() * 1e6 / float64(records)
}
