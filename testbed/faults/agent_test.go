package faults

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/gateway"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/proxy"
)

var (
	rounds = flag.Int("rounds", 2, "rounds of each schedule")
	seed   = flag.Uint64("seed", 0, "of the random moments; 0: another one each time")
	report = flag.String("report", "", "directory for report.md, report.svg and the rounds so far: what earlier runs of this binary did counts")
	stock  = flag.Bool("stock", true, "with -report: the stock collector suffers the same")
	atOnce = flag.Int("batch", 10, "with -report: rounds that one process lives through")
)

// beside lets a test run beside the others, which mostly wait; not while a report is made, which tells times.
func beside(t *testing.T) {
	if *report == "" {
		t.Parallel()
	}
}

// agent returns the settings of Penstock's agent that sends to address.
func agent(t testing.TB, address string) process.Settings {
	return process.Settings{
		Configs: []string{"profile:agent"},
		Env:     map[string]string{"PENSTOCK_GATEWAY_ENDPOINT": address, "PENSTOCK_STATSD_ENDPOINT": freeport.One(t)},
		Args: []string{
			"--set=exporters::otlp_grpc/gateway::compression=gzip", // the sink knows no zstd
			"--set=exporters::otlp_grpc/gateway::timeout=2s",
			"--set=exporters::otlp_grpc/gateway::keepalive::time=10s", // the shortest that gRPC knows
			"--set=exporters::otlp_grpc/gateway::retry_on_failure::initial_interval=100ms",
			"--set=exporters::otlp_grpc/gateway::retry_on_failure::max_interval=200ms",
			"--set=exporters::otlp_grpc/gateway::sending_queue::batch::flush_timeout=50ms",
			"--set=extensions::dead_letter::retry_interval=200ms",
		},
	}
}

// suffer runs rounds of a schedule against a product and returns what they cost.
func suffer(b *batch, s schedule, product string, settings func(testing.TB, string) process.Settings) result {
	t := b.t
	b.product = product
	sink := gateway.New(t)
	r := &rig{t: t, rng: rand.New(rand.NewPCG(b.moments, 7)), sink: sink, network: proxy.New(t, sink.Address), result: result{Product: product}}
	set := settings(t, r.network.Address)
	if s.disk != nil {
		set.DataDir = t.TempDir()
		r.disk = s.disk(t, set.DataDir)
	}
	r.process = process.Start(t, set)
	r.clients = start(r.process.HTTP(), 3)
	for range b.rounds {
		s.round(r)
	}
	settled := r.settle(3 * time.Minute)
	r.process.Terminate(t)
	b.note(settled)
	return settled
}

// Whatever an agent has acknowledged arrives, whatever happens to it and its gateway. A hop without a journal may deliver a request
// twice when it dies between delivery and the record of it: the report counts those.
func TestAnAgentLosesNothingItAcknowledged(t *testing.T) {
	beside(t)
	for _, s := range schedules {
		t.Run(s.name, func(t *testing.T) {
			inBatches(t, s.name, s.most, func(b *batch) {
				ours := suffer(b, s, "penstock agent", agent)
				require.Positive(b.t, ours.Acknowledged)
				assert.Zero(b.t, ours.Missing, "of %d acknowledged items", ours.Acknowledged)
				if *report != "" && *stock && !s.alone {
					suffer(b, s, stockName, func(t testing.TB, address string) process.Settings { return gateway.Stock(t, address, s.storage) })
				}
			})
		})
	}
}
