package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/penstockhq/penstock/testbed/backends/kafka"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/ledgers"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	logsPerRequest   = 100
	spansPerRequest  = 40
	pointsPerRequest = 60
	services         = 4
	users            = 300 // of each service
	// patience is for a machine that does much else.
	patience = 3 * time.Minute
	// lateness is window_rollup's allowed_lateness in quick.
	lateness = 20 * time.Second
)

// quick makes everything wait less than it does by default; windows wait longer than any outage here lasts. The budget is below the
// number of series, so most are folded.
const quick = `
receivers:
  kafka_replay/lake: {follow: {session_timeout: 6s, range: {max_wait: 1s}}}
  kafka_replay/remote_write: {follow: {session_timeout: 6s}}
processors:
  kafka_replay: {topics: {partitions: 6}, timeout: 5s}
  cardinality_guard/remote_write: {limits: {series_per_metric: 100}, flush_interval: 1s}
  window_rollup/remote_write:
    allowed_lateness: 20s
    idle_timeout: 20s
    rules: [{match: {metric: hits}, windows: [{size: 5s}], by: [service.namespace, service.name], aggregates: [increase]}]
`

// store is a TSDB in a separate process.
const store = `
extensions:
  health_check: {endpoint: "${env:PENSTOCK_HEALTH_ENDPOINT}"}
  embedded_tsdb: {endpoint: "${env:PENSTOCK_TSDB_ENDPOINT}", directory: "${env:PENSTOCK_DATA_DIR}/tsdb"}
receivers:
  otlp: {protocols: {http: {endpoint: "${env:PENSTOCK_OTLP_HTTP_ENDPOINT}"}}}
exporters:
  nop:
service:
  extensions: [health_check, embedded_tsdb]
  telemetry: {metrics: {level: none}}
  pipelines: {metrics: {receivers: [otlp], exporters: [nop]}}
`

// fleet is gateways that share a Kafka, a lake and a TSDB, and clients that send to them.
type fleet struct {
	t      testing.TB
	kafka  *kafka.Cluster
	lake   string
	prefix string
	config string
	binary string // of the gateways; empty: the one under test
	store  *process.Process

	mu sync.Mutex
	up []*process.Process // guarded by mu; where clients send

	clients  sync.WaitGroup
	stop     chan struct{}
	requests atomic.Int64 // begun
	logs     atomic.Int64 // acknowledged requests
	metrics  atomic.Int64
	spans    atomic.Int64
	served   atomic.Int64 // of the cumulative counter: one point each
	refused  atomic.Int64 // answers other than 200
	slowest  atomic.Int64 // the longest way of a request of metrics to its acknowledgement, in nanoseconds
	late     float64      // points that windows of processes which are gone did without because they were late
}

func newFleet(t testing.TB, k *kafka.Cluster) *fleet {
	t.Helper()
	dir := t.TempDir()
	f := &fleet{t: t, kafka: k, lake: filepath.Join(dir, "lake"), prefix: strings.ToLower(t.Name()), config: filepath.Join(dir, "quick.yaml"), stop: make(chan struct{})}
	require.NoError(t, os.WriteFile(f.config, []byte(quick), 0o600))
	path := filepath.Join(dir, "store.yaml")
	require.NoError(t, os.WriteFile(path, []byte(store), 0o600))
	f.store = process.Start(t, process.Settings{Configs: []string{path}})
	return f
}

// gateway starts one more. env adds variables.
func (f *fleet) gateway(env ...string) *process.Process {
	f.t.Helper()
	all := map[string]string{
		"PENSTOCK_KAFKA_BROKERS": strings.Join(f.kafka.Addresses(), ","), "PENSTOCK_KAFKA_TOPIC_PREFIX": f.prefix,
		"PENSTOCK_LAKE_URL": f.lake, "PENSTOCK_REMOTE_WRITE_URL": "http://" + f.store.TSDB() + "/api/v1/write",
	}
	for i := 0; i < len(env); i += 2 {
		all[env[i]] = env[i+1]
	}
	p := process.Start(f.t, process.Settings{Binary: f.binary, Configs: []string{"profile:gateway", f.config}, Env: all})
	f.join(p)
	return p
}

func (f *fleet) join(p *process.Process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.up = append(f.up, p)
}

// kill ends p like a crash, and keeps its count of late points.
func (f *fleet) kill(p *process.Process) {
	f.t.Helper()
	n, err := lateOf(p)
	require.NoError(f.t, err)
	f.late += n
	p.Kill()
}

// terminate ends p in good order, and keeps its count of late points.
func (f *fleet) terminate(p *process.Process) {
	f.t.Helper()
	n, err := lateOf(p)
	require.NoError(f.t, err)
	f.late += n
	p.Terminate(f.t)
}

// lateNow is how many points windows did without because they were late, in all processes so far.
func (f *fleet) lateNow() (float64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.late
	for _, p := range f.up {
		n, err := lateOf(p)
		if err != nil {
			return 0, err
		}
		all += n
	}
	return all, nil
}

func lateOf(p *process.Process) (float64, error) {
	return ask.Metric(p.Telemetry(), "otelcol_processor_window_rollup_lost_points", `reason="late"`)
}

// load starts clients. Each sends a request again, byte for byte and to whichever gateway is next, until one answers 200: as SDKs
// behind a load balancer do. Its requests are of logs, spans, a delta counter, and a cumulative one that is its own: in a stream that clients
// share, a point that had to be sent again would come behind a newer one, and be refused as older.
func (f *fleet) load(clients int) {
	for client := range clients {
		f.clients.Go(func() {
			for served := 1; !f.over(); served++ {
				n := int(f.requests.Add(1)) - 1
				f.until200("/v1/traces", spanRequest(n), n, &f.spans)
				f.until200("/v1/metrics", servedRequest(client, served), n, &f.served)
				f.both(n)
			}
		})
	}
}

func (f *fleet) both(n int) {
	f.until200("/v1/logs", logRequest(n), n, &f.logs)
	began := time.Now()
	f.until200("/v1/metrics", metricRequest(n), n, &f.metrics)
	took := int64(time.Since(began))
	for slowest := f.slowest.Load(); took > slowest && !f.slowest.CompareAndSwap(slowest, took); {
		slowest = f.slowest.Load()
	}
}

func (f *fleet) over() bool {
	select {
	case <-f.stop:
		return true
	default:
		return false
	}
}

func (f *fleet) until200(path string, body []byte, n int, acknowledged *atomic.Int64) {
	for try := n; ; try++ {
		f.mu.Lock()
		endpoint := ""
		if len(f.up) > 0 {
			endpoint = f.up[try%len(f.up)].HTTP()
		}
		f.mu.Unlock()
		if endpoint != "" {
			answer, err := send.Post(endpoint, path, body, "Content-Type", "application/x-protobuf")
			if err == nil && answer.Status == 200 {
				acknowledged.Add(1)
				return
			}
			f.refused.Add(1)
		}
		time.Sleep(50 * time.Millisecond) // a client's pause before it tries again
	}
}

// passes waits until more requests have been acknowledged.
func (f *fleet) passes(more int64) {
	f.t.Helper()
	goal := f.metrics.Load() + more
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); f.metrics.Load() < goal; <-tick.C {
		require.True(f.t, time.Now().Before(end), "%d requests acknowledged, waiting for %d", f.metrics.Load(), goal)
	}
}

// members is how many members the followers' groups have.
func (f *fleet) members() (n int) {
	f.t.Helper()
	groups, err := kadm.NewClient(f.kafka.Client()).DescribeGroups(f.t.Context())
	require.NoError(f.t, err)
	for _, g := range groups {
		if strings.HasPrefix(g.Group, f.prefix+".") {
			n += len(g.Members)
		}
	}
	return n
}

// awaitMembers waits until the groups have no more members than n.
func (f *fleet) awaitMembers(n int) {
	f.t.Helper()
	ask.Eventually(f.t, func() error {
		if left := f.members(); left > n {
			return fmt.Errorf("%d members, waiting for %d", left, n)
		}
		return nil
	})
}

// reconcile stops the clients and compares their data with the content of the stores, and with the ledger.
func (f *fleet) reconcile() {
	f.t.Helper()
	f.totals()
	f.balances("logs", f.requests.Load()*logsPerRequest, "lake")
	f.balances("traces", f.spans.Load()*spansPerRequest, "lake")
	f.balances("metrics", f.requests.Load()*pointsPerRequest+f.served.Load(), "lake", "remote_write")
}

// totals is reconcile without the ledger.
func (f *fleet) totals() {
	f.t.Helper()
	close(f.stop)
	f.clients.Wait()
	n := f.requests.Load()
	require.Equal(f.t, n, f.logs.Load())
	require.Equal(f.t, n, f.metrics.Load())
	slowest := time.Duration(f.slowest.Load()).Round(time.Second / 10)
	f.t.Logf("%d requests of each signal, %d times refused, the slowest took %s", n, f.refused.Load(), slowest)

	rows := n * logsPerRequest
	eventually(f.t, "log rows in the lake", func() (float64, error) { return float64(ask.LakeRows(f.t, f.lake, "logs")), nil }, float64(rows))
	answer, err := ask.SQL(f.t, `select count(*), count(distinct body) from `+ask.Lake(f.lake, "logs"))
	require.NoError(f.t, err)
	require.Equal(f.t, [][]any{{float64(rows), float64(rows)}}, answer, "log records: all, and distinct")

	if spans := float64(f.spans.Load() * spansPerRequest); spans > 0 {
		eventually(f.t, "spans in the lake", func() (float64, error) { return float64(ask.LakeRows(f.t, f.lake, "traces")), nil }, spans)
		answer, err = ask.SQL(f.t, `select count(*), count(distinct name) from `+ask.Lake(f.lake, "traces"))
		require.NoError(f.t, err)
		require.Equal(f.t, [][]any{{spans, spans}}, answer, "spans: all, and distinct")
	}

	points, served := float64(n*pointsPerRequest), float64(f.served.Load())
	eventually(f.t, "metric rows in the lake", func() (float64, error) { return float64(ask.LakeRows(f.t, f.lake, "metrics")), nil }, points+served)
	if served > 0 {
		eventually(f.t, "the cumulative counters", func() (float64, error) {
			return ask.PromValue(f.store.TSDB(), `sum(max_over_time(served_total[1h]))`)
		}, served)
	}
	eventually(f.t, "the counters' total, folded series included", func() (float64, error) {
		return ask.PromValue(f.store.TSDB(), `sum(max_over_time(hits_total[1h]))`)
	}, points)
	// A point that a client could not deliver for longer than windows wait is late: windows do without it, and that is counted. On a machine that gives
	// clients so little time the windows and what was late are all points; anywhere else the windows are.
	excused := func() (float64, error) { return 0, nil }
	if slowest >= lateness {
		excused = f.lateNow
	}
	var windows, late float64
	eventually(f.t, "the windows' total, and what was late", func() (have float64, err error) {
		if windows, err = ask.PromValue(f.store.TSDB(), `sum(sum_over_time(hits_increase{rollup_window="5s"}[1h]))`); err == nil {
			late, err = excused()
		}
		if windows <= points { // A killed process may have counted as late what another one met again.
			return min(windows+late, points), err
		}
		return windows, err
	}, points)
	folded, err := ask.PromValue(f.store.TSDB(), `sum(max_over_time(hits_total{otel_metric_overflow="true"}[1h]))`)
	require.NoError(f.t, err)
	require.Greater(f.t, folded, points/10, "the budget folds")
	f.t.Logf("%.0f points: %.0f folded, totals exact; %.0f in windows, %.0f too late for them", points, folded, windows, late)
}

// balances waits until the ledger, as any of the gateways knows it, has nothing buffered, and each acknowledged item once, besides repetitions.
func (f *fleet) balances(signal string, items int64, sinks ...string) {
	f.t.Helper()
	for _, p := range f.up {
		var received int64
		var has map[string]ledgers.Sink
		ask.Eventually(f.t, func() error {
			a, err := ledgers.Get(p, signal, "default")
			if err != nil {
				return err
			}
			if received, has, err = a.Sum(); err != nil {
				return err
			}
			for _, name := range sinks {
				if s := has[name]; received-s.Dropped["duplicate"] != items || s.Stored+s.Folded != items {
					return fmt.Errorf("%s to %s: acknowledged %d, received %d, %+v", signal, name, items, received, s)
				}
			}
			return nil
		})
		f.t.Logf("ledger of %s: received %d, %+v", signal, received, has)
	}
}

// eventually waits until value is want; past it, it fails at once.
func eventually(t testing.TB, what string, value func() (float64, error), want float64) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		got, err := value()
		if err == nil && got == want {
			return
		}
		require.False(t, err == nil && got > want, "%s: %v, sent were %v", what, got, want)
		require.True(t, time.Now().Before(end), "%s: %v of %v, error %v", what, got, want, err)
	}
}

// logRequest is request n: bodies that no other has, from one of some hosts.
func logRequest(n int) []byte {
	logs := send.LogBatch("load", n*logsPerRequest, logsPerRequest)
	logs.ResourceLogs().At(0).Resource().Attributes().PutStr("host.name", fmt.Sprint("host-", n%8))
	body, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	if err != nil {
		panic(err)
	}
	return body
}

// spanRequest is request n: spans with names that no other has.
func spanRequest(n int) []byte {
	td := ptrace.NewTraces()
	resource := td.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", fmt.Sprint("load-", n%services))
	spans := resource.ScopeSpans().AppendEmpty().Spans()
	now := pcommon.NewTimestampFromTime(time.Now())
	for i := n * spansPerRequest; i < (n+1)*spansPerRequest; i++ {
		s := spans.AppendEmpty()
		s.SetName(fmt.Sprint("id ", i))
		s.SetTraceID([16]byte{1, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)})
		s.SetSpanID([8]byte{1, 5: byte(i >> 16), 6: byte(i >> 8), 7: byte(i)})
		s.SetStartTimestamp(now - 1)
		s.SetEndTimestamp(now)
	}
	body, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
	if err != nil {
		panic(err)
	}
	return body
}

// servedRequest is one point of the counter of a client's requests.
func servedRequest(client, requests int) []byte {
	md := pmetric.NewMetrics()
	resource := md.ResourceMetrics().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", fmt.Sprint("load-", client%services))
	m := resource.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("served")
	m.SetEmptySum().SetIsMonotonic(true)
	m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	p := m.Sum().DataPoints().AppendEmpty()
	p.SetStartTimestamp(pcommon.NewTimestampFromTime(began))
	p.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	p.Attributes().PutInt("client", int64(client))
	p.SetIntValue(int64(requests))
	body, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	if err != nil {
		panic(err)
	}
	return body
}

// began is before all points of this process.
var began = time.Now().Add(-time.Minute)

// metricRequest is request n: each point adds one to a counter of some user of some service.
func metricRequest(n int) []byte {
	md := pmetric.NewMetrics()
	resource := md.ResourceMetrics().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", fmt.Sprint("load-", n%services))
	m := resource.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("hits")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	now := time.Now()
	for i := range pointsPerRequest {
		p := sum.DataPoints().AppendEmpty()
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-time.Second)))
		p.SetTimestamp(pcommon.NewTimestampFromTime(now))
		p.Attributes().PutInt("user_id", int64((n*pointsPerRequest+i)%users))
		p.SetIntValue(1)
	}
	body, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	if err != nil {
		panic(err)
	}
	return body
}
