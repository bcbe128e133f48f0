package embeddedlogsextension

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/gate"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logrules"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/metadata"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/freespace"
	"github.com/penstockhq/penstock/internal/usage"
)

var _ extension.Extension = (*logsExtension)(nil)

const (
	// startGrace is how long Start waits for the storage: the rest of the start goes on beside a large one.
	startGrace = 300 * time.Millisecond
	// tryEvery is the pause between two attempts to open the storage.
	tryEvery = time.Second
	// roomAge bounds how often the file system is asked for its room.
	roomAge = 200 * time.Millisecond
)

// errNotReady is temporary: whoever gets it comes again.
var errNotReady = errors.New("embedded_logs: not ready: the storage is being opened")

// logsExtension owns the directory, the listener and the storage, which opens beside the rest of the collector.
type logsExtension struct {
	cfg       *Config
	set       extension.Settings
	telemetry *metadata.TelemetryBuilder
	look      func(string) (freespace.State, error) // freespace.Look, but in tests

	store  atomic.Pointer[store.Store]
	failed atomic.Pointer[error] // why it is not open
	opened chan struct{}         // closed when it was opened, or given up
	stop   chan struct{}         // closed by Shutdown

	rules    *logrules.Runner // set by Start; nil: there are no rules
	arrivals arrivals
	lastRow  atomic.Int64 // when rows were added last, in Unix nanoseconds

	usage     usage.Sink // set by Start
	pace      *gate.Pace // of queries, set by Start
	mux       *admin.Mux
	undeclare func() // set by Start
	server    *http.Server
	address   net.Addr // where it listens, set by Start
	working   sync.WaitGroup
	stopped   atomic.Bool
}

func newExtension(cfg *Config, set extension.Settings) (*logsExtension, error) {
	t, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &logsExtension{cfg: cfg, set: set, telemetry: t, look: freespace.Look, opened: make(chan struct{}), stop: make(chan struct{})}, nil
}

// Start listens, and opens the storage, in the background if it takes longer than startGrace. A disk that is full or read-only doesn't stop
// the start: the storage is opened when that is over.
func (e *logsExtension) Start(ctx context.Context, host component.Host) error {
	if err := store.CheckFsync(); err != nil {
		return err
	}
	if err := e.observe(); err != nil {
		return err
	}
	e.usage = usage.Find(host)
	if err := e.setUpRules(host); err != nil {
		return err
	}
	contention := gate.NewContention()
	e.pace = gate.NewPace(func() bool { return contention.Now() && e.rowsCome() }, e.readers(), e.cfg.Query.Timeout/2)
	e.mux = e.routes(host)
	listener, err := e.cfg.HTTP.ToListener(ctx)
	if err != nil {
		return fmt.Errorf("endpoint: listen on %q: %w", e.cfg.HTTP.NetAddr.Endpoint, err)
	}
	e.address = listener.Addr()
	if err := e.cfg.access().CheckAddress(e.address); err != nil {
		return errors.Join(err, listener.Close())
	}
	e.server, err = e.cfg.HTTP.ToServer(ctx, host.GetExtensions(), e.set.TelemetrySettings, e.guarded())
	if err != nil {
		return errors.Join(fmt.Errorf("set up the HTTP server: %w", err), listener.Close())
	}
	e.undeclare = admin.Declare(host, e.set.ID.String(), e.mux.Routes())
	e.working.Go(func() {
		if err := e.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(err))
		}
	})
	e.working.Go(func() { e.open(host) })
	if e.rules != nil {
		e.working.Go(e.runRules)
	}
	select {
	case <-e.opened:
	case <-time.After(startGrace):
	case <-ctx.Done():
	}
	if err := e.failed.Load(); err != nil && errors.Is(*err, store.ErrInUse) {
		return errors.Join(fmt.Errorf("directory: %w", *err), e.Shutdown(ctx))
	}
	return nil
}

// open opens the storage, again while there is no room for it.
func (e *logsExtension) open(host component.Host) {
	defer close(e.opened)
	troubled := false
	for {
		s, err := store.Open(e.settings())
		if err == nil {
			e.store.Store(s)
			e.failed.Store(nil)
			e.set.Logger.Info("The storage of logs and traces is open", zap.String("address", e.address.String()), zap.Int64("rows", s.Stats().Rows))
			if troubled {
				componentstatus.ReportStatus(host, componentstatus.NewEvent(componentstatus.StatusOK))
			}
			return
		}
		e.failed.Store(&err)
		if !temporary(err) {
			e.set.Logger.Error("The storage of logs and traces can't be opened: the journal keeps them, queries are refused", zap.Error(err))
			componentstatus.ReportStatus(host, componentstatus.NewPermanentErrorEvent(err))
			return
		}
		if !troubled {
			troubled = true
			e.set.Logger.Error("The storage of logs and traces isn't opened yet: the journal keeps them, queries are refused. It is opened when this is over", zap.Error(err))
			componentstatus.ReportStatus(host, componentstatus.NewRecoverableErrorEvent(err))
		}
		select {
		case <-e.stop:
			return
		case <-time.After(tryEvery):
		}
	}
}

// readers is how many goroutines read for a query while there is something to give way to.
func (e *logsExtension) readers() int {
	if n := e.cfg.Query.Readers; n > 0 {
		return n
	}
	return max(1, runtime.GOMAXPROCS(0)/2)
}

func (e *logsExtension) settings() store.Settings {
	c := e.cfg
	var calm func() bool
	if c.Query.Readers == 0 {
		calm = e.pace.Calm
	}
	return store.Settings{
		Directory: c.Directory, Retention: c.Retention.Time, MaxBytes: c.Retention.Size, MaxTenants: c.MaxTenants, StreamFields: c.StreamFields,
		Memory: c.Memory, Readers: e.readers(), Calm: calm, Room: freespace.NewChecker(c.Directory, uint64(c.DiskReserve), roomAge, e.look).Check, Log: e.set.Logger,
	}
}

// use returns the storage; the error is temporary.
func (e *logsExtension) use() (*store.Store, error) {
	if s := e.store.Load(); s != nil {
		return s, nil
	}
	if err := e.failed.Load(); err != nil {
		return nil, fmt.Errorf("embedded_logs: the storage is not open: %w", *err)
	}
	return nil, errNotReady
}

// Shutdown ends the listener and the queries, and makes all rows durable.
func (e *logsExtension) Shutdown(ctx context.Context) error {
	if e.stopped.Swap(true) {
		return nil
	}
	defer e.telemetry.Shutdown()
	close(e.stop)
	if e.undeclare != nil {
		e.undeclare()
	}
	var errs error
	if e.server != nil {
		errs = e.server.Close() // queries and tails end by their context
	}
	done := make(chan struct{})
	go func() {
		e.working.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return errors.Join(errs, fmt.Errorf("the storage was still being opened: %w", ctx.Err()))
	}
	if s := e.store.Swap(nil); s != nil {
		errs = errors.Join(errs, s.Close())
	}
	return errs
}

func (e *logsExtension) observe() error {
	of := func(f func(store.Stats) int64) metric.Int64Callback {
		return func(_ context.Context, o metric.Int64Observer) error {
			if s := e.store.Load(); s != nil {
				o.Observe(f(s.Stats()))
			}
			return nil
		}
	}
	t := e.telemetry
	return errors.Join(
		t.RegisterExtensionEmbeddedLogsDiskSizeCallback(of(func(s store.Stats) int64 { return s.Bytes })),
		t.RegisterExtensionEmbeddedLogsRowsCallback(of(func(s store.Stats) int64 { return s.Rows })),
		t.RegisterExtensionEmbeddedLogsUnflushedRowsCallback(of(func(s store.Stats) int64 { return s.Unflushed })),
		t.RegisterExtensionEmbeddedLogsReadyCallback(func(_ context.Context, o metric.Int64Observer) error {
			ready := int64(0)
			if e.store.Load() != nil {
				ready = 1
			}
			o.Observe(ready)
			return nil
		}),
		t.RegisterExtensionEmbeddedLogsRefusedRowsCallback(func(_ context.Context, o metric.Int64Observer) error {
			if s := e.store.Load(); s != nil {
				s.Refused(func(r store.Reason, n int64) {
					o.Observe(n, metric.WithAttributes(attribute.String("reason", r.String())))
				})
			}
			return nil
		}),
	)
}

// temporary says whether an error of the file system can go away by itself, or by what people do while the collector runs.
func temporary(err error) bool {
	for _, t := range []error{freespace.ErrFull, freespace.ErrReadOnly, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

// kindOf is the value of the attribute `reason` for why nothing may be written.
func kindOf(err error) string {
	switch {
	case errors.Is(err, freespace.ErrFull), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "disk_full"
	case errors.Is(err, freespace.ErrReadOnly), errors.Is(err, syscall.EROFS):
		return "read_only"
	}
	return "not_ready"
}
