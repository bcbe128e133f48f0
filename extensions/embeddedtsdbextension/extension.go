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

	"github.com/prometheus/prometheus/storage"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/database"
	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/metadata"
)

// errNotReady is temporary: whoever gets it comes again.
var errNotReady = errors.New("embedded_tsdb: not ready: the write-ahead log is being read")

var _ extension.Extension = (*tsdbExtension)(nil)

// startGrace is how long Start waits for the database. A small one is open by then, so the first samples and queries of a
// new installation are not refused; a large one goes on beside the rest of the start, which stays well under a second.
const startGrace = 300 * time.Millisecond

// tsdbExtension owns the directory, the listener and the database. The database opens beside the rest of the collector:
// after Start, HTTP may still answer 503 and Appender errNotReady.
type tsdbExtension struct {
	cfg       *Config
	set       extension.Settings
	telemetry *metadata.TelemetryBuilder

	db      atomic.Pointer[database.DB]
	failed  atomic.Pointer[error] // why the database could not be opened
	loading database.Loading

	openDatabase func(database.Settings, *database.Loading) (*database.DB, error) // database.Open, but in tests
	opened       chan struct{}                                                    // closed when opening has ended

	unlock  func() error
	server  *http.Server
	address net.Addr       // where it listens, set by Start
	working sync.WaitGroup // opening, serving
	stopped atomic.Bool
}

func newExtension(cfg *Config, set extension.Settings) (*tsdbExtension, error) {
	t, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &tsdbExtension{cfg: cfg, set: set, telemetry: t, openDatabase: database.Open, opened: make(chan struct{})}, nil
}

// Start locks the directory, listens, and opens the database, in the background if it takes longer than startGrace.
func (e *tsdbExtension) Start(ctx context.Context, host component.Host) (err error) {
	e.unlock, err = database.Lock(e.cfg.Directory)
	if err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.unlock())
			e.unlock = nil
		}
	}()
	if err := e.observe(); err != nil {
		return err
	}
	// No decoders: the handlers of remote write and read decompress, as their specifications say.
	server := e.cfg.HTTP
	server.CompressionAlgorithms = []string{}
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
	e.working.Go(func() {
		if err := e.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(err))
		}
	})
	e.working.Go(func() { e.open(host, listener.Addr()) })
	select {
	case <-e.opened:
	case <-time.After(startGrace):
	case <-ctx.Done():
	}
	return nil
}

// open reads the write-ahead log. A failure leaves the rest of the collector at work: what is meant for the storage waits
// in the queues of those who write.
func (e *tsdbExtension) open(host component.Host, addr net.Addr) {
	defer close(e.opened)
	db, err := e.openDatabase(e.settings(addr), &e.loading)
	if err != nil {
		e.failed.Store(&err)
		e.set.Logger.Error("The storage can't be opened: samples are kept by who sends them, queries are refused", zap.Error(err))
		componentstatus.ReportStatus(host, componentstatus.NewPermanentErrorEvent(err))
		return
	}
	e.db.Store(db)
	e.set.Logger.Info("The storage is open", zap.String("address", addr.String()), zap.Int64("series", db.Series()))
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

// Appender returns an appender for samples of this process: one transaction, used by one goroutine, ended by Commit or
// Rollback. It takes what remote write would take (at most ten minutes in the future, valid labels, max_series). The error
// is temporary: the write-ahead log is being read, or the storage is shut down.
func (e *tsdbExtension) Appender(ctx context.Context) (storage.AppenderV2, error) {
	db := e.db.Load()
	if db == nil {
		return nil, e.unavailable()
	}
	return db.Appender(ctx), nil
}

func (e *tsdbExtension) unavailable() error {
	if err := e.failed.Load(); err != nil {
		return fmt.Errorf("embedded_tsdb: not ready: %w", *err)
	}
	return errNotReady
}

// serve answers liveness always, and everything else once the database is open.
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
	db.Handler().ServeHTTP(w, r)
}

func (e *tsdbExtension) progress() string {
	first, last, current := e.loading.Progress()
	if last == 0 {
		return ""
	}
	return fmt.Sprintf(" (segment %d of %d to %d)", current, first, last)
}

// Shutdown ends the listener, waits for the opening if it still runs (it can't be interrupted), and closes the database.
func (e *tsdbExtension) Shutdown(ctx context.Context) error {
	if e.stopped.Swap(true) {
		return nil
	}
	e.telemetry.Shutdown()
	var errs error
	if e.server != nil {
		errs = errors.Join(errs, e.server.Shutdown(ctx))
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
		errs = errors.Join(errs, db.Close())
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
