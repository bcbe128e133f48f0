// Package bounded runs queries within the bounds that all APIs of the store share, and says what a refusal means to HTTP and to the counter of refusals.
package bounded

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/gate"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// Bounds of a query. All are required, but MaxRead.
type Bounds struct {
	// Timeout ends a query, its wait for a place included.
	Timeout time.Duration
	// MaxLength is how many bytes the text of a query may have.
	MaxLength int
	// MaxRead is how many bytes a query may read; 0: no bound.
	MaxRead int64
	// Queries has the places.
	Queries *gate.Gate
	// Refused counts refusals, by reason.
	Refused func(reason string)
}

// LengthError says that the text of a query is too long.
type LengthError struct {
	// What is too long: the name of a parameter.
	What         string
	Length, Most int
}

func (e *LengthError) Error() string {
	return fmt.Sprintf("%s: its text has %d bytes, at most %d are allowed (query::max_length)", e.What, e.Length, e.Most)
}

// CheckLength returns a *LengthError for a text that is too long.
func (b *Bounds) CheckLength(what, text string) error {
	if len(text) > b.MaxLength {
		return &LengthError{what, len(text), b.MaxLength}
	}
	return nil
}

// Run waits for a place and runs f, for no longer than the timeout.
func (b *Bounds) Run(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	leave, err := b.Queries.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	err = f(ctx)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		return fmt.Errorf("the query took longer than %s; ask for less time (query::timeout): %w", b.Timeout, err)
	}
	return err
}

// Meaning is the status and the counter's reason of an error. ctx is the request's.
func Meaning(ctx context.Context, err error) (code int, reason string) {
	var bad *store.QueryError
	var cost *store.CostError
	var long *LengthError
	switch {
	case errors.As(err, &long):
		return http.StatusBadRequest, "max_length"
	case errors.As(err, &cost):
		return http.StatusUnprocessableEntity, "max_read"
	case errors.As(err, &bad):
		return http.StatusBadRequest, "bad_query"
	case errors.Is(err, gate.ErrBusy):
		return http.StatusServiceUnavailable, "busy"
	case ctx.Err() != nil || errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable, "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, "timeout"
	}
	return http.StatusServiceUnavailable, "not_ready" // the storage is being opened, or closes
}

// Reader runs the queries of one request, which together read no more than the bound.
type Reader struct {
	Store *store.Store
	View  store.View
	Most  int64 // bytes; 0: no bound
	read  int64
}

// Run is [store.Store.Run] of q, with the reader's view and what is left of its bound. The fields that say where a row came from are hidden.
func (r *Reader) Run(ctx context.Context, q store.Query, f func(*store.Block) error) error {
	q.View, q.Hidden = r.View, store.Provenance
	if r.Most > 0 {
		q.MaxRead = max(1, r.Most-r.read)
	}
	p, err := r.Store.Prepare(q)
	if err != nil {
		return err
	}
	err = r.Store.RunPrepared(ctx, p, f)
	if cost := (*store.CostError)(nil); errors.As(err, &cost) {
		return &store.CostError{What: cost.What, Cost: cost.Cost + r.read, Most: r.Most}
	}
	r.read += p.Read()
	return err
}
