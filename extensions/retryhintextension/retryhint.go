package retryhintextension

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// retryHint adds a delay to retryable refusals that have none. It is stateless and safe for concurrent use.
type retryHint struct {
	component.StartFunc
	component.ShutdownFunc
	delay time.Duration
}

var (
	_ extension.Extension            = (*retryHint)(nil)
	_ extensionmiddleware.GRPCServer = (*retryHint)(nil)
	_ extensionmiddleware.HTTPServer = (*retryHint)(nil)
)

// draw returns a random time between one and two delays, in whole seconds.
func (h *retryHint) draw() time.Duration {
	return (h.delay + rand.N(h.delay)).Truncate(time.Second)
}

// GetGRPCServerOptions returns the interceptor of unary calls; OTLP has no others.
func (h *retryHint) GetGRPCServerOptions(context.Context) ([]grpc.ServerOption, error) {
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			resp, err := handler(ctx, req)
			return resp, h.hint(err)
		})}, nil
}

// hint adds RetryInfo to an error of code Unavailable. RESOURCE_EXHAUSTED stays unchanged: RetryInfo would make it retryable, and without it means
// that the request will never fit.
func (h *retryHint) hint(err error) error {
	refusal, ok := status.FromError(err)
	if !ok || refusal.Code() != codes.Unavailable {
		return err
	}
	if text := refusal.Message(); !utf8.ValidString(text) { // grpc omits the details of such a status
		valid := refusal.Proto()
		valid.Message = strings.ToValidUTF8(text, "\ufffd")
		refusal = status.FromProto(valid)
		err = refusal.Err()
	}
	for _, detail := range refusal.Details() {
		if _, ok := detail.(*errdetails.RetryInfo); ok {
			return err
		}
	}
	hinted, detailErr := refusal.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(h.draw())})
	if detailErr != nil {
		return err
	}
	return hinted.Err()
}

// GetHTTPHandler returns the wrapper of a receiver's handler.
func (h *retryHint) GetHTTPHandler(context.Context) (extensionmiddleware.WrapHTTPHandlerFunc, error) {
	return func(_ context.Context, next http.Handler) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&hintingWriter{ResponseWriter: w, hint: h}, r)
		}), nil
	}, nil
}

// hintingWriter adds Retry-After to the statuses for which OTLP and RFC 9110 define it.
type hintingWriter struct {
	http.ResponseWriter
	hint *retryHint
}

func (w *hintingWriter) WriteHeader(code int) {
	refused := code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests
	if refused && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", strconv.Itoa(int(w.hint.draw()/time.Second)))
	}
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap gives http.ResponseController access to the wrapped writer.
func (w *hintingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
