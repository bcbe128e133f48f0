package embeddedtsdbextension

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/prometheus/storage"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/database"
)

// writePath is the path of remote write.
const writePath = "/api/v1/write"

// Appender returns an appender for samples of this process: one transaction, used by one goroutine, ended by Commit or Rollback. It accepts the
// samples that remote write would accept (at most ten minutes in the future, valid labels, max_series). Its error, and that of Commit, is
// temporary: the write-ahead log is being read or has failed, the disk is full or read-only, or the storage is shut down. Committed samples are
// durable after Sync.
func (e *tsdbExtension) Appender(ctx context.Context) (storage.AppenderV2, error) {
	db := e.db.Load()
	if db == nil {
		return nil, e.refuse(e.unavailable())
	}
	app, err := db.Appender(ctx)
	if err != nil {
		return nil, e.refuse(fmt.Errorf("embedded_tsdb: %w", err))
	}
	return app, nil
}

// Run identifies the period since the storage was last opened. It changes when the log has failed and was cut: samples that were committed in an
// earlier run and not synced may be lost. The error is temporary.
func (e *tsdbExtension) Run() (string, error) {
	db := e.db.Load()
	if db == nil {
		return "", e.unavailable()
	}
	return db.Run(), nil
}

// TenantLabel is the label that tells whose a series is; empty: tenants are not told apart.
func (e *tsdbExtension) TenantLabel() string { return e.cfg.TenantLabel }

// Sync returns when everything is durable that was committed in run before the call. It fails if the storage is no longer in that run. Callers
// share fsyncs: the next one begins when the current one has ended, or at once if there is none. position is an argument for Holds, in this run or
// a later one.
func (e *tsdbExtension) Sync(ctx context.Context, run string) (position string, err error) {
	db := e.db.Load()
	if db == nil {
		return "", e.unavailable()
	}
	if db.Run() != run {
		return "", errors.New("embedded_tsdb: its log failed meanwhile and was cut back to its durable part")
	}
	if err := db.Sync(ctx); err != nil {
		return "", fmt.Errorf("embedded_tsdb: %w", err)
	}
	return db.Position(), nil
}

// Holds reports whether the storage still has everything that was durable at position; if not, gone says why. The error is temporary.
func (e *tsdbExtension) Holds(position string) (gone error, err error) {
	db := e.db.Load()
	if db == nil {
		return nil, e.unavailable()
	}
	err = db.Holds(position)
	if reason := new(database.GoneError); errors.As(err, &reason) {
		return reason, nil
	}
	return nil, err
}

// refuse counts a write that is refused completely.
func (e *tsdbExtension) refuse(err error) error {
	e.telemetry.ExtensionEmbeddedTsdbRefusedWrites.Add(context.Background(), 1, metric.WithAttributes(attribute.String("reason", kindOf(err))))
	return err
}

// serveWrite handles a request of remote write, and answers it when the written samples are durable.
func (e *tsdbExtension) serveWrite(db *database.DB, w http.ResponseWriter, r *http.Request) {
	if err := db.Admit(); err != nil {
		e.comeAgain(w, e.refuse(err))
		return
	}
	if text := mistaken(r); text != "" {
		http.Error(w, "embedded_tsdb: "+text, http.StatusBadRequest)
		return
	}
	answer := &heldAnswer{ResponseWriter: w, release: func() error { return db.Sync(r.Context()) }}
	db.Handler().ServeHTTP(answer, r)
	answer.WriteHeader(http.StatusOK) // if the handler has set no status
	if answer.failed != nil {
		e.comeAgain(w, e.refuse(answer.failed))
	}
}

func (e *tsdbExtension) comeAgain(w http.ResponseWriter, err error) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "embedded_tsdb: "+err.Error(), http.StatusServiceUnavailable)
}

// heldAnswer holds an answer back until release returns. This includes refusals, because the valid part of the request may have been written. After
// an error it sends nothing of the handler's answer.
type heldAnswer struct {
	http.ResponseWriter
	release func() error
	decided bool
	failed  error
}

func (h *heldAnswer) WriteHeader(code int) {
	if h.decided {
		return
	}
	h.decided = true
	if h.failed = h.release(); h.failed != nil {
		for name := range h.Header() {
			h.Header().Del(name)
		}
		return
	}
	h.ResponseWriter.WriteHeader(code)
}

func (h *heldAnswer) Write(p []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	if h.failed != nil {
		return len(p), nil
	}
	return h.ResponseWriter.Write(p)
}
