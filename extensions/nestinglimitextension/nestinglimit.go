package nestinglimitextension

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers what is wrapped, unless somebody replaces it
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/nesting"
)

// Content types of OTLP/HTTP.
const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

// nestingLimit looks at requests before they are decoded: decoders of OTLP recurse without a bound, and a Go process that runs
// out of stack can't recover. It is stateless and safe for concurrent use.
type nestingLimit struct {
	component.StartFunc
	component.ShutdownFunc
	max int
}

var (
	_ extension.Extension            = (*nestingLimit)(nil)
	_ extensionmiddleware.GRPCServer = (*nestingLimit)(nil)
	_ extensionmiddleware.HTTPServer = (*nestingLimit)(nil)
)

func (l *nestingLimit) tooDeep() error {
	return fmt.Errorf("the request is nested more than %d deep", l.max)
}

// GetHTTPHandler returns what wraps a receiver's handler. The body has been decompressed and is bounded by then.
func (l *nestingLimit) GetHTTPHandler(context.Context) (extensionmiddleware.WrapHTTPHandlerFunc, error) {
	return func(_ context.Context, next http.Handler) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			exceeds := map[string]func([]byte, int) bool{
				protobufType: nesting.ProtobufExceeds,
				jsonType:     nesting.JSONExceeds,
			}[mediaType(r)]
			if exceeds == nil {
				next.ServeHTTP(w, r)
				return
			}
			body, err := io.ReadAll(r.Body)
			if err == nil && exceeds(body, l.max) {
				err = l.tooDeep()
			}
			if err != nil {
				refuse(w, mediaType(r), err)
				return
			}
			r.Body = readAgain{bytes.NewReader(body), r.Body}
			next.ServeHTTP(w, r)
		}), nil
	}, nil
}

func mediaType(r *http.Request) string {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}

// refuse answers as OTLP wants it: 400 is not retryable, and the body is a Status in the request's encoding.
func refuse(w http.ResponseWriter, kind string, cause error) {
	marshal := proto.Marshal
	if kind == jsonType {
		marshal = protojson.Marshal
	}
	answer, err := marshal(status.New(codes.InvalidArgument, cause.Error()).Proto())
	if err != nil {
		http.Error(w, cause.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write(answer) // the client has gone: nobody to tell
}

// readAgain gives a body that was read to the next handler, which closes the original.
type readAgain struct {
	io.Reader
	io.Closer
}

// GetGRPCServerOptions returns the codec of the server: interceptors come after decoding.
func (l *nestingLimit) GetGRPCServerOptions(context.Context) ([]grpc.ServerOption, error) {
	return []grpc.ServerOption{grpc.ForceServerCodecV2(&codec{CodecV2: encoding.GetCodecV2("proto"), limit: l})}, nil
}

// codec is the registered one behind a look at what it decodes.
type codec struct {
	encoding.CodecV2
	limit *nestingLimit
}

// Unmarshal refuses data that is nested too deeply; the client gets the code INTERNAL from grpc, which is not retryable.
func (c *codec) Unmarshal(data mem.BufferSlice, v any) error {
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	if nesting.ProtobufExceeds(whole.ReadOnlyData(), c.limit.max) {
		return c.limit.tooDeep()
	}
	return c.CodecV2.Unmarshal(mem.BufferSlice{whole}, v)
}
