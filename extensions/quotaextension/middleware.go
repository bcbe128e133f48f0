package quotaextension

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/penstockhq/penstock/internal/quota/door"
)

// GetHTTPHandler returns the wrapper of an OTLP receiver's handler. It runs after authentication and before the body is read.
func (e *quotaExtension) GetHTTPHandler(context.Context) (extensionmiddleware.WrapHTTPHandlerFunc, error) {
	return func(_ context.Context, next http.Handler) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { e.serve(w, r, next) }), nil
	}, nil
}

func (e *quotaExtension) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if r.Method != http.MethodPost {
		next.ServeHTTP(w, r)
		return
	}
	admitted, done, err := e.Request(r, "")
	if err != nil {
		door.Refuse(w, r, err)
		return
	}
	watched := &watchedWriter{ResponseWriter: w}
	if m, ok := admitted.Body.(*metered); ok {
		watched.refused = func() error { return m.err }
	}
	next.ServeHTTP(watched, admitted)
	refused := watched.replaced
	if refused != nil {
		door.Refuse(w, r, refused)
	}
	done(refused == nil && watched.code != http.StatusTooManyRequests && watched.code < http.StatusInternalServerError)
}

// watchedWriter records the status of an answer. If a quota cut off the body, it holds back the handler's message about a body that ended early.
type watchedWriter struct {
	http.ResponseWriter
	refused  func() error // nil: never
	code     int
	replaced error
}

// WriteHeader implements http.ResponseWriter.
func (w *watchedWriter) WriteHeader(code int) {
	if w.code != 0 && w.replaced != nil {
		return
	}
	w.code = code
	if w.refused != nil {
		if w.replaced = w.refused(); w.replaced != nil {
			w.Header().Del("Content-Length")
			return
		}
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (w *watchedWriter) Write(p []byte) (int, error) {
	if w.code == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.replaced != nil {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap gives http.ResponseController access to the wrapped writer.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// GetGRPCServerOptions returns options that charge a call once its request has arrived and its client is known, before any pipeline. The stats
// handler sees the length of the request as it arrived.
func (e *quotaExtension) GetGRPCServerOptions(context.Context) ([]grpc.ServerOption, error) {
	return []grpc.ServerOption{grpc.StatsHandler(lengths{}), grpc.ChainUnaryInterceptor(e.intercept)}, nil
}

func (e *quotaExtension) intercept(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	n := int64(0)
	if length, ok := ctx.Value(lengthKey{}).(*atomic.Int64); ok {
		n = length.Load()
	}
	a, refused := e.admit(ctx, "", n)
	if refused != nil {
		err := (&door.Error{Refusal: refused}).GRPCStatus().Err()
		trail(ctx, err)
		return nil, err
	}
	resp, err := handler(context.WithValue(ctx, admissionKey{}, a), req)
	if err != nil && mayComeAgain(err) {
		e.refund(a)
		trail(ctx, err)
	}
	return resp, err
}

// trail repeats the RetryInfo of a status in a separate trailer, where the SDK for Python looks for it.
func trail(ctx context.Context, err error) {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			if encoded, err := proto.Marshal(info); err == nil {
				_ = grpc.SetTrailer(ctx, metadata.Pairs("google.rpc.retryinfo-bin", string(encoded))) // outside of a call there is no trailer
			}
		}
	}
}

// mayComeAgain says whether a client retries a call with this error: OTLP's table of retryable codes.
func mayComeAgain(err error) bool {
	s, ok := status.FromError(err)
	if !ok {
		return !errors.Is(err, context.Canceled)
	}
	switch s.Code() {
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss, codes.ResourceExhausted:
		return true
	default:
		return false
	}
}

type lengthKey struct{}

// lengths records the length of each call's request, compressed if the client compresses.
type lengths struct{}

func (lengths) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, lengthKey{}, new(atomic.Int64))
}

func (lengths) HandleRPC(ctx context.Context, event stats.RPCStats) {
	if in, ok := event.(*stats.InPayload); ok {
		if length, ok := ctx.Value(lengthKey{}).(*atomic.Int64); ok {
			length.Store(int64(in.CompressedLength))
		}
	}
}

func (lengths) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (lengths) HandleConn(context.Context, stats.ConnStats) {}
