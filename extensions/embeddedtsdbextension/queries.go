package embeddedtsdbextension

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/querylimit"
	"github.com/penstockhq/penstock/internal/usage"
)

// stopGrace is how long a stop waits for requests that do not end, such as one whose body never arrives.
const stopGrace = 5 * time.Second

// errQueryRuns leaves the storage open, as a kill of the process would: closing it would unmap the memory that the query reads.
var errQueryRuns = errors.New("a query did not end when it was canceled")

func (c QueryConfig) text() querylimit.Text {
	return querylimit.Text{Length: c.MaxLength, Depth: c.MaxDepth, Tokens: c.MaxTokens}
}

func (e *tsdbExtension) boundQueries() {
	e.refused = map[querylimit.Reason]*atomic.Int64{}
	for _, r := range querylimit.Reasons {
		e.refused[r] = &atomic.Int64{}
	}
	q := e.cfg.Query
	e.queries = querylimit.NewGate(q.MaxConcurrency, q.MaxWaiting, q.Timeout, q.text(), e.refuseQuery, e.meterQuery)
}

func (e *tsdbExtension) refuseQuery(r querylimit.Reason) { e.refused[r].Add(1) }

// meterQuery counts how long a query of the client's tenant held its slot.
func (e *tsdbExtension) meterQuery(ctx context.Context, took time.Duration) {
	usage.Queried(ctx, e.usage, e.set.ID.String(), took)
}

func (e *tsdbExtension) observeRefusedQueries(_ context.Context, o metric.Int64Observer) error {
	for r, n := range e.refused {
		o.Observe(n.Load(), metric.WithAttributes(attribute.String("reason", string(r))))
	}
	return nil
}

// stopServing cancels the queries, so that a stop waits for none, lets writes end, and then closes the remaining connections. The engine checks for
// cancellation only between two series: an error says that a query has not ended by its timeout and still reads.
func (e *tsdbExtension) stopServing(ctx context.Context) error {
	e.queries.Close()
	if e.server == nil {
		return nil
	}
	grace, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	err := e.server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = e.server.Close()
	}
	ctx, cancel = context.WithTimeout(ctx, e.cfg.Query.Timeout)
	defer cancel()
	if wait := e.queries.Wait(ctx); wait != nil {
		return errors.Join(err, fmt.Errorf("%w: %w", errQueryRuns, wait))
	}
	return err
}
