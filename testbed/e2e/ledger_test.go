package e2e

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/ledgers"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	ledgerTenant = "acme"
	itemsEach    = 7
	seriesKept   = 3 // by the guard: the points of the other series are folded
)

// TestTheLedgerSurvivesKills: after kills at random moments, the ledger agrees with the acknowledged items, and with the stores.
func TestTheLedgerSurvivesKills(t *testing.T) { ledgerUnderKills(t, 3, 15) }

// ledgerUnderKills kills a standalone collector so many times, each after up to most acknowledged requests.
func ledgerUnderKills(t *testing.T, kills, most int) {
	p := process.Start(t, process.Settings{Args: []string{"--set=receivers.kafka_replay/lake.follow.range.max_wait=500ms",
		fmt.Sprintf("--set=processors.cardinality_guard/tsdb.overrides=[{metric: ledger.points, limits: {series_per_metric: %d}}]", seriesKept)}})
	var done atomic.Bool
	var acknowledged [2]atomic.Int64 // items of logs and metrics
	var senders sync.WaitGroup
	for i, request := range []func(first int) []byte{
		func(first int) []byte {
			return marshal(t, plogotlp.NewExportRequestFromLogs(send.LogBatch("shop", first, itemsEach)))
		},
		func(first int) []byte {
			return marshal(t, pmetricotlp.NewExportRequestFromMetrics(gauges("ledger.points", itemsEach)))
		},
	} {
		path := []string{"/v1/logs", "/v1/metrics"}[i]
		senders.Go(func() {
			pause := time.NewTicker(5 * time.Millisecond)
			defer pause.Stop()
			for n := 0; !done.Load(); n++ {
				body := request(n * itemsEach)
				for { // as an SDK does that waits for its answer
					a, err := send.Post(p.HTTP(), path, body, "Content-Type", "application/x-protobuf", "X-Scope-OrgID", ledgerTenant)
					if err == nil && a.Status == 200 {
						break
					}
					<-pause.C
				}
				acknowledged[i].Add(itemsEach)
			}
		})
	}
	stop := sync.OnceFunc(func() {
		done.Store(true)
		senders.Wait()
	})
	t.Cleanup(stop)
	for range kills {
		for i := range acknowledged { // both are at work
			until := acknowledged[i].Load() + itemsEach*int64(1+rand.IntN(most))
			ask.Eventually(t, func() error { return atLeast(&acknowledged[i], until) })
		}
		p.Kill()
		p.Begin(t)
		p.AwaitHealthy(t)
	}
	for i := range acknowledged {
		until := acknowledged[i].Load() + itemsEach
		ask.Eventually(t, func() error { return atLeast(&acknowledged[i], until) })
	}
	stop()

	logs := settled(t, p, "logs", acknowledged[0].Load(), "lake")
	metrics := settled(t, p, "metrics", acknowledged[1].Load(), "lake", "tsdb")
	assert.NotZero(t, metrics["tsdb"].Folded, "the guard is at work")
	assert.Equal(t, logs["lake"].Stored, ask.LakeRows(t, p.Lake(), "logs"), "what the lake holds")
	ask.Eventually(t, func() error {
		have, err := ask.PromValue(p.TSDB(), `sum(count_over_time(ledger_points{otel_metric_overflow=""}[1d]))`)
		if err == nil && int64(have) != metrics["tsdb"].Stored {
			err = fmt.Errorf("the TSDB holds %v samples, the ledger has stored %d", have, metrics["tsdb"].Stored)
		}
		return err
	})
}

// settled waits until the ledger has nothing buffered, and each acknowledged item once, besides repetitions.
func settled(t *testing.T, p *process.Process, signal string, acknowledged int64, names ...string) map[string]ledgers.Sink {
	t.Helper()
	var received int64
	var sinks map[string]ledgers.Sink
	ask.Eventually(t, func() error {
		a, err := ledgers.Get(p, signal, ledgerTenant)
		if err != nil {
			return err
		}
		if received, sinks, err = a.Sum(); err != nil {
			return err
		}
		for _, name := range names {
			if s := sinks[name]; received-s.Dropped["duplicate"] != acknowledged || s.Stored+s.Folded != acknowledged {
				return fmt.Errorf("%s to %s: acknowledged %d, received %d, %+v", signal, name, acknowledged, received, s)
			}
		}
		return nil
	})
	return sinks
}

func atLeast(have *atomic.Int64, want int64) error {
	if n := have.Load(); n < want {
		return fmt.Errorf("%d items were acknowledged, not %d", n, want)
	}
	return nil
}

func marshal(t testing.TB, request interface{ MarshalProto() ([]byte, error) }) []byte {
	body, err := request.MarshalProto()
	require.NoError(t, err)
	return body
}

var gaugeClock atomic.Int64 // the latest time that gauges has given, Unix ms

// gauges returns n points of one series each, each with a different time.
func gauges(name string, n int) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(name)
	points := m.SetEmptyGauge().DataPoints()
	now := max(time.Now().UnixMilli(), gaugeClock.Load()+1)
	gaugeClock.Store(now)
	for i := range n {
		p := points.AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(time.UnixMilli(now)) + 1) // finer than a second: repetitions are found
		p.SetIntValue(now)
		p.Attributes().PutInt("series", int64(i))
	}
	return md
}
