package embeddedlogsextension

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// rowsAge is for how long after the last row rows still count as coming.
const rowsAge = 5 * time.Second

// What follows is for the exporter embedded_logs, which finds the extension through the host and declares what it needs. Its errors are
// temporary, unless it says otherwise.

// AddLogs adds a record of the journal, or what came without one: log is empty then. tenantOf tells whose a resource is. known says which
// records the storage has, by their place among all of ld; nil: none. again: the record may have been added before. rows is how many are there
// now that were not; refused how many never will be, by reason.
func (e *logsExtension) AddLogs(ctx context.Context, ld plog.Logs, log string, offset int64, received time.Time, tenantOf func(pcommon.Map) string,
	known func(int) bool, again bool) (rows int, refused map[string]int, err error) {
	return e.add(func(s *store.Store, b store.Batch) (store.Added, error) { return s.AddLogs(ctx, ld, b) },
		store.Batch{At: store.Position{Log: log, Offset: offset}, Received: received, TenantOf: tenantOf, Known: known, Again: again})
}

// AddTraces is AddLogs of spans.
func (e *logsExtension) AddTraces(ctx context.Context, td ptrace.Traces, log string, offset int64, received time.Time, tenantOf func(pcommon.Map) string,
	known func(int) bool, again bool) (rows int, refused map[string]int, err error) {
	return e.add(func(s *store.Store, b store.Batch) (store.Added, error) { return s.AddTraces(ctx, td, b) },
		store.Batch{At: store.Position{Log: log, Offset: offset}, Received: received, TenantOf: tenantOf, Known: known, Again: again})
}

func (e *logsExtension) add(add func(*store.Store, store.Batch) (store.Added, error), b store.Batch) (rows int, refused map[string]int, err error) {
	s, err := e.use()
	if err != nil {
		return 0, nil, e.refuse(err)
	}
	added, err := add(s, b)
	if err != nil {
		return 0, nil, e.refuse(fmt.Errorf("embedded_logs: %w", err))
	}
	e.lastRow.Store(time.Now().UnixNano())
	if e.rules != nil && b.At.Log != "" {
		e.arrivals.came(b.At.Log, b.Received, time.Now())
	}
	for r, n := range added.Refused {
		if n > 0 {
			if refused == nil {
				refused = map[string]int{}
			}
			refused[store.Reason(r).String()] = n
		}
	}
	return added.Rows, refused, nil
}

// rowsCome says whether rows were added lately.
func (e *logsExtension) rowsCome() bool {
	return time.Now().UnixNano()-e.lastRow.Load() < int64(rowsAge)
}

// refuse counts a batch that is refused as a whole.
func (e *logsExtension) refuse(err error) error {
	e.telemetry.ExtensionEmbeddedLogsRefusedWrites.Add(context.Background(), 1, metric.WithAttributes(attribute.String("reason", kindOf(err))))
	return err
}

// Known returns what the storage has of a log at from or above and below to: at returns for an offset which rows there are, nil if there are
// none. next is above the highest offset that the log has at from or above. Spans and log records have logs of their own. A name that ends with
// a slash is that of all logs that begin so.
func (e *logsExtension) Known(ctx context.Context, spans bool, log string, from, to int64) (at func(offset int64) func(index int) bool, next int64, err error) {
	s, err := e.use()
	if err != nil {
		return nil, 0, err
	}
	signal := store.Logs
	if spans {
		signal = store.Traces
	}
	k, err := s.Known(ctx, signal, log, from, to)
	if err != nil {
		return nil, 0, fmt.Errorf("embedded_logs: %w", err)
	}
	return k.At, k.Next(), nil
}

// Sync returns when everything is durable that was added before the call. position is for Holds.
func (e *logsExtension) Sync(ctx context.Context) (position string, err error) {
	s, err := e.use()
	if err != nil {
		return "", err
	}
	if position, err = s.Sync(ctx); err != nil {
		return "", fmt.Errorf("embedded_logs: %w", err)
	}
	return position, nil
}

// Holds reports whether the storage still has everything that was durable at position; if not, gone says why.
func (e *logsExtension) Holds(position string) (gone error, err error) {
	s, err := e.use()
	if err != nil {
		return nil, err
	}
	err = s.Holds(position)
	if why := new(store.GoneError); errors.As(err, &why) {
		return why, nil
	}
	return nil, err
}
