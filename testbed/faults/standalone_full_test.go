//go:build full

package faults

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/clock"
	"github.com/penstockhq/penstock/testbed/internal/disk"
	"github.com/penstockhq/penstock/testbed/internal/ledgers"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// The disks under the journal, the lake and the TSDB are full, one by one and all at once, while the process runs, ends and starts.
func TestStandaloneStoresEverythingOnceOnFullDisks(t *testing.T) {
	inBatches(t, "standalone: disks are full, also at a start", 0, onFullDisks)
}

func onFullDisks(b *batch) {
	t, data := b.t, b.t.TempDir()
	disks := map[string]*disk.Disk{}
	for _, name := range []string{"kafka", "lake", "tsdb"} {
		disks[name] = disk.Memory(t, filepath.Join(data, name), 128<<20)
	}
	a := startAlone(b, process.Settings{DataDir: data, Args: []string{"--set=extensions.embedded_tsdb.disk_reserve=1048576"}})
	for round := range b.rounds {
		for i, names := range [][]string{{"kafka"}, {"lake"}, {"tsdb"}, {"kafka", "lake", "tsdb"}} {
			a.passes(20)
			for _, name := range names {
				disks[name].Fill(t)
			}
			a.pause(1500)
			dies := (round + i) % 3
			if dies == 0 { // starts on full disks
				a.p.Kill()
				a.p.Begin(t)
				if names[0] == "kafka" {
					a.refuses()
				} else {
					a.pause(1000)
				}
				require.False(t, a.p.Ended(), "it has ended on full disks: %v", names)
				if a.rng.IntN(2) == 0 {
					a.p.Kill()
				}
			}
			for _, name := range names {
				disks[name].Free(t)
			}
			switch {
			case dies == 0 && a.p.Ended():
				a.p.Restart(t)
			case dies == 0: // goes on by itself
			case dies == 1:
				a.die()
			}
		}
	}
	a.reconcile()
}

// refuses waits until the process tells clients that the journal's disk is full, and when to come back.
func (a *alone) refuses() {
	ask.Eventually(a.t, func() error {
		answer, err := send.Logs(a.p.HTTP(), send.LogBatch("refused", 0, 1))
		if err == nil && (answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || !strings.Contains(answer.Body, "the disk is full")) {
			err = fmt.Errorf("status %d, Retry-After %q: %s", answer.Status, answer.Header.Get("Retry-After"), answer.Body)
		}
		return err
	})
}

// The disk fails again and again: it is read-only at once, and what was not synced is gone. The next start finds all that was acknowledged.
func TestStandaloneStoresEverythingOnceOnAFailingDisk(t *testing.T) {
	inBatches(t, "standalone: the disk fails, what was not synced is gone", 0, onAFailingDisk)
}

func onAFailingDisk(b *batch) {
	t, data := b.t, b.t.TempDir()
	d := disk.File(t, data, 512<<20)
	a := startAlone(b, process.Settings{DataDir: data, Args: []string{"--set=extensions.embedded_tsdb.disk_reserve=1048576"}})
	for range b.rounds {
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
	inBatches(t, "standalone: the release before takes over, and hands back", 0, overReleases)
}

func overReleases(b *batch) {
	t := b.t
	a := startAlone(b, process.Settings{})
	for range b.rounds {
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
// TSDB: the ledger says how many were refused for that, and accounts for all others, and the counters have all in the end. Windows may close before
// their points come.
func TestStandaloneStoresEverythingOnceWhenTheClockJumps(t *testing.T) {
	inBatches(t, "standalone: the clock jumps by an hour, both ways and back", 0, whenTheClockJumps)
}

func whenTheClockJumps(b *batch) {
	t := b.t
	a := startAlone(b, process.Settings{})
	for range b.rounds {
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
	var tsdb ledgers.Sink
	ask.Eventually(t, func() error {
		answer, err := ledgers.Get(a.p, "metrics", "default")
		if err != nil {
			return err
		}
		_, sinks, err := answer.Sum()
		if err != nil {
			return err
		}
		tsdb = sinks["tsdb"]
		refused = tsdb.Dropped["future"]
		if accounted := tsdb.Stored + tsdb.Folded + refused; accounted < int64(items)*11/10 { // and host metrics
			return fmt.Errorf("%d points are accounted for, sent were %v: %+v", accounted, items*11/10, tsdb)
		}
		return nil
	})
	// Folded points wait until the clock is right; a counter that began anew would go on from there. A total that a sample was refused with is in the
	// next one, so nothing is missing in the end: to look once the refused ones alone could be missing finds some still under way.
	var got float64
	var restarts int
	ask.Eventually(t, func() (err error) {
		got, restarts, err = ask.PromIncrease(a.p.TSDB(), `hits_total[3h]`, time.Now().Add(time.Hour))
		if err == nil && got != items {
			err = fmt.Errorf("counters have %v and began anew %d times, sent were %v; the ledger has %+v", got, restarts, items, tsdb)
		}
		return err
	})
	t.Logf("%d of %v points refused; counters have %v of %v, and began anew %d times", refused, items*11/10, got, items, restarts)
	a.done(0)
}
