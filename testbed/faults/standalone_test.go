package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// quick makes a standalone process store sooner than it does by default, and fold most series. Windows wait longer than a restart takes on a
// slow machine.
const quick = `
receivers:
  kafka_replay/lake: {follow: {range: {max_wait: 500ms}}}
processors:
  cardinality_guard/tsdb: {limits: {series_per_metric: 20}, flush_interval: 1s}
  window_rollup/tsdb:
    allowed_lateness: 20s
    idle_timeout: 20s
    rules: [{match: {metric: hits}, windows: [{size: 5s}], by: [service.name], aggregates: [increase]}]
`

// stubborn is a client that repeats each request, byte for byte, until it is acknowledged.
type stubborn struct {
	process  *process.Process
	stop     chan struct{}
	wg       sync.WaitGroup
	requests atomic.Int64 // of each signal, begun
	acks     atomic.Int64 // of requests
}

func (s *stubborn) start(n int) {
	for client := range n {
		s.wg.Go(func() {
			for served := 1; ; served++ {
				select {
				case <-s.stop:
					return
				default:
				}
				number := int(s.requests.Add(1)) - 1
				for _, kind := range signals[:2] {
					body, err := kind.encode(number * perRequest)
					if err != nil {
						panic(err)
					}
					s.until200(kind.path, body)
				}
				s.until200("/v1/metrics", counters(number, client, served))
			}
		})
	}
}

func (s *stubborn) until200(path string, body []byte) {
	for {
		answer, err := send.Post(s.process.HTTP(), path, body, "Content-Type", "application/x-protobuf")
		if err == nil && answer.Status == http.StatusOK {
			s.acks.Add(1)
			return
		}
		time.Sleep(20 * time.Millisecond) // a client's pause before it tries again
	}
}

// counters is request number: perRequest points of the delta counter hits, each adding 1 for another user, and one point of the
// cumulative counter served, which counts the requests of a client. Clients have a stream each: in one, a point that had to be sent
// again would come behind a newer one, and be refused as older.
func counters(number, client, requests int) []byte {
	md := pmetric.NewMetrics()
	resource := md.ResourceMetrics().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "faults")
	scope := resource.ScopeMetrics().AppendEmpty()
	now := time.Now()
	counter := func(name string, temporality pmetric.AggregationTemporality) pmetric.NumberDataPointSlice {
		m := scope.Metrics().AppendEmpty()
		m.SetName(name)
		m.SetEmptySum().SetIsMonotonic(true)
		m.Sum().SetAggregationTemporality(temporality)
		return m.Sum().DataPoints()
	}
	hits := counter("hits", pmetric.AggregationTemporalityDelta)
	for i := range perRequest {
		p := hits.AppendEmpty()
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-time.Second)))
		p.SetTimestamp(pcommon.NewTimestampFromTime(now))
		p.Attributes().PutInt("user_id", int64((number*perRequest+i)%200))
		p.SetIntValue(1)
	}
	served := counter("served", pmetric.AggregationTemporalityCumulative).AppendEmpty()
	served.SetStartTimestamp(pcommon.NewTimestampFromTime(began))
	served.SetTimestamp(pcommon.NewTimestampFromTime(now))
	served.Attributes().PutInt("client", int64(client))
	served.SetIntValue(int64(requests))
	body, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	if err != nil {
		panic(err)
	}
	return body
}

// began is before all points of this process.
var began = time.Now().Add(-time.Minute)

// alone is a standalone process under clients.
type alone struct {
	t       *testing.T
	batch   *batch
	rng     *rand.Rand
	p       *process.Process
	clients *stubborn
}

// startAlone starts clients at a standalone process that stores quickly.
func startAlone(b *batch, set process.Settings) *alone {
	b.product = "penstock standalone"
	config := filepath.Join(b.t.TempDir(), "quick.yaml")
	require.NoError(b.t, os.WriteFile(config, []byte(quick), 0o600))
	set.Configs = []string{"profile:standalone", config}
	p := process.Start(b.t, set)
	a := &alone{t: b.t, batch: b, rng: rand.New(rand.NewPCG(b.moments, 11)), p: p, clients: &stubborn{process: p, stop: make(chan struct{})}}
	a.clients.start(3)
	return a
}

// passes waits until up to most more requests are acknowledged, and then for some moment that is not the one behind an answer.
func (a *alone) passes(most int) {
	before := a.clients.acks.Load()
	more := int64(1 + a.rng.IntN(most))
	ask.Eventually(a.t, func() error {
		if a.clients.acks.Load() < before+more {
			return errors.New("nothing is acknowledged")
		}
		return nil
	})
	a.pause(700)
}

func (a *alone) pause(ms int) { time.Sleep(time.Duration(a.rng.IntN(ms)) * time.Millisecond) }

// die kills the process, sometimes while it starts too, and starts it.
func (a *alone) die() {
	a.p.Kill()
	for a.rng.IntN(4) == 0 {
		a.p.Begin(a.t)
		a.pause(500)
		a.p.Kill()
	}
	a.p.Restart(a.t)
}

// A standalone process is killed at random moments, during its start and recovery too, and its files can't be written for a while. At the end
// the lake holds each log record and span once, and delta totals, folded series, windows and cumulative counters add up to what was acknowledged.
func TestStandaloneStoresEverythingOnce(t *testing.T) {
	beside(t)
	inBatches(t, "standalone: kill -9, every write to a file fails", 0, func(b *batch) {
		a := startAlone(b, process.Settings{})
		for range b.rounds {
			a.passes(20)
			a.die()
			a.passes(20)
			a.p.FilesFail(b.t, true)
			a.pause(1000)
			if a.rng.IntN(2) == 0 {
				a.die()
			} else {
				a.p.FilesFail(b.t, false)
			}
		}
		a.reconcile()
	})
}

// end stops the clients, which have an acknowledgement for each request then.
func (a *alone) end() {
	close(a.clients.stop)
	a.clients.wg.Wait()
	a.t.Logf("%d requests of each signal", a.clients.requests.Load())
}

// items is how many log records, spans and points of hits were sent.
func (a *alone) items() float64 { return float64(a.clients.requests.Load() * perRequest) }

// inLake waits until the lake has each log record and span once.
func (a *alone) inLake() {
	t, lake, items := a.t, a.p.Lake(), a.items()
	for table, column := range map[string]string{"logs": "body", "traces": "name"} {
		ask.Eventually(t, func() error {
			if len(ask.LakeFiles(t, lake, table)) == 0 {
				return errors.New("the lake has no " + table)
			}
			rows, err := ask.SQL(t, fmt.Sprintf(`select count(*), count(distinct %s) from %s where service_name = 'faults'`, column, ask.Lake(lake, table)))
			if err != nil {
				return err
			}
			if all, distinct := rows[0][0].(float64), rows[0][1].(float64); all != items || distinct != items {
				return fmt.Errorf("%s: %v rows, %v distinct, sent were %v", table, all, distinct, items)
			}
			return nil
		})
	}
}

// reconcile ends the clients and compares what they sent with what is stored.
func (a *alone) reconcile() {
	a.end()
	a.inLake()
	for what, question := range map[string]struct {
		query string
		want  float64
	}{
		"delta counters, folded ones included": {`sum(max_over_time(hits_total[1h]))`, a.items()},
		"windows":                              {`sum(sum_over_time(hits_increase{rollup_window="5s"}[1h]))`, a.items()},
		"cumulative counters":                  {`sum(max_over_time(served_total[1h]))`, a.items() / perRequest},
	} {
		ask.Eventually(a.t, func() error {
			got, err := ask.PromValue(a.p.TSDB(), question.query)
			if err == nil && got != question.want {
				err = fmt.Errorf("%s: %v, want %v", what, got, question.want)
			}
			return err
		})
	}
	a.done(0)
}

// done ends the process, which has everything but refused points.
func (a *alone) done(refused int) {
	a.p.Terminate(a.t)
	a.batch.note(result{Product: a.batch.product, Acknowledged: int(a.items()*3 + a.items()/perRequest), Missing: refused})
}
