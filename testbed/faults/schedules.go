package faults

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/testbed/internal/clock"
	"github.com/penstockhq/penstock/testbed/internal/disk"
	"github.com/penstockhq/penstock/testbed/internal/gateway"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/proxy"
)

const stockName = "stock collector"

// rig is a product between clients and a sink, with a network before the sink.
type rig struct {
	t       testing.TB
	rng     *rand.Rand
	sink    *gateway.Gateway
	network *proxy.Proxy
	disk    *disk.Disk // of schedules that ask for one
	process *process.Process
	clients *clients
	result  result
}

// schedule is what happens in each round while clients send.
type schedule struct {
	name  string
	round func(*rig)
	// disk makes the file system of the data directory; nil: it is a directory of the machine's.
	disk func(t testing.TB, dir string) *disk.Disk
	// storage is added to the settings of the stock collector's file_storage.
	storage string
	// most bounds the rounds of a schedule that takes long; 0: no bound.
	most int
	// alone: it makes no sense for a stock collector.
	alone bool
}

var schedules = append([]schedule{
	{name: "kill -9, also during start and recovery", round: func(r *rig) {
		r.pause(300)
		r.process.Kill()
		r.dieAtStart()
		r.restart()
	}},
	{name: "SIGTERM while the sink misbehaves", round: func(r *rig) {
		r.misbehave()
		r.pause(300)
		r.process.Terminate(r.t)
		r.restart()
		r.behave()
	}},
	{name: "the sink refuses for the time being", round: func(r *rig) {
		r.misbehave()
		r.pause(1500)
		r.behave()
		r.pause(300)
	}},
	{name: "kill -9 while the sink misbehaves", round: func(r *rig) {
		r.misbehave()
		r.pause(500)
		r.process.Kill()
		r.restart()
		r.behave()
	}},
	{name: "answers are lost, or connections crawl", round: func(r *rig) {
		r.network.All([]proxy.Fault{proxy.NoAnswers, proxy.NoRequests, proxy.Silence, proxy.Slow}[r.rng.IntN(4)])
		r.pause(1000)
		if r.rng.IntN(2) == 0 {
			r.process.Kill()
			r.process.Restart(r.t)
		}
		r.network.All(proxy.None)
		r.network.Cut()
		r.pause(300)
	}},
	{name: "every write to a file fails for a while", round: func(r *rig) {
		r.process.FilesFail(r.t, true)
		r.pause(500)
		if r.rng.IntN(2) == 0 {
			r.process.Kill()
			r.restart()
			return
		}
		r.process.FilesFail(r.t, false)
		r.pause(500)
	}},
	{name: "the clock jumps by an hour, and back", round: func(r *rig) {
		r.clock(time.Duration(1-2*r.rng.IntN(2)) * time.Hour)
		r.pause(500)
		if r.rng.IntN(2) == 0 {
			r.process.Kill()
			r.restart()
			return
		}
		r.clock(0)
		r.pause(500)
	}},
}, further...)

// clock sets the product's clock.
func (r *rig) clock(by time.Duration) {
	require.NoError(r.t, clock.Set(r.process.Pid(), by))
}

// dieAtStart lets some starts end in a kill, at any moment of them.
func (r *rig) dieAtStart() {
	for r.rng.IntN(4) == 0 {
		r.process.Begin(r.t)
		r.pause(400)
		r.process.Kill()
	}
}

// pause lets up to ms milliseconds pass, any number of them: faults come at any moment, not behind an answer.
func (r *rig) pause(ms int) { time.Sleep(time.Duration(r.rng.IntN(ms)) * time.Millisecond) }

// restart starts the product again and waits until it acknowledges a request.
func (r *rig) restart() {
	begin := time.Now()
	before := r.clients.acks()
	r.process.Restart(r.t)
	r.until("a request is acknowledged after the restart", func() bool { return r.clients.acks() > before })
	r.result.Recovery = append(r.result.Recovery, time.Since(begin))
}

// until waits for what must happen.
func (r *rig) until(what string, happened func() bool) {
	for end := time.Now().Add(3 * time.Minute); !happened(); time.Sleep(time.Millisecond) {
		require.True(r.t, time.Now().Before(end), "within three minutes %s", what)
	}
}

// misbehave makes the sink do one of the things that an operator can mend, until behave.
func (r *rig) misbehave() {
	answers := []codes.Code{codes.Unavailable, codes.ResourceExhausted, codes.Unauthenticated, codes.PermissionDenied, codes.Internal}
	switch n := r.rng.IntN(len(answers) + 3); n {
	default:
		r.sink.Decide(func(context.Context, []string) error { return status.Error(answers[n], "not now") })
	case len(answers): // hangs
		r.sink.Decide(func(ctx context.Context, _ []string) error {
			<-ctx.Done()
			return ctx.Err()
		})
	case len(answers) + 1: // is away
		r.sink.Stop(r.t)
	case len(answers) + 2: // resets connections in the middle of requests
		r.sink.Stop(r.t)
		r.sink.Start(r.t)
		r.pause(50)
		r.sink.Stop(r.t)
	}
}

func (r *rig) behave() {
	r.sink.Decide(nil)
	r.sink.Stop(r.t)
	r.sink.Start(r.t)
}

// settle ends the clients and waits until everything acknowledged is stored, or for patience.
func (r *rig) settle(patience time.Duration) result {
	r.behave()
	r.network.All(proxy.None)
	r.network.Cut()
	r.clients.end()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		missing, doubled := 0, 0
		for s, stored := range map[string]map[string]int{"logs": r.sink.Bodies(), "spans": r.sink.Spans(), "metrics": r.sink.Metrics()} {
			m, d := r.clients.missing(s, stored)
			missing, doubled = missing+m, doubled+d
		}
		r.result.Missing, r.result.Doubled = missing, doubled
		if missing == 0 || time.Now().After(end) {
			break
		}
	}
	r.result.Acknowledged = r.clients.acks() * perRequest
	r.result.Refused, r.result.Cut = r.clients.refused, r.clients.cut
	return r.result
}
