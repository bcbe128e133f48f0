//go:build full

package journal

import (
	"testing"

	"github.com/penstockhq/penstock/testbed/backends/kafka"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// Two gateways of the last release are replaced one by one by this one, under load, and one of them goes back and forth again: each reads what
// the other has written into Kafka, and nothing is lost or counted twice. What the last release didn't know of is not compared: the ledger.
func TestTotalsSurviveAnUpgradeAndBack(t *testing.T) {
	k := kafka.Start(t, 3)
	f := newFleet(t, k)
	f.binary = process.Previous(t)
	first, second := f.gateway(), f.gateway()
	f.load(3)
	f.passes(30)
	for _, step := range []struct {
		p      *process.Process
		binary string
		kill   bool
	}{{first, "", false}, {second, "", true}, {first, f.binary, false}, {second, f.binary, true}, {first, "", true}, {second, "", false}} {
		f.leave(step.p)
		if step.kill {
			step.p.Kill()
		} else {
			step.p.Terminate(t)
		}
		step.p.Use(step.binary)
		step.p.Restart(t)
		f.join(step.p)
		f.passes(30)
	}
	f.totals()
}
