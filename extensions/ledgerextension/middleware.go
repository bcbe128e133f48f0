package ledgerextension

import (
	"context"
	"net/http"

	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/penstockhq/penstock/internal/receipt"
)

var (
	_ extensionmiddleware.GRPCServer = (*ledgerExtension)(nil)
	_ extensionmiddleware.HTTPServer = (*ledgerExtension)(nil)
)

// GetHTTPHandler returns the wrapper of a receiver's handler: it answers a request for a receipt with one.
func (l *ledgerExtension) GetHTTPHandler(context.Context) (extensionmiddleware.WrapHTTPHandlerFunc, error) {
	return func(_ context.Context, next http.Handler) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get(receipt.Header) != receipt.Want {
				next.ServeHTTP(w, r)
				return
			}
			note := &receipt.Note{}
			next.ServeHTTP(&receiptWriter{ResponseWriter: w, note: note}, r.WithContext(receipt.With(r.Context(), note)))
		}), nil
	}, nil
}

// receiptWriter adds the receipt to a successful answer.
type receiptWriter struct {
	http.ResponseWriter
	note    *receipt.Note
	written bool
}

func (w *receiptWriter) WriteHeader(code int) {
	if id := w.note.ID(); code/100 == 2 && id != "" && !w.written {
		w.Header().Set(receipt.Header, id)
	}
	w.written = w.written || code >= http.StatusOK
	w.ResponseWriter.WriteHeader(code)
}

func (w *receiptWriter) Write(p []byte) (int, error) {
	if !w.written {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap gives http.ResponseController access to the wrapped writer.
func (w *receiptWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// GetGRPCServerOptions returns the interceptor of unary calls; OTLP has no others.
func (l *ledgerExtension) GetGRPCServerOptions(context.Context) ([]grpc.ServerOption, error) {
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			if wanted := metadata.ValueFromIncomingContext(ctx, receipt.Header); len(wanted) == 0 || wanted[0] != receipt.Want {
				return handler(ctx, req)
			}
			note := &receipt.Note{}
			resp, err := handler(receipt.With(ctx, note), req)
			if id := note.ID(); err == nil && id != "" {
				_ = grpc.SetHeader(ctx, metadata.Pairs(receipt.Header, id)) // fails if the headers are already sent: a third-party receiver may answer in parts
			}
			return resp, err
		})}, nil
}
