package ledgerextension

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/ledgerextension/internal/metadata"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/ledger"
	"github.com/penstockhq/penstock/internal/usage"
)

// ledgerExtension answers from the books of the registered followers. It stores nothing itself. It is safe for concurrent use.
type ledgerExtension struct {
	cfg       *Config
	set       component.TelemetrySettings
	telemetry *metadata.TelemetryBuilder
	id        component.ID
	meter     *usage.Meter[usage.Sum]     // by tenant, service and signal
	queries   *usage.Meter[usage.Queries] // by tenant and store
	since     time.Time                   // of both meters

	mu       sync.Mutex
	sources  []*registered // guarded by mu
	watched  []*watched    // guarded by mu
	unmounts []func()
}

// registered is a follower with a book.
type registered struct{ ledger.Source }

var _ extension.Extension = (*ledgerExtension)(nil)

func newExtension(cfg *Config, set extension.Settings) (*ledgerExtension, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &ledgerExtension{
		cfg: cfg, set: set.TelemetrySettings, telemetry: telemetry, id: set.ID, since: time.Now().UTC().Truncate(time.Second),
		meter: usage.NewMeter[usage.Sum](cfg.Usage.MaxServices), queries: usage.NewMeter[usage.Queries](cfg.Usage.MaxServices),
	}, nil
}

// Follow adds a follower of the journal until remove is called, which may be repeated. Followers find it among the host's extensions by this
// method.
func (l *ledgerExtension) Follow(s ledger.Source) (remove func()) {
	r := &registered{s}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sources = append(l.sources, r)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sources = slices.DeleteFunc(l.sources, func(x *registered) bool { return x == r })
	}
}

// all returns the followers that are registered now.
func (l *ledgerExtension) all() []ledger.Source {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]ledger.Source, len(l.sources))
	for i, r := range l.sources {
		all[i] = r
	}
	return all
}

// Start registers the APIs with the admin extension.
func (l *ledgerExtension) Start(_ context.Context, host component.Host) error {
	err := errors.Join(
		l.telemetry.RegisterExtensionLedgerUsageBytesCallback(l.observeUsage(func(s usage.Sum) int64 { return s.Bytes })),
		l.telemetry.RegisterExtensionLedgerUsageItemsCallback(l.observeUsage(func(s usage.Sum) int64 { return s.Items })),
		l.telemetry.RegisterExtensionLedgerUsageQuerySecondsCallback(l.observeQueries),
		l.telemetry.RegisterExtensionLedgerUsageSeriesCallback(l.observeSeries),
		l.telemetry.RegisterExtensionLedgerItemsCallback(l.observe(func(o metric.Int64Observer, b *ledger.Cell, created, _ int64, labels []attribute.KeyValue) {
			for fate, n := range map[string]int64{"received": b.Received, "stored": b.Stored, "folded": b.Folded, "dropped": b.AllDropped(), "created": created} {
				o.Observe(n, metric.WithAttributes(append(labels[:len(labels):len(labels)], attribute.String("fate", fate))...))
			}
		})),
		l.telemetry.RegisterExtensionLedgerUnaccountedItemsCallback(l.observe(func(o metric.Int64Observer, b *ledger.Cell, _, _ int64, labels []attribute.KeyValue) {
			o.Observe(b.Unaccounted(), metric.WithAttributes(labels...))
		})),
		l.telemetry.RegisterExtensionLedgerLostRecordsCallback(l.observe(func(o metric.Int64Observer, _ *ledger.Cell, _, lost int64, labels []attribute.KeyValue) {
			o.Observe(lost, metric.WithAttributes(labels...))
		})))
	if err != nil {
		return err
	}
	m, ok := admin.Find(host)
	if !ok {
		l.set.Logger.Info("no admin extension: the ledger serves its metrics only")
		return nil
	}
	for _, mount := range []struct {
		id, title string
		serve     http.HandlerFunc
	}{
		{l.id.String(), "Ledger", admin.Moved(l.id, "ledger")},
		{"v1/ledger", "Ledger, as JSON", l.serveRows},
		{"v1/usage", "Usage and cost, as JSON", l.serveUsage},
		{"v1/receipts", "Receipts, as JSON", l.serveReceipt},
	} {
		mux := &admin.Mux{}
		mux.HandleFunc("/", admin.Need{Scopes: []string{access.Read}}, mount.serve)
		unmount, err := m.Mount(mount.id, mount.title, mux)
		if err != nil {
			l.set.Logger.Warn("No admin page", zap.Error(err))
			continue
		}
		l.unmounts = append(l.unmounts, unmount)
	}
	return nil
}

// Shutdown removes the APIs.
func (l *ledgerExtension) Shutdown(context.Context) error {
	for _, unmount := range l.unmounts {
		unmount()
	}
	l.unmounts = nil
	l.telemetry.Shutdown()
	return nil
}

// observe calls each for every follower with the sums of its own books.
func (l *ledgerExtension) observe(each func(o metric.Int64Observer, sum *ledger.Cell, created, lost int64, labels []attribute.KeyValue)) metric.Int64Callback {
	return func(_ context.Context, o metric.Int64Observer) error {
		for _, s := range l.all() {
			books := s.Own()
			if len(books) == 0 {
				continue
			}
			var sum ledger.Cell
			created, lost := int64(0), int64(0)
			for _, b := range books {
				total := b.Total()
				sum.Add(&total)
				lost += b.Lost
				for _, c := range b.Created() {
					created += c.Stored
				}
			}
			each(o, &sum, created, lost, []attribute.KeyValue{attribute.String("signal", s.Signal()), attribute.String("sink", s.Sink())})
		}
		return nil
	}
}
