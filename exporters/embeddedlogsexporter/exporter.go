package embeddedlogsexporter

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/penstockhq/penstock/exporters/embeddedlogsexporter/internal/metadata"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/tenant"
)

// storage is what the extension offers. Its errors are temporary, but gone.
type storage interface {
	// AddLogs adds a record of the journal, or what came without one: log is empty then. known says which records the storage has, by their
	// place among all of ld; again that the record may have been added before. Where it fails, it may have added some rows.
	AddLogs(ctx context.Context, ld plog.Logs, log string, offset int64, received time.Time, tenantOf func(pcommon.Map) string,
		known func(int) bool, again bool) (rows int, refused map[string]int, err error)
	// AddTraces is AddLogs of spans.
	AddTraces(ctx context.Context, td ptrace.Traces, log string, offset int64, received time.Time, tenantOf func(pcommon.Map) string,
		known func(int) bool, again bool) (rows int, refused map[string]int, err error)
	// Known returns which rows of the log there are at from or above and below to, and the offset above the highest of all of them.
	Known(ctx context.Context, spans bool, log string, from, to int64) (at func(offset int64) func(index int) bool, next int64, err error)
	// Sync returns when everything is durable that was added, and where the storage is then.
	Sync(ctx context.Context) (position string, err error)
	// Holds tells whether the storage still has what was durable at a position; if not, gone says why.
	Holds(position string) (gone error, err error)
}

const (
	logs   = "logs"
	traces = "traces"
)

// logsExporter writes one signal.
type logsExporter struct {
	cfg       *Config
	set       exporter.Settings
	telemetry *metadata.TelemetryBuilder
	signal    string
	id        string // of its state in a session
	host      component.Host
	to        storage // from start on
	partitions
}

func newExporter(cfg *Config, set exporter.Settings, signal string) (*logsExporter, error) {
	t, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &logsExporter{cfg: cfg, set: set, telemetry: t, signal: signal, id: "exporter/" + set.ID.String() + "/store"}, nil
}

func (e *logsExporter) start(_ context.Context, host component.Host) error {
	ext, ok := host.GetExtensions()[e.cfg.Store]
	if !ok {
		return fmt.Errorf("store: extension %q is not in service::extensions", e.cfg.Store)
	}
	to, ok := ext.(storage)
	if !ok {
		return fmt.Errorf("store: extension %q doesn't take logs and traces", e.cfg.Store)
	}
	e.host, e.to = host, to
	return nil
}

func (e *logsExporter) shutdown(context.Context) error {
	e.telemetry.Shutdown()
	return nil
}

func (e *logsExporter) pushLogs(ctx context.Context, ld plog.Logs) error {
	return e.push(ctx, ld.LogRecordCount(), func(p place, tenantOf func(pcommon.Map) string) (int, map[string]int, error) {
		return e.to.AddLogs(ctx, ld, p.log, p.offset, p.received, tenantOf, p.known, p.again)
	})
}

func (e *logsExporter) pushTraces(ctx context.Context, td ptrace.Traces) error {
	return e.push(ctx, td.SpanCount(), func(p place, tenantOf func(pcommon.Map) string) (int, map[string]int, error) {
		return e.to.AddTraces(ctx, td, p.log, p.offset, p.received, tenantOf, p.known, p.again)
	})
}

// push adds a batch of n items.
func (e *logsExporter) push(ctx context.Context, n int, add func(place, func(pcommon.Map) string) (int, map[string]int, error)) error {
	if n == 0 {
		return nil
	}
	p, done, err := e.place(ctx)
	if err != nil {
		return err
	}
	defer done()
	if p.elsewhere {
		e.count(ctx, n, 0, nil)
		return nil
	}
	fromClient, err := tenant.Client(ctx)
	if err != nil { // As another tenant's it would be shown to strangers. Behind a journal there is none.
		e.count(ctx, n, 0, map[string]int{"tenant": n})
		return nil
	}
	rows, refused, err := add(p, func(resource pcommon.Map) string {
		name, _ := tenant.Of(fromClient, resource) // the default tenant's, where the name can't be one
		return name
	})
	if err != nil {
		p.member.mayHave(p.offset)
		return err
	}
	e.count(ctx, n, rows, refused)
	return nil
}

// count adds what became of n items; what is neither stored now nor refused was stored before.
func (e *logsExporter) count(ctx context.Context, n, rows int, refused map[string]int) {
	outcome := delivery.Of(ctx).Outcome
	again := n - rows
	for why, k := range refused {
		again -= k
		e.telemetry.ExporterEmbeddedLogsRefusedRows.Add(ctx, int64(k), metric.WithAttributes(attribute.String("exporter", e.set.ID.String()), attribute.String("reason", why)))
		outcome.Refuse(e.set.ID.String(), why, int64(k), delivery.UnitItem)
	}
	if rows > 0 {
		e.telemetry.ExporterEmbeddedLogsSentRows.Add(ctx, int64(rows), e.self())
	}
	if again > 0 {
		e.telemetry.ExporterEmbeddedLogsRedeliveredRows.Add(ctx, int64(again), e.self())
	}
	outcome.Take(e.set.ID.String(), int64(n))
}

// self tells this exporter's numbers from those of others.
func (e *logsExporter) self() metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("exporter", e.set.ID.String())))
}
