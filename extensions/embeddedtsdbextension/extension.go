package embeddedtsdbextension

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/database"
	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/metadata"
	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/querylimit"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/freespace"
	"github.com/penstockhq/penstock/internal/quota/door"
	"github.com/penstockhq/penstock/internal/usage"
)

// errNotReady is temporary: the caller retries.
var errNotReady = errors.New("embedded_tsdb: not ready: the write-ahead log is being read")

var _ extension.Extension = (*tsdbExtension)(nil)

// startGrace is how long Start waits for the database. A small one is open by then, so that the first samples and queries of a new installation are
// not refused; a large one continues to open while the rest of the collector starts, which takes well under a second.
const startGrace = 300 * time.Millisecond

// roomAge is how long a result for the file system's free space is reused.
const roomAge = 200 * time.Millisecond

// tsdbExtension owns the directory, the listener and the database. The database opens while the rest of the collector starts: after Start, HTTP may
// still answer 503 and Appender errNotReady.
type tsdbExtension struct {
	cfg       *Config
	set       extension.Settings
	telemetry *metadata.TelemetryBuilder

	db      atomic.Pointer[database.DB]
	failed  atomic.Pointer[error] // why the database is not open
	loading database.Loading

	openDatabase func(database.Settings, *database.Loading) (*database.DB, error) // database.Open, except in tests
	opened       chan struct{}                                                    // closed when the database was opened for the first time, or opening was abandoned
	opening      sync.Once
	stat         func(string) (freespace.State, error) // freespace.Look, except in tests
	roomAge      time.Duration                         // how long its result is reused
	stop         chan struct{}                         // closed by Shutdown

	unlock    func() error // set by Start, or by keep
	undeclare func()       // set by Start
	server    *http.Server
	address   net.Addr // the listener's address, set by Start
	queries   *querylimit.Gate
	usage     usage.Sink                          // set by Start
	door      door.Door                           // set by Start
	refused   map[querylimit.Reason]*atomic.Int64 // queries, by reason
	working   sync.WaitGroup                      // opening, serving
	stopped   atomic.Bool
}

func newExtension(cfg *Config, set extension.Settings) (*tsdbExtension, error) {
	t, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	e := &tsdbExtension{cfg: cfg, set: set, telemetry: t, openDatabase: database.Open, opened: make(chan struct{}),
		stat: freespace.Look, roomAge: roomAge, stop: make(chan struct{})}
	e.boundQueries()
	return e, nil
}

// Start locks the directory, listens, and opens the database, in the background if that takes longer than startGrace. A full or read-only disk
// doesn't prevent the start: the database is opened when the disk accepts writes again.
func (e *tsdbExtension) Start(ctx context.Context, host component.Host) (err error) {
	e.unlock, err = database.Lock(e.cfg.Directory)
	if err != nil && !temporary(err) {
		return fmt.Errorf("directory: %w", err)
	}
	defer func() {
		if err != nil && e.unlock != nil {
			err = errors.Join(err, e.unlock())
			e.unlock = nil
		}
	}()
	if err := e.observe(); err != nil {
		return err
	}
	// No decoders: the handlers of remote write and read decompress, as their specifications require.
	server := e.cfg.HTTP
	server.CompressionAlgorithms = []string{}
	e.door, e.usage = door.Find(host), usage.Find(host)
	listener, err := server.ToListener(ctx)
	if err != nil {
		return fmt.Errorf("endpoint: listen on %q: %w", server.NetAddr.Endpoint, err)
	}
	e.address = listener.Addr()
	if err := e.cfg.access().CheckAddress(e.address); err != nil {
		return errors.Join(err, listener.Close())
	}
	e.server, err = server.ToServer(ctx, host.GetExtensions(), e.set.TelemetrySettings, e.guarded(host))
	if err != nil {
		return errors.Join(fmt.Errorf("set up the HTTP server: %w", err), listener.Close())
	}
	e.undeclare = admin.Declare(host, e.set.ID.String(), routes())
	e.working.Go(func() {
		if err := e.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(err))
		}
	})
	e.working.Go(func() { e.keep(host, listener.Addr()) })
	select {
	case <-e.opened:
	case <-time.After(startGrace):
	case <-ctx.Done():
	}
	return nil
}

func (e *tsdbExtension) settings(addr net.Addr) database.Settings {
	c := e.cfg
	external := c.ExternalURL
	if external == "" {
		scheme := "http"
		if c.HTTP.TLS.HasValue() {
			scheme = "https"
		}
		external = scheme + "://" + addr.String()
	}
	return database.Settings{
		Directory:            c.Directory,
		Room:                 freespace.NewChecker(c.Directory, uint64(c.DiskReserve), e.roomAge, e.stat).Check,
		Retention:            c.Retention.Time,
		RetentionBytes:       c.Retention.Size,
		OutOfOrderWindow:     c.OutOfOrderWindow,
		WALCompression:       c.WALCompression,
		MaxSeries:            c.MaxSeries,
		MaxExemplars:         c.MaxExemplars,
		StartTimeZeroSamples: c.StartTimeZeroSamples,
		QueryTimeout:         c.Query.Timeout,
		QueryMaxSamples:      c.Query.MaxSamples,
		QueryConcurrency:     c.Query.MaxConcurrency,
		Lookback:             c.Query.LookbackDelta,
		QueryText:            c.Query.text(),
		QueryMaxSteps:        c.Query.MaxSteps,
		RefusedQuery:         e.refuseQuery,
		TenantLabel:          c.TenantLabel,
		Guard:                e.guardRoute,
		AdminAPI:             c.AdminAPI,
		RuleFiles:            c.RuleFiles,
		EvaluationInterval:   c.EvaluationInterval,
		Alertmanagers:        c.Alertmanagers,
		ExternalURL:          external,
		ListenAddress:        addr.String(),
		Version:              prometheusVersion(),
		Logger:               newLogger(e.set.Logger),
	}
}

func (e *tsdbExtension) unavailable() error {
	if err := e.failed.Load(); err != nil {
		return fmt.Errorf("embedded_tsdb: not ready: %w", *err)
	}
	return errNotReady
}

// serve always answers liveness probes, and everything else once the database is open.
func (e *tsdbExtension) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/-/healthy" {
		_, _ = io.WriteString(w, "embedded_tsdb is alive.\n")
		return
	}
	db := e.db.Load()
	if db == nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, e.unavailable().Error()+e.progress(), http.StatusServiceUnavailable)
		return
	}
	if r.URL.Path == "/-/ready" {
		_, _ = io.WriteString(w, "embedded_tsdb is ready.\n")
		return
	}
	ctx, done, ok := db.Use(r.Context())
	if !ok {
		e.comeAgain(w, database.ErrClosing)
		return
	}
	defer done()
	if r = r.WithContext(ctx); r.URL.Path == writePath {
		e.serveWrite(db, w, r)
		return
	}
	e.queries.ServeHTTP(w, r, db.Handler())
}

func (e *tsdbExtension) progress() string {
	first, last, current := e.loading.Progress()
	if last == 0 {
		return ""
	}
	return fmt.Sprintf(" (segment %d of %d to %d)", current, first, last)
}

// Shutdown stops the listener, waits for an opening in progress (it can't be interrupted), and closes the database.
func (e *tsdbExtension) Shutdown(ctx context.Context) error {
	if e.stopped.Swap(true) {
		return nil
	}
	defer e.telemetry.Shutdown()
	close(e.stop)
	if e.undeclare != nil {
		e.undeclare()
	}
	errs := e.stopServing(ctx)
	if errors.Is(errs, errQueryRuns) {
		return errs
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
	if db := e.db.Swap(nil); db != nil {
		if db.Broken() != nil {
			errs = errors.Join(errs, db.CutBack())
		} else {
			errs = errors.Join(errs, db.Close())
		}
	}
	if e.unlock != nil {
		errs = errors.Join(errs, e.unlock())
	}
	return errs
}

func (e *tsdbExtension) observe() error {
	onDB := func(f func(*database.DB) int64) metric.Int64Callback {
		return func(_ context.Context, o metric.Int64Observer) error {
			if db := e.db.Load(); db != nil {
				o.Observe(f(db))
			}
			return nil
		}
	}
	t := e.telemetry
	return errors.Join(
		t.RegisterExtensionEmbeddedTsdbSeriesCallback(onDB((*database.DB).Series)),
		t.RegisterExtensionEmbeddedTsdbDiskSizeCallback(onDB((*database.DB).Size)),
		t.RegisterExtensionEmbeddedTsdbReadyCallback(func(_ context.Context, o metric.Int64Observer) error {
			ready := int64(0)
			if e.db.Load() != nil {
				ready = 1
			}
			o.Observe(ready)
			return nil
		}),
		t.RegisterExtensionEmbeddedTsdbRefusedQueriesCallback(e.observeRefusedQueries),
		t.RegisterExtensionEmbeddedTsdbRefusedSamplesCallback(func(_ context.Context, o metric.Int64Observer) error {
			if db := e.db.Load(); db != nil {
				db.Refused(func(r database.Refusal, n int64) {
					o.Observe(n, metric.WithAttributes(attribute.String("reason", r.String())))
				})
			}
			return nil
		}),
	)
}
