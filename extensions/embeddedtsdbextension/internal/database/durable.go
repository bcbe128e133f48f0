package database

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/wal"
)

// Use returns a context that ends when the storage must be closed; done ends the use. false: it is being closed. Whoever reads or
// appends does so between the two: chunks are mapped into memory, and closing unmaps them.
func (d *DB) Use(ctx context.Context) (_ context.Context, done func(), ok bool) {
	if !d.users.TryRLock() {
		return ctx, nil, false
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(d.using, cancel)
	return ctx, func() {
		stop()
		cancel()
		d.users.RUnlock()
	}, true
}

// Admit says why nothing may be written now; nil: it may. The error is temporary.
func (d *DB) Admit() error { return d.gate.admit() }

// Run names this time that the storage is open.
func (d *DB) Run() string { return d.identity.Run }

// Sync returns when everything that was committed before is durable. Callers share fsyncs. After an error nothing is taken any more:
// see Broke.
func (d *DB) Sync(ctx context.Context) error { return d.barrier.Sync(ctx) }

// Position names where the logs were at the last Sync. It tells, in a later run, whether all of that is still there: see Holds.
func (d *DB) Position() string {
	return position{ID: d.identity.ID, Run: d.identity.Run, Ends: *d.barrier.end.Load()}.String()
}

// Holds returns a *GoneError if some of what was durable at a position is gone.
func (d *DB) Holds(position string) error { return d.identity.holds(position, *d.barrier.end.Load()) }

// Broke is closed when a write or an fsync of the logs has failed. CutBack is next then.
func (d *DB) Broke() <-chan struct{} { return d.barrier.broke }

// Broken is why Broke is closed.
func (d *DB) Broken() error { return d.barrier.check() }

// Close ends rules, alerts and queries, and closes the storage. It waits for those who use it.
func (d *DB) Close() error {
	err := d.close()
	if err == nil && d.Broken() == nil {
		// Prometheus has fsynced what it wrote last, and only logs an error of that.
		err = d.barrier.sync()
	}
	if err == nil && d.Broken() == nil {
		d.identity.Clean = true
		err = d.identity.write(d.dir)
	}
	return errors.Join(err, d.barrier.close())
}

func (d *DB) close() (err error) {
	d.cancel()
	d.alerting.stop()
	d.users.Lock() // for good: nobody may use it from here on
	defer func() {
		if r := recover(); r != nil { // Prometheus panics when it can't write chunks. The logs hold what is in them.
			err = fmt.Errorf("close the storage: %v", r)
		}
	}()
	return errors.Join(d.tracker.Close(), d.db.Close())
}

// CutBack closes a broken storage and takes from its logs what was not durable at the last good Sync: behind it nobody knows what is
// on the disk. The storage can be opened again then, as another run.
func (d *DB) CutBack() error {
	d.closing.Do(func() {
		_ = d.close()         // It could not write what it wanted to: that is cut.
		_ = d.barrier.close() // nothing was written through these descriptors
	})
	return cutBack(d.dir, d.identity, *d.barrier.end.Load())
}

// crashedBoot is no machine's boot: the next start treats the directory as after a crash of the machine.
const crashedBoot = "cut back"

func cutBack(dir string, i identity, durable ends) error {
	i.Boot, i.Clean = crashedBoot, false
	if err := i.write(dir); err != nil {
		return err
	}
	for _, log := range []struct {
		dir string
		end wal.Position
	}{{walDir(dir), durable.WAL}, {wblDir(dir), durable.WBL}} {
		if _, err := wal.Cut(log.dir, log.end, ""); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cut %q back to its durable part: %w", log.dir, err)
		}
	}
	_, err := removeChunks(dir)
	return err
}
