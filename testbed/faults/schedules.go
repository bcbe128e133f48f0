package faults

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/testbed/internal/gateway"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

const stockName = "stock collector"

// rig is a product between clients and a sink.
type rig struct {
	t       testing.TB
	rng     *rand.Rand
	sink    *gateway.Gateway
	process *process.Process
	clients *clients
	result  result
}

// schedule is what happens in each round while clients send.
type schedule struct {
	name  string
	round func(*rig)
}

var schedules = []schedule{
	{"kill -9, also during start and recovery", func(r *rig) {
		r.pause(300)
		r.process.Kill()
		for r.rng.IntN(4) == 0 {
			r.process.Begin(r.t)
			r.pause(400)
			r.process.Kill()
		}
		r.restart()
	}},
	{"SIGTERM while the sink misbehaves", func(r *rig) {
		r.misbehave()
		r.pause(300)
		r.process.Terminate(r.t)
		r.restart()
		r.behave()
	}},
	{"the sink refuses for the time being", func(r *rig) {
		r.misbehave()
		r.pause(1500)
		r.behave()
		r.pause(300)
	}},
	{"kill -9 while the sink misbehaves", func(r *rig) {
		r.misbehave()
		r.pause(500)
		r.process.Kill()
		r.restart()
		r.behave()
	}},
}

// pause lets up to ms milliseconds pass, any number of them: faults come at any moment, not behind an answer.
func (r *rig) pause(ms int) { time.Sleep(time.Duration(r.rng.IntN(ms)) * time.Millisecond) }

// restart starts the product again and waits until it acknowledges a request.
func (r *rig) restart() {
	begin := time.Now()
	before := r.clients.acks()
	r.process.Restart(r.t)
	for end := begin.Add(time.Minute); r.clients.acks() == before; time.Sleep(time.Millisecond) {
		require.True(r.t, time.Now().Before(end), "nothing is acknowledged a minute after the restart")
	}
	r.result.recovery = append(r.result.recovery, time.Since(begin))
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
	r.clients.end()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		missing, doubled := 0, 0
		for s, stored := range map[string]map[string]int{"logs": r.sink.Bodies(), "spans": r.sink.Spans(), "metrics": r.sink.Metrics()} {
			m, d := r.clients.missing(s, stored)
			missing, doubled = missing+m, doubled+d
		}
		r.result.missing, r.result.doubled = missing, doubled
		if missing == 0 || time.Now().After(end) {
			break
		}
	}
	r.result.acknowledged = r.clients.acks() * perRequest
	r.result.refused, r.result.cut = r.clients.refused, r.clients.cut
	return r.result
}
