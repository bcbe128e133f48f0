package lakeextension

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/keeper"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/lease"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/metadata"
	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/place"
)

// releaseTimeout bounds what a shutdown does in the lake.
const releaseTimeout = 5 * time.Second

// lakeExtension looks after one lake, while it holds the lease.
type lakeExtension struct {
	config    *Config
	id        component.ID
	set       component.TelemetrySettings
	telemetry *metadata.TelemetryBuilder
	status    status
	// tables take changes over.
	tables []keeper.Table

	// Set by Start.
	store lakestore.Store
	lease *lease.Lease
	stop  context.CancelFunc
	wg    sync.WaitGroup
	leave []func()
}

var _ extension.Extension = (*lakeExtension)(nil)

func newExtension(c *Config, set extension.Settings) (*lakeExtension, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &lakeExtension{config: c, id: set.ID, set: set.TelemetrySettings, telemetry: telemetry}, nil
}

// Start opens the lake and begins to look after it.
func (e *lakeExtension) Start(_ context.Context, host component.Host) error {
	store, err := place.Open(e.config.URL, e.config.S3)
	if err != nil {
		return fmt.Errorf("url: %q: %w", e.config.URL, err)
	}
	e.store = store
	e.lease = lease.New(store, "lake", holder(), e.config.Lease)
	if err := e.observe(); err != nil {
		return err
	}
	e.mount(host)
	ctx, cancel := context.WithCancel(context.Background())
	e.stop = cancel
	if err := e.keepTables(ctx, host); err != nil {
		return err
	}
	e.wg.Go(func() { e.keepLease(ctx) })
	e.wg.Go(func() { e.keepLake(ctx) })
	return nil
}

// KeepsLake says whether the lake at root is the one that this extension looks after, while it holds the lease. The exporter asks when it starts, which is after
// extensions have.
func (e *lakeExtension) KeepsLake(root string) bool { return e.store != nil && e.store.Root() == root }

// Shutdown gives the lease back and closes the lake. A merge that is under way is left where it is.
func (e *lakeExtension) Shutdown(ctx context.Context) error {
	for _, leave := range e.leave {
		leave()
	}
	e.leave = nil
	e.telemetry.Shutdown()
	if e.store == nil {
		return nil
	}
	if e.stop != nil {
		e.stop()
	}
	e.wg.Wait()
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	if err := e.lease.Release(ctx); err != nil { // it ends by itself
		e.set.Logger.Debug("The lease on the lake could not be given back", zap.Error(err))
	}
	err := e.store.Close()
	e.store = nil
	return err
}

// holder names this process among all that share the lake.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + " " + rand.Text()
}

// keepTables shows the catalog of the lake's tables, and commits to them while the lease is held.
func (e *lakeExtension) keepTables(ctx context.Context, host component.Host) error {
	if e.config.Tables.Every == 0 {
		return nil
	}
	uri, err := readersURI(e.store)
	if err != nil {
		return fmt.Errorf("url: %q: %w", e.config.URL, err)
	}
	if strings.ContainsAny(uri, "#?") {
		e.set.Logger.Warn("Readers of the lake's tables take # and ? for the end of a path: they will not find its files", zap.String("url", uri))
	}
	e.leave = append(e.leave, mountCatalog(host, e.id, e.store, uri, e.set.Logger))
	c := newCommitter(e.store, uri, e.config.Tables, e.telemetry, e.set.Logger)
	e.tables = append(e.tables, c)
	e.wg.Go(func() { c.run(ctx, func() bool { return e.lease.Held(time.Now()) == nil }) })
	return nil
}

// keepLease takes the lease when it is free and renews it.
func (e *lakeExtension) keepLease(ctx context.Context) {
	tick := time.NewTicker(e.config.Lease / 3)
	defer tick.Stop()
	for {
		held, err := e.lease.Keep(ctx, time.Now())
		if err != nil && ctx.Err() == nil {
			e.fail(ctx, "", "lease", err)
		}
		if changed := e.status.lead(held, e.lease.Epoch()); changed && held {
			e.set.Logger.Info("This collector looks after the lake now", zap.String("url", e.store.Root()), zap.Int64("epoch", e.lease.Epoch()))
			e.checkConditions(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// keepLake makes passes while the lease is held. With each epoch it begins anew: what it knew of the lake may have changed.
func (e *lakeExtension) keepLake(ctx context.Context) {
	var k *keeper.Keeper
	epoch := int64(0)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last time.Time
	for {
		now := time.Now()
		if e.lease.Held(now) == nil && now.Sub(last) >= e.config.Interval {
			if at := e.lease.Epoch(); k == nil || at != epoch {
				epoch = at
				k = keeper.New(e.store, e.config.settings(), e.tables, &events{e, ctx}, func() error { return e.heldIn(at) }, func() int64 { return at })
			}
			e.pass(ctx, k, now)
			last = time.Now()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// heldIn says whether the lease is still that of an epoch.
func (e *lakeExtension) heldIn(epoch int64) error {
	if e.lease.Epoch() != epoch {
		return lease.ErrLost
	}
	return e.lease.Held(time.Now())
}

// pass looks at all signals once.
func (e *lakeExtension) pass(ctx context.Context, k *keeper.Keeper, now time.Time) {
	var failed error
	for _, signal := range keeper.Signals {
		s, err := k.Pass(ctx, signal, now)
		if errors.Is(err, lease.ErrLost) || ctx.Err() != nil {
			return
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", signal, err))
			e.fail(ctx, "", "storage", err)
			continue
		}
		e.status.seen(signal, s)
	}
	e.status.passed(now, time.Since(now), failed)
}
