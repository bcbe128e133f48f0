package lake

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/penstockhq/penstock/internal/freeport"
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

// variants are the components after the journal.
var variants = []variant{
	{name: "lake", counter: rowsWritten, args: withoutLogs},
	{name: "lake-in-store", counter: rowsWritten, store: true, args: withoutLogs},
	{name: "journal", counter: "otelcol_processor_kafka_replay_appended_items", args: append([]string{"--set=service::pipelines::logs/lake::receivers=[otlp/idle]"}, withoutLogs...)},
	{name: "lake-and-logs", counter: rowsWritten},
}

type variant struct {
	name    string
	counter string   // of the log records that are where they go
	store   bool     // the lake is in an object store, else on disk
	args    []string // beyond the profile
}

const rowsWritten = "otelcol_exporter_parquet_rows"

// withoutLogs stops the store that answers LogsQL from following logs: its pipelines wait for a receiver without senders.
var withoutLogs = []string{
	"--set=receivers::otlp/idle::protocols::http::endpoint=127.0.0.1:0",
	"--set=service::pipelines::logs/logs::receivers=[otlp/idle]",
	"--set=service::pipelines::traces/logs::receivers=[otlp/idle]",
}

// BenchmarkStandalone sends 200 000 log records, 500 a request, to `profile:standalone` and waits until the lake has them: microseconds of the process's CPU a record,
// the variants in turn. The scrubber, the journal and the ledger are those of the profile. With PENSTOCK_BENCH_PROFILES, a directory, each variant leaves a CPU profile there.
//
//	go test -run '^$' -bench Standalone -benchtime 3x ./bench/lake
//	go tool pprof -top -cum ../build/penstock DIR/lake.pprof
func BenchmarkStandalone(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	store := objects.Start(b, 1)
	running := map[string]*process.Process{}
	profiler := map[string]string{}
	for _, v := range variants {
		s := process.Settings{Args: append([]string{"--set=receivers::kafka_replay/lake::follow::range::max_wait=2s"}, v.args...)}
		if v.store {
			s.Env = store.Env()
		}
		if profiles() != "" {
			profiler[v.name] = freeport.Claim(b, 1)[0]
			s.Args = append(s.Args, "--set=extensions::pprof::endpoint="+profiler[v.name], "--set=service::extensions=["+strings.Join(append(extensions(b), "pprof"), ", ")+"]")
		}
		running[v.name] = process.Start(b, s)
		spend(b, running[v.name], r, perRun/10, v.counter) // warm
	}
	records := perRun
	if profiles() != "" {
		records *= 5
	}
	spent, stores, alone := map[string][]float64{}, []float64{}, []float64{}
	for b.Loop() {
		round := map[string]float64{}
		for _, v := range variants {
			stop := profile(b, profiler[v.name], v.name)
			round[v.name] = spend(b, running[v.name], r, records, v.counter)
			stop()
			spent[v.name] = append(spent[v.name], round[v.name])
		}
		stores = append(stores, round["lake-in-store"]/round["lake"])
		alone = append(alone, round["lake"]-round["journal"])
	}
	for _, v := range variants {
		measure.Report(b, spent[v.name], v.name+"-us/record")
	}
	measure.Report(b, stores, "store/disk")
	measure.Report(b, alone, "lake-alone-us/record")
	b.ReportMetric(float64(len(request(b, r)))/perRequest, "otlpB/record")
	b.ReportMetric(0, "ns/op")
}

func profiles() string { return os.Getenv("PENSTOCK_BENCH_PROFILES") }

// extensions are those of the profile.
func extensions(b *testing.B) []string {
	b.Helper()
	cmd := exec.Command(process.Binary(b), "print-config", "--config=profile:standalone")
	cmd.Env = append(os.Environ(), "PENSTOCK_DATA_DIR="+b.TempDir())
	out, err := cmd.Output()
	require.NoError(b, err)
	list := regexp.MustCompile(`(?m)^service:\n    extensions:\n((?: +- \S+\n)+)`).FindSubmatch(out)
	require.NotNil(b, list, "%s", out)
	return strings.Fields(strings.ReplaceAll(string(list[1]), "- ", ""))
}

// profiled is how much of a run a CPU profile is of, from its beginning.
const profiled = 8 * time.Second

// profile begins a CPU profile of the process whose profiler listens at endpoint; the function ends it and stores it under name, with the process's
// allocations so far. Empty: none.
func profile(b *testing.B, endpoint, name string) (stop func()) {
	b.Helper()
	if endpoint == "" {
		return func() {}
	}
	done := make(chan error, 1)
	go func() {
		done <- fetchProfile(endpoint, fmt.Sprintf("profile?seconds=%d", profiled/time.Second), name+".pprof")
	}()
	return func() {
		require.NoError(b, <-done)
		require.NoError(b, fetchProfile(endpoint, "allocs", name+".allocs.pprof"))
	}
}

func fetchProfile(endpoint, kind, name string) error {
	status, body, err := process.Fetch(context.Background(), "http://"+endpoint+"/debug/pprof/"+kind)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("profile: status %d, %w", status, err)
	}
	return os.WriteFile(filepath.Join(profiles(), name), []byte(body), 0o600)
}

// spend sends records, each request different (the journal drops repeated ones), waits until they have arrived, and returns the CPU per record in
// microseconds.
func spend(b *testing.B, p *process.Process, r *rand.Rand, records int, counter string) float64 {
	b.Helper()
	arrived := func() float64 {
		n, err := ask.Metric(p.Telemetry(), counter, `signal="logs"`)
		require.NoError(b, err)
		return n
	}
	before, cpu := arrived(), p.CPUSoFar(b)
	for range records / perRequest {
		answer, err := send.Post(p.HTTP(), "/v1/logs", request(b, r), "Content-Type", "application/x-protobuf")
		require.NoError(b, err)
		require.Equal(b, http.StatusOK, answer.Status, answer.Body)
	}
	ask.Eventually(b, func() error {
		if got := arrived() - before; got < float64(records) {
			return fmt.Errorf("%.0f of %d rows", got, records)
		}
		return nil
	})
	return (p.CPUSoFar(b) - cpu).Seconds() * 1e6 / float64(records)
}
