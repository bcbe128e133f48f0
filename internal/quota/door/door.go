// Package door is how listeners and pipelines ask the extension `quota` whether what a client sends may come in. Where there is no such
// extension, everything may.
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

// Door decides who may come in. It is safe for concurrent use.
type Door interface {
	// Request charges a request of HTTP by its Content-Length before anything of its body is read, or by what is read where the length is not
	// known: then the body of the request that it returns may fail with *Error. tenant is charged where the client's metadata name none; it
	// may be empty if the body tells the tenants, which Parts charges. The handler serves the request that is returned, and calls done once:
	// what was not stored, and may come again, is given back.
	Request(r *http.Request, tenant string) (admitted *http.Request, done func(stored bool), err error)
	// Parts charges the items of a request to tenants, services and the client's key; bytes too, to those that no listener has charged: what
	// arrived, or what size returns where no listener charges anything. An error is *Error, and nothing was charged. undo gives back what
	// was charged, for a request that was not stored.
	Parts(ctx context.Context, parts []Part, size func() int) (undo func(), err error)
	// Owe charges items that were stored before anybody knew how many there are, to the tenant and to the client's key. The next requests
	// wait until they are paid.
	Owe(ctx context.Context, tenant string, items int)
}

// Part is the items of one tenant and service in a request.
type Part struct {
	Tenant  string
	Service string
	Items   int
	// Streams returns hashes that tell the log streams of the part apart, for a tenant with a limit of them. nil: not for this signal.
	Streams func() []uint64
}

// Error is a refusal that a client understands. errors.As finds it however it is wrapped.
type Error struct{ *quota.Refusal }

// Unwrap returns the refusal.
func (e *Error) Unwrap() error { return e.Refusal }

// GRPCStatus is RESOURCE_EXHAUSTED with RetryInfo: with it OTLP lets clients repeat the request.
func (e *Error) GRPCStatus() *status.Status {
	s := status.New(codes.ResourceExhausted, e.Error())
	if hinted, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(max(e.Wait, time.Millisecond))}); err == nil {
		return hinted
	}
	return s
}

// Open lets everything in.
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

func (open) Owe(context.Context, string, int) {}
