package database

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/wal"
)

// Use returns a context that is canceled when the storage must be closed; done ends the use. false: it is being closed. Every read or append must
// happen in between: chunks are mapped into memory, and closing unmaps them.
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

// Admit returns why writes are refused now; nil if they are not. The error is temporary.
func (d *DB) Admit() error { return d.gate.admit() }

// Run identifies the present opening of the storage.
func (d *DB) Run() string { return d.identity.Run }

// Sync returns when everything that was committed before is durable. Callers share fsyncs. After an error the storage accepts no more writes: see
// Broke.
func (d *DB) Sync(ctx context.Context) error { return d.barrier.Sync(ctx) }

// Position is the position of the logs at the last Sync. In a later run, Holds tells whether everything up to it still exists.
func (d *DB) Position() string {
	return position{ID: d.identity.ID, Run: d.identity.Run, Ends: *d.barrier.end.Load()}.String()
}

// Holds returns a *GoneError if any data that was durable at a position is lost.
func (d *DB) Holds(position string) error { return d.identity.holds(position, *d.barrier.end.Load()) }

// Broke is closed when a write or an fsync of the logs has failed. Then CutBack must be called.
func (d *DB) Broke() <-chan struct{} { return d.barrier.broke }

// Broken returns the error that closed Broke.
func (d *DB) Broken() error { return d.barrier.check() }

// Close stops rules, alerts and queries, and closes the storage. It waits for all users of the storage.
func (d *DB) Close() error {
	err := d.close()
	if err == nil && d.Broken() == nil {
		// Prometheus has fsynced its last writes, and only logs an error of that.
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
	d.users.Lock() // for ever: nobody may use the storage from here on
	defer func() {
		if r := recover(); r != nil { // Prometheus panics when it can't write chunks. The logs hold their samples.
			err = fmt.Errorf("close the storage: %v", r)
		}
	}()
	return errors.Join(d.tracker.Close(), d.db.Close())
}

// CutBack closes a broken storage and removes from its logs everything after the last good Sync: the state on disk beyond that is unknown. Then the
// storage can be opened again, as another run.
func (d *DB) CutBack() error {
	d.closing.Do(func() {
		_ = d.close()         // The storage could not write its last data: that part is cut off.
		_ = d.barrier.close() // nothing was written through these descriptors
	})
	return cutBack(d.dir, d.identity, *d.barrier.end.Load())
}

// crashedBoot differs from every boot of a machine, so the next start treats the directory as after a crash of the machine.
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
