//go:build full

package faults

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/clock"
	"github.com/penstockhq/penstock/testbed/internal/disk"
	"github.com/penstockhq/penstock/testbed/internal/ledgers"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// The disks under the journal, the lake and the TSDB are full, one by one and all at once, while the process runs, ends and starts.
func TestStandaloneStoresEverythingOnceOnFullDisks(t *testing.T) {
	data := t.TempDir()
	disks := map[string]*disk.Disk{}
	for _, name := range []string{"kafka", "lake", "tsdb"} {
		disks[name] = disk.Memory(t, filepath.Join(data, name), 128<<20)
	}
	a := startAlone(t, process.Settings{DataDir: data, Args: []string{"--set=extensions.embedded_tsdb.disk_reserve=1048576"}})
	for range *rounds {
		for _, names := range [][]string{{"kafka"}, {"lake"}, {"tsdb"}, {"kafka", "lake", "tsdb"}} {
			a.passes(20)
			for _, name := range names {
				disks[name].Fill(t)
			}
			a.pause(1500)
			dies := a.rng.IntN(3)
			if dies == 0 { // starts on full disks, where it may give up
				a.p.Kill()
				a.p.Begin(t)
				a.pause(1000)
				a.p.Kill()
			}
			for _, name := range names {
				disks[name].Free(t)
			}
			switch dies {
			case 0:
				a.p.Restart(t)
			case 1:
				a.die()
			}
		}
	}
	a.reconcile()
}

// The disk fails again and again: it is read-only at once, and what was not synced is gone. The next start finds all that was acknowledged.
func TestStandaloneStoresEverythingOnceOnAFailingDisk(t *testing.T) {
	data := t.TempDir()
	d := disk.File(t, data, 512<<20)
	a := startAlone(t, process.Settings{DataDir: data, Args: []string{"--set=extensions.embedded_tsdb.disk_reserve=1048576"}})
	for range *rounds {
		a.passes(20)
		d.Fail(t)
		a.pause(700)
		a.p.Kill()
		d.Repair(t)
		a.p.Restart(t)
	}
	a.reconcile()
}

// The last release takes over, and hands back, again and again.
func TestStandaloneStoresEverythingOnceOverReleases(t *testing.T) {
	a := startAlone(t, process.Settings{})
	for range *rounds {
		for _, binary := range []string{process.Previous(t), ""} {
			a.passes(20)
			if a.rng.IntN(2) == 0 {
				a.p.Kill()
			} else {
				a.p.Terminate(t)
			}
			a.p.Use(binary)
			a.p.Begin(t)
			a.p.AwaitHealthy(t)
		}
	}
	a.reconcile()
}

// The clock of a standalone process jumps by an hour, forward and back. While it is behind, points of the present are too far in its future for a
// TSDB: the ledger says how many were refused for that, and accounts for all others. Windows may close before their points come, and counters begin
// anew, as after an hour without points.
func TestStandaloneStoresEverythingOnceWhenTheClockJumps(t *testing.T) {
	a := startAlone(t, process.Settings{})
	for range *rounds {
		for _, by := range []time.Duration{time.Hour, 0, -time.Hour, 0} {
			a.passes(20)
			require.NoError(t, clock.Set(a.p.Pid(), by))
			a.pause(1500)
			if by == 0 && a.rng.IntN(2) == 0 {
				a.die()
			}
		}
	}
	a.end()
	a.inLake()
	items := a.items()
	var refused int64
	ask.Eventually(t, func() error {
		answer, err := ledgers.Get(a.p, "metrics", "default")
		if err != nil {
			return err
		}
		_, sinks, err := answer.Sum()
		if err != nil {
			return err
		}
		tsdb := sinks["tsdb"]
		refused = tsdb.Dropped["future"]
		if accounted := tsdb.Stored + tsdb.Folded + refused; accounted < int64(items)*11/10 { // and host metrics
			return fmt.Errorf("%d points are accounted for, sent were %v: %+v", accounted, items*11/10, tsdb)
		}
		return nil
	})
	t.Logf("%d of %v points refused", refused, items*11/10)
	a.p.Terminate(t)
}
