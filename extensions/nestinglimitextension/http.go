package nestinglimitextension

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/admission"
	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/cost"
	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/decompress"
)

// Content types of OTLP/HTTP.
const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

// firstRead is how much memory a body gets at most for what its length promises, in bytes, before anything of it has arrived.
const firstRead = 256 << 10

// errCrowded says that there is no room for what is being read.
var errCrowded = errors.New("no room")

// GetHTTPHandler returns what wraps a receiver's handler. The body is bounded by then; it has been decompressed, or is decompressed here
// if the receiver leaves that to others.
func (l *nestingLimit) GetHTTPHandler(context.Context) (extensionmiddleware.WrapHTTPHandlerFunc, error) {
	return func(_ context.Context, next http.Handler) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			kind := mediaType(r)
			if kind != protobufType && kind != jsonType {
				next.ServeHTTP(w, r)
				return
			}
			held, refused := l.admit(w, r, kind)
			if refused != nil {
				answer(w, kind, l.refuse(refused))
				return
			}
			defer l.inFlight.Release(held)
			next.ServeHTTP(&discreetWriter{ResponseWriter: w, kind: kind}, r)
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

// admit reads the request, measures it, and leaves it to be read again.
func (l *nestingLimit) admit(w http.ResponseWriter, r *http.Request, kind string) (held int64, refused *refusal) {
	control := http.NewResponseController(w)
	var ended atomic.Bool
	reader := l.reading.Begin(time.Now(), func() {
		ended.Store(true)
		_ = control.SetReadDeadline(time.Unix(1, 0)) // where that is not supported, read_timeout of the receiver ends it
	})
	defer reader.Done()
	_ = control.SetReadDeadline(time.Now().Add(l.cfg.ReadTimeout))
	body, err := l.read(r, reader)
	if err != nil {
		return 0, l.unread(err, ended.Load())
	}
	_ = control.SetReadDeadline(time.Time{}) // else Go cancels the request when it is over, though all has been read
	usage, err := l.measure(r.URL.Path, kind, body)
	held, refused = l.judge(usage, err, len(body))
	if refused == nil {
		r.Body = readAgain{bytes.NewReader(body), r.Body}
		r.ContentLength = int64(len(body))
	}
	return held, refused
}

// read returns the body, decompressed if it still has an encoding.
func (l *nestingLimit) read(r *http.Request, reader *admission.Reader) ([]byte, error) {
	grow := func(n int) error {
		if !reader.Grow(time.Now(), int64(n)) {
			return errCrowded
		}
		return nil
	}
	// A length that is only promised gets little memory.
	body, err := decompress.ReadAll(r.Body, int(min(max(r.ContentLength+1, 1), firstRead)), l.cfg.MaxRequestSize, grow)
	encoding := r.Header.Get("Content-Encoding")
	if err != nil || encoding == "" || encoding == "identity" {
		return body, err
	}
	if !slices.Contains(decompress.Encodings, encoding) {
		return nil, decompress.ErrUnknown
	}
	r.Header.Del("Content-Encoding")
	return decompress.Body(r.Context(), encoding, body, l.cfg.MaxRequestSize, grow)
}

// unread is the refusal for a body that could not be read.
func (l *nestingLimit) unread(err error, ended bool) *refusal {
	var tooLarge *http.MaxBytesError
	switch {
	case ended:
		return later("slow", "the request took too long to arrive while others waited (max_reading)")
	case errors.Is(err, errCrowded):
		return l.crowded()
	case errors.As(err, &tooLarge):
		return never("request_size", fmt.Sprintf("the request has more than %d bytes (the receiver's max_request_body_size)", tooLarge.Limit))
	case errors.Is(err, decompress.ErrTooLarge):
		return never("request_size", fmt.Sprintf("the request has more than %d bytes (max_request_size)", l.cfg.MaxRequestSize))
	case errors.Is(err, decompress.ErrUnknown):
		return never("encoding", "the request has an encoding that is none of "+strings.Join(decompress.Encodings, ", "))
	case errors.Is(err, context.Canceled):
		return later("slow", "the request was canceled")
	case isTimeout(err):
		return later("slow", fmt.Sprintf("the request took more than %s to arrive (read_timeout)", l.cfg.ReadTimeout))
	default:
		return never("malformed", "the request can't be read: its length or encoding is wrong")
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// measure tells what a body would cost. A path of the user's own choice does not tell the signal: what costs most holds then.
func (l *nestingLimit) measure(path, kind string, body []byte) (cost.Usage, error) {
	measure := l.limits.Protobuf
	if kind == jsonType {
		measure = l.limits.JSON
	}
	signals := []cost.Signal{cost.Logs, cost.Metrics, cost.Traces}
	switch {
	case path == "/v1/logs":
		signals = signals[:1]
	case path == "/v1/metrics":
		signals = signals[1:2]
	case path == "/v1/traces":
		signals = signals[2:]
	case strings.HasSuffix(path, "/profiles"):
		signals = []cost.Signal{cost.Other}
	}
	var most cost.Usage
	for _, s := range signals {
		usage, err := measure(s, body)
		if err != nil {
			return usage, err
		}
		if usage.Size > most.Size {
			most = usage
		}
	}
	return most, nil
}

// answer refuses as OTLP wants it: 400 is not retryable, 503 is; the body is a Status in the request's encoding.
func answer(w http.ResponseWriter, kind string, r *refusal) {
	code := http.StatusBadRequest
	if r.status.Code() == codes.Unavailable {
		code = http.StatusServiceUnavailable
		for _, detail := range r.status.Details() {
			if info, ok := detail.(*errdetails.RetryInfo); ok {
				w.Header().Set("Retry-After", strconv.Itoa(int(info.GetRetryDelay().AsDuration()/time.Second)))
			}
		}
	}
	write(w, kind, code, r.status.Proto())
}

func write(w http.ResponseWriter, kind string, code int, message proto.Message) {
	marshal := proto.Marshal
	if kind == jsonType {
		marshal = protojson.Marshal
	}
	text, err := marshal(message)
	if err != nil {
		w.WriteHeader(code)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(code)
	_, _ = w.Write(text) // the client has gone: nobody to tell
}

// readAgain gives a body that was read to the next handler, which closes the original.
type readAgain struct {
	io.Reader
	io.Closer
}
