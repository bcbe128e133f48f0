package sidebyside

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/gateway"
	"github.com/penstockhq/penstock/testbed/internal/measure"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	perRequest = 500
	lasts      = 10 * time.Second // of each run
)

// sink is a collector's destination.
type sink interface {
	arrived() int64         // records
	stored() map[string]int // how often each body came
	onWire() int64          // bytes
}

// product is one of the collectors. The agent scrubs, syncs its queue, and names the host; the others pass on.
type product struct {
	name  string
	path  string // of OTLP logs
	start func(testing.TB) (process.Settings, sink)
}

// plain is a server that speaks OTLP.
type plain struct{ *gateway.Gateway }

func (p plain) arrived() (n int64) {
	p.Records(func(plog.ResourceLogs, plog.LogRecord) { n++ })
	return n
}

func (p plain) stored() map[string]int { return p.Bodies() }
func (p plain) onWire() int64          { return p.Wire() }

// toPlain returns how a collector starts whose settings name an OTLP server.
func toPlain(settings func(testing.TB, string) process.Settings) func(testing.TB) (process.Settings, sink) {
	return func(t testing.TB) (process.Settings, sink) {
		g := gateway.New(t)
		return settings(t, g.Address), plain{g}
	}
}

var products = []product{
	{"agent", "/v1/logs", toPlain(func(t testing.TB, address string) process.Settings {
		return process.Settings{Configs: []string{"profile:agent"}, Env: map[string]string{"PENSTOCK_GATEWAY_ENDPOINT": address, "PENSTOCK_STATSD_ENDPOINT": freeport.One(t)},
			Args: []string{"--set=exporters::otlp_grpc/gateway::compression=gzip"}} // the server knows no zstd
	})},
	{"stock", "/v1/logs", toPlain(func(t testing.TB, address string) process.Settings { return gateway.Stock(t, address, "") })},
	{"stock-fsync", "/v1/logs", toPlain(func(t testing.TB, address string) process.Settings { return gateway.Stock(t, address, ", fsync: true") })},
	{"vlagent", "/insert/opentelemetry/v1/logs", func(t testing.TB) (process.Settings, sink) {
		n := newNative(t)
		return vlagent(t, n), n
	}},
}

var only = flag.String("products", "", "names of products, with commas; empty: all")

// chosen returns the products that -products names.
func chosen() (all []product) {
	for _, p := range products {
		if *only == "" || slices.Contains(strings.Split(*only, ","), p.name) {
			all = append(all, p)
		}
	}
	return all
}

// spent is the cost of one run of one product.
type spent struct {
	records        int64
	cpu            time.Duration
	resident, wire int64 // bytes
}

// BenchmarkSideBySide reports medians of interleaved runs: CPU per record, resident memory at the end, bytes on the wire a record;
// without a rate also acknowledged records a CPU second.
func BenchmarkSideBySide(b *testing.B) {
	for _, rate := range []int{5_000, 20_000, 0} {
		name := fmt.Sprintf("records_s=%d", rate)
		if rate == 0 {
			name = "as-fast-as-it-goes"
		}
		b.Run(name, func(b *testing.B) {
			all := map[string][]spent{}
			for b.Loop() {
				for _, p := range chosen() {
					all[p.name] = append(all[p.name], run(b, p, rate))
				}
			}
			for _, p := range chosen() {
				report(b, all[p.name], p.name+"-cpu-µs/record", func(s spent) float64 { return float64(s.cpu.Microseconds()) / float64(s.records) })
				report(b, all[p.name], p.name+"-MiB", func(s spent) float64 { return float64(s.resident) / (1 << 20) })
				report(b, all[p.name], p.name+"-wire-B/record", func(s spent) float64 { return float64(s.wire) / float64(s.records) })
				report(b, all[p.name], p.name+"-records/s", func(s spent) float64 { return float64(s.records) / lasts.Seconds() })
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func report(b *testing.B, runs []spent, unit string, value func(spent) float64) {
	var values []float64
	for _, s := range runs {
		values = append(values, value(s))
	}
	measure.Report(b, values, unit)
}

// run sends for a while at a rate of records a second (0: as fast as eight clients can) and waits until all that was acknowledged
// has arrived.
func run(b *testing.B, p product, rate int) spent {
	settings, sink := p.start(b)
	proc := process.Start(b, settings)
	defer proc.Kill()
	body := request(b)
	before := proc.CPUSoFar(b)
	var s spent
	var acknowledged, next atomic.Int64
	begin := time.Now()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if rate > 0 {
					time.Sleep(time.Until(begin.Add(time.Duration(n) * time.Second * perRequest / time.Duration(rate))))
				}
				if time.Since(begin) > lasts {
					return
				}
				answer, err := send.Post(proc.HTTP(), p.path, body, "Content-Type", "application/x-protobuf")
				if err == nil && answer.Status == http.StatusOK {
					acknowledged.Add(1)
				}
			}
		})
	}
	wg.Wait()
	s.records = acknowledged.Load() * perRequest
	require.Positive(b, s.records)
	for end := time.Now().Add(time.Minute); sink.arrived() < s.records; time.Sleep(20 * time.Millisecond) {
		require.True(b, time.Now().Before(end), "%s: %d of %d acknowledged records have arrived", p.name, sink.arrived(), s.records)
	}
	s.cpu, s.resident, s.wire = proc.CPUSoFar(b)-before, proc.Resident(b), sink.onWire()
	return s
}

// BenchmarkKilled kills each product with kill -9 ten times at random moments, while four clients send numbered records, and counts from outside
// which of the acknowledged ones its server lacks, and how many it has more than once.
func BenchmarkKilled(b *testing.B) {
	all := map[string][]lost{}
	for b.Loop() {
		seed := rand.Uint64()
		for _, p := range chosen() {
			all[p.name] = append(all[p.name], killed(b, p, rand.New(rand.NewPCG(seed, 3))))
		}
	}
	for _, p := range chosen() {
		for unit, value := range map[string]func(lost) int{
			"acknowledged": func(l lost) int { return l.acknowledged }, "missing": func(l lost) int { return l.missing }, "doubled": func(l lost) int { return l.doubled },
		} {
			var values []float64
			for _, l := range all[p.name] {
				values = append(values, float64(value(l)))
			}
			measure.Report(b, values, p.name+"-"+unit)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// lost is what ten kills cost, in records.
type lost struct{ acknowledged, missing, doubled int }

func killed(b *testing.B, p product, rng *rand.Rand) lost {
	const perKilled = 10
	settings, sink := p.start(b)
	proc := process.Start(b, settings)
	defer proc.Kill()
	var mu sync.Mutex
	var acknowledged []int // guarded by mu; numbers of requests
	var next atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				number := int(next.Add(1)) - 1
				body, err := plogotlp.NewExportRequestFromLogs(send.LogBatch("shop", number*perKilled, perKilled)).MarshalProto()
				if err != nil {
					panic(err)
				}
				answer, err := send.Post(proc.HTTP(), p.path, body, "Content-Type", "application/x-protobuf")
				if err != nil || answer.Status != http.StatusOK {
					time.Sleep(20 * time.Millisecond) // a client's pause
					continue
				}
				mu.Lock()
				acknowledged = append(acknowledged, number)
				mu.Unlock()
			}
		})
	}
	for range 10 {
		time.Sleep(time.Duration(300+rng.IntN(2000)) * time.Millisecond)
		proc.Kill()
		proc.Restart(b)
	}
	close(stop)
	wg.Wait()
	var l lost
	l.acknowledged = len(acknowledged) * perKilled
	came := int64(-1)
	for end := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if n := sink.arrived(); n != came { // All records have arrived when no more arrive for longer than any product waits between two attempts.
			came, end = n, time.Now().Add(45*time.Second)
		}
		stored := sink.stored()
		l.missing, l.doubled = 0, 0
		for _, number := range acknowledged {
			for id := number * perKilled; id < (number+1)*perKilled; id++ {
				if stored[fmt.Sprint("id ", id)] == 0 {
					l.missing++
				}
			}
		}
		for _, n := range stored {
			l.doubled += n - 1
		}
		if l.missing == 0 || time.Now().After(end) {
			return l
		}
	}
}

// request is an access log of a shop: half a kilobyte a record, no two alike.
func request(b *testing.B) []byte {
	logs := send.LogBatch("shop", 0, perRequest)
	for i, r := range logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
		r.Body().SetStr(fmt.Sprintf(`10.1.%d.%d - - [30/Nov/2026:10:%02d:%02d +0000] "GET /cart/%d/items?page=%d HTTP/1.1" 200 %d "https://shop.example/start" "Mozilla/5.0 (X11; Linux x86_64)"`,
			i%7, i%251, i%60, i*7%60, i*7919%100000, i%9, 500+i*31%9000))
		r.Attributes().PutStr("http.request.method", "GET")
		r.Attributes().PutInt("http.response.status_code", 200)
		r.Attributes().PutStr("k8s.pod.name", fmt.Sprintf("shop-%d", i%12))
		r.Attributes().PutDouble("duration", float64(i%97)/1000)
	}
	body, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	require.NoError(b, err)
	return body
}
