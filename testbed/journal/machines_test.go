package journal

import (
	"syscall"
	"testing"

	"github.com/penstockhq/penstock/testbed/backends/kafka"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// Everything that can end does, while clients send: a gateway is killed, a broker is killed and its partitions' leaders move, a
// gateway stops for so long that others take its partitions and then wakes up, one joins and one leaves.
func TestTotalsSurviveWhatHappensToMachines(t *testing.T) {
	k := kafka.Start(t, 3)
	f := newFleet(t, k)
	first, second := f.gateway(), f.gateway()
	f.load(4)
	f.passes(50)

	f.kill(first)
	f.passes(50)
	first.Restart(t)

	k.Kill(0)
	f.passes(50)
	k.Restart(t, 0)

	members := f.members()
	second.Signal(t, syscall.SIGSTOP)
	f.leave(second)
	f.passes(50)
	f.awaitMembers(members / 2) // Its sessions have ended: it is a zombie now.
	second.Signal(t, syscall.SIGCONT)
	f.join(second)
	f.passes(50)

	third := f.gateway()
	f.passes(50)
	f.leave(first)
	f.terminate(first)
	f.passes(50)
	f.reconcile()
	second.Terminate(t)
	third.Terminate(t)
}

// leave takes p from what clients send to.
func (f *fleet) leave(p *process.Process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var left []*process.Process
	for _, q := range f.up {
		if p != q {
			left = append(left, q)
		}
	}
	f.up = left
}
