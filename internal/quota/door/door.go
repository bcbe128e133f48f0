// Package door is the interface of listeners and pipelines to the extension `quota`. Without the extension, everything passes.
package door

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/component"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/penstockhq/penstock/internal/quota"
)

// Door decides whether a request may pass. It is safe for concurrent use.
type Door interface {
	// Request charges an HTTP request by its Content-Length before its body is read, or by the bytes read if the length is not known: then the body
	// of the returned request may fail with *Error. tenant is charged if the client's metadata name none; it may be empty if the body names the
	// tenants, which Parts charges. The handler must serve the returned request, and call done once: a request that was not stored, and may be
	// retried, is refunded.
	Request(r *http.Request, tenant string) (admitted *http.Request, done func(stored bool), err error)
	// Parts charges the items of a request to tenants, services and the client's key. It also charges bytes to accounts that no listener has
	// charged: the bytes that arrived, or the result of size if no listener charges. An error is *Error, and nothing was charged. undo refunds a
	// request that was not stored.
	Parts(ctx context.Context, parts []Part, size func() int) (undo func(), err error)
	// AddDebt charges items whose number was known only after they were stored, to the tenant and to the client's key. Their next requests wait until
	// the debt is paid.
	AddDebt(ctx context.Context, tenant string, items int)
}

// Part is the items of one tenant and service in a request.
type Part struct {
	Tenant  string
	Service string
	Items   int
	// Streams returns a hash for each log stream of the part, for a tenant with a limit of them. nil: not for this signal.
	Streams func() []uint64
}

// Error is a refusal that a client understands. errors.As finds it inside wrapping errors.
type Error struct{ *quota.Refusal }

// Unwrap returns the refusal.
func (e *Error) Unwrap() error { return e.Refusal }

// GRPCStatus is RESOURCE_EXHAUSTED with RetryInfo, which OTLP allows clients to retry.
func (e *Error) GRPCStatus() *status.Status {
	s := status.New(codes.ResourceExhausted, e.Error())
	if hinted, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(max(e.Wait, time.Millisecond))}); err == nil {
		return hinted
	}
	return s
}

// Open lets everything pass.
var Open Door = open{}

// Find returns the extension of a host, or Open.
func Find(host component.Host) Door {
	for _, e := range host.GetExtensions() {
		if d, ok := e.(Door); ok {
			return d
		}
	}
	return Open
}

type open struct{}

func (open) Request(r *http.Request, _ string) (*http.Request, func(bool), error) {
	return r, func(bool) {}, nil
}

func (open) Parts(context.Context, []Part, func() int) (func(), error) { return func() {}, nil }

func (open) AddDebt(context.Context, string, int) {}
