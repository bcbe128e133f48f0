package faults

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
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
	report = flag.String("report", "", "directory for report.md and report.svg; with it, the stock collector runs as well")
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

// suffer runs a schedule against a product and returns what it cost.
func suffer(t *testing.T, s schedule, product string, settings func(testing.TB, string) process.Settings, moments uint64) result {
	sink := gateway.New(t)
	r := &rig{t: t, rng: rand.New(rand.NewPCG(moments, 7)), sink: sink, network: proxy.New(t, sink.Address),
		result: result{schedule: s.name, product: product, rounds: *rounds}}
	if s.most > 0 {
		r.result.rounds = min(*rounds, s.most)
	}
	set := settings(t, r.network.Address)
	if s.disk != nil {
		set.DataDir = t.TempDir()
		r.disk = s.disk(t, set.DataDir)
	}
	r.process = process.Start(t, set)
	r.clients = start(r.process.HTTP(), 3)
	for range r.result.rounds {
		s.round(r)
	}
	settled := r.settle(time.Minute)
	r.process.Terminate(t)
	return settled
}

// Whatever an agent has acknowledged arrives, whatever happens to it and its gateway. A hop without a journal may deliver a request
// twice when it dies between delivery and the record of it: the report counts those.
func TestAnAgentLosesNothingItAcknowledged(t *testing.T) {
	beside(t)
	moments := *seed
	if moments == 0 {
		moments = rand.Uint64()
	}
	t.Logf("-seed %d", moments)
	var results []result
	for _, s := range schedules {
		t.Run(s.name, func(t *testing.T) {
			ours := suffer(t, s, "penstock agent", agent, moments)
			results = append(results, ours)
			require.Positive(t, ours.acknowledged)
			assert.Zero(t, ours.missing, "of %d acknowledged items", ours.acknowledged)
			t.Logf("%+v", ours)
			if *report != "" && !s.alone {
				theirs := suffer(t, s, stockName, func(t testing.TB, address string) process.Settings { return gateway.Stock(t, address, s.storage) }, moments)
				t.Logf("%+v", theirs)
				results = append(results, theirs)
			}
			publish(t, results)
		})
	}
}

// publish writes what is known so far: a run that is cut short has a report too.
func publish(t *testing.T, results []result) {
	if *report == "" {
		return
	}
	require.NoError(t, os.MkdirAll(*report, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(*report, "report.md"), []byte(markdown(results)), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(*report, "report.svg"), []byte(svg(results)), 0o644))
}
