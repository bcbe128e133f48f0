//go:build full

package faults

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/disk"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/proxy"
)

// further mounts file systems, waits for connections that nobody ends, and starts another release.
var further = []schedule{
	{name: "the disk is full", disk: func(t testing.TB, dir string) *disk.Disk { return disk.Memory(t, dir, 64<<20) }, round: func(r *rig) {
		r.disk.Fill(r.t)
		r.pause(500)
		switch r.rng.IntN(3) {
		case 0: // ends and starts while it is full
			r.process.Kill()
			r.process.Begin(r.t)
			r.pause(500)
			r.process.Kill()
			r.disk.Free(r.t)
			r.restart()
		case 1:
			r.process.Kill()
			r.disk.Free(r.t)
			r.restart()
		default:
			r.disk.Free(r.t)
		}
		r.pause(300)
	}},
	// Without fsync the stock collector does not start any more after some rounds: its queue's file is damaged.
	{name: "the disk fails: read-only, and what was not synced is gone", storage: ", fsync: true", disk: func(t testing.TB, dir string) *disk.Disk { return disk.File(t, dir, 128<<20) }, round: func(r *rig) {
		r.pause(500)
		r.disk.Fail(r.t)
		r.pause(300)
		r.process.Kill()
		r.disk.Repair(r.t)
		r.restart()
		r.pause(300)
	}},
	{name: "connections are half-open", most: 5, round: func(r *rig) {
		there := r.sink.Asked()
		for begin := time.Now(); r.sink.Asked() < there+10 && time.Since(begin) < time.Minute; { // connections are up
			time.Sleep(time.Millisecond)
		}
		r.network.Present(proxy.Silence)
		before, begin := r.sink.Asked(), time.Now()
		for r.sink.Asked() == before && time.Since(begin) < time.Minute {
			time.Sleep(time.Millisecond)
		}
		if r.sink.Asked() == before {
			require.Equal(r.t, stockName, r.result.Product, "the sink is not asked over another connection within a minute")
			r.network.Cut()
		}
		r.result.Recovery = append(r.result.Recovery, time.Since(begin))
	}},
	{name: "another release, and back", alone: true, round: func(r *rig) {
		r.pause(500)
		for _, binary := range []string{process.Previous(r.t), ""} {
			if r.rng.IntN(2) == 0 {
				r.process.Kill()
			} else {
				r.process.Terminate(r.t)
			}
			r.process.Use(binary)
			r.dieAtStart()
			r.restart()
			r.pause(500)
		}
	}},
}
