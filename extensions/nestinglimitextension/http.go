package nestinglimitextension

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/cost"
	"github.com/penstockhq/penstock/internal/decompress"
	"github.com/penstockhq/penstock/internal/inflight"
	"github.com/penstockhq/penstock/internal/partial"
	"github.com/penstockhq/penstock/internal/slowbody"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
)

// Content types of OTLP/HTTP.
const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

// firstRead bounds the memory in bytes that a body gets for its declared length, before any of it has arrived.
const firstRead = 256 << 10

// errCrowded says that the requests being read leave no memory for another.
var errCrowded = errors.New("no room")

// GetHTTPHandler returns the wrapper of a receiver's handler. At that point the body is bounded; it has been decompressed, or is decompressed here
// if the receiver leaves that to the extension.
func (l *nestingLimit) GetHTTPHandler(context.Context) (extensionmiddleware.WrapHTTPHandlerFunc, error) {
	return func(_ context.Context, next http.Handler) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.serve(w, r, next) }), nil
	}, nil
}

// serve lets next answer a request, and converts the answer to OTLP's form.
func (l *nestingLimit) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	r = tidied(r)
	kind, params := mediaType(r)
	if r.Method != http.MethodPost || kind != protobufType && kind != jsonType {
		a := newAnswer()
		next.ServeHTTP(a, r)
		a.finish(w, kind, &request{})
		return
	}
	if charset := params["charset"]; kind == jsonType && charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "utf8") && !strings.EqualFold(charset, "us-ascii") {
		refuse(w, kind, l.refuse(unsupported("the request has a charset that is not utf-8")))
		return
	}
	held := l.inFlight.Open(parties(r.Context())...)
	defer held.Release()
	in, refused := l.admit(w, r, kind, held)
	if refused != nil {
		refuse(w, kind, l.refuse(refused))
		return
	}
	original := r.Body
	ask := func() *answer {
		a := newAnswer()
		r.Body = readAgain{bytes.NewReader(in.body), original}
		r.ContentLength = int64(len(in.body))
		next.ServeHTTP(a, r.WithContext(partial.With(r.Context(), &a.left)))
		return a
	}
	if in.schema() != 0 {
		r.Header.Set("Content-Type", protobufType)
	}
	a := ask()
	// The receiver refuses a request that it can't decode, before any component has seen it. Find out whether a single item is the cause.
	if a.code == http.StatusBadRequest && in.schema() != 0 && !in.sieved {
		if refused := l.sieve(in); refused != nil {
			refuse(w, kind, l.refuse(refused))
			return
		}
		if in.partial.Rejected > 0 || in.partial.Message != "" {
			a = ask()
		}
	}
	a.WriteHeader(http.StatusOK) // if the receiver wrote nothing
	l.memory.Learn(time.Now(), a.code == http.StatusServiceUnavailable && bytes.Contains(a.body.Bytes(), []byte(highMemory)), in.scout)
	a.finish(w, kind, in)
}

// tidied returns the request with repeated and trailing slashes removed from its path, if that makes it a path of OTLP: many clients have an
// endpoint that ends in a slash, and few follow the redirect that a receiver answers with.
func tidied(r *http.Request) *http.Request {
	path := r.URL.Path
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	path = strings.TrimSuffix(path, "/")
	if _, known := signalOfPath(path); path == r.URL.Path || !known {
		return r
	}
	inner := *r
	inner.URL = new(url.URL)
	*inner.URL = *r.URL
	inner.URL.Path, inner.URL.RawPath = path, ""
	return &inner
}

func mediaType(r *http.Request) (kind string, params map[string]string) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return "", nil
	}
	return kind, params
}

// admit reads a request and measures it. It refuses a request unread if there is most likely no memory for it.
func (l *nestingLimit) admit(w http.ResponseWriter, r *http.Request, kind string, held *inflight.Hold) (in *request, refused *refusal) {
	scout, refused := l.atTheDoor(held, r.ContentLength)
	if refused != nil {
		return nil, refused
	}
	control, stopper := http.NewResponseController(w), slowbody.NewStopper(w)
	var ended atomic.Bool
	reader := l.reading.Begin(time.Now(), func() {
		ended.Store(true)
		stopper.Stop() // if that is not supported, read_timeout of the receiver ends the request
	}, parties(r.Context())...)
	defer reader.Done()
	_ = control.SetReadDeadline(time.Now().Add(l.cfg.ReadTimeout))
	grow := func(n int) error {
		if !reader.Grow(time.Now(), int64(n)) {
			return errCrowded
		}
		return nil
	}
	body, err := l.read(r, grow)
	if err != nil {
		return nil, l.unread(err, ended.Load())
	}
	stopper.Arrived()
	_ = control.SetReadDeadline(time.Time{}) // otherwise Go cancels the request at the deadline, although it was read completely
	signal, known := signalOfPath(r.URL.Path)
	in = &request{signal: signal, body: body, scout: scout}
	if kind == jsonType && in.schema() != 0 {
		if refused := l.fromJSON(in, grow); refused != nil {
			return nil, refused
		}
	}
	var usage cost.Usage
	if known && (in.schema() != 0 || kind == protobufType) {
		usage, refused = l.measure(in)
	} else {
		usage, refused = l.measureAny(kind, in)
	}
	if refused == nil {
		refused = l.hold(held, usage, len(in.body))
	}
	return in, refused
}

// read returns the body, decompressed if it still has an encoding.
func (l *nestingLimit) read(r *http.Request, grow func(int) error) ([]byte, error) {
	encoding, err := decompress.Encoding(r.Header)
	if err != nil {
		return nil, err
	}
	// A declared length gets little memory before the data arrives.
	body, err := decompress.ReadAll(r.Body, int(min(max(r.ContentLength+1, 1), firstRead)), l.cfg.MaxRequestSize, grow)
	r.Header.Del("Content-Encoding")
	if err != nil || encoding == "" {
		return body, err
	}
	return decompress.Body(r.Context(), encoding, body, l.cfg.MaxRequestSize, grow)
}

// unread is the refusal of a request whose body could not be read.
func (l *nestingLimit) unread(err error, ended bool) *refusal {
	var large *http.MaxBytesError
	switch {
	case ended:
		return later("slow", "the request took too long to arrive while others waited (max_reading)")
	case errors.Is(err, errCrowded):
		return l.crowded()
	case errors.As(err, &large):
		return tooLarge(fmt.Sprintf("the request has more than %d bytes (the receiver's max_request_body_size)", large.Limit))
	case errors.Is(err, decompress.ErrTooLarge):
		return tooLarge(fmt.Sprintf("the request has more than %d bytes (max_request_size)", l.cfg.MaxRequestSize))
	case errors.Is(err, decompress.ErrUnknown):
		return unsupported("the request has an encoding that is not one of " + strings.Join(decompress.Encodings, ", "))
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

// unsupported refuses a media type or encoding.
func unsupported(text string) *refusal {
	r := never("encoding", text)
	r.code = http.StatusUnsupportedMediaType
	return r
}

// signalOfPath returns the signal of a path; Other for a path that the user has configured.
func signalOfPath(path string) (signal cost.Signal, known bool) {
	switch {
	case path == "/v1/logs":
		return cost.Logs, true
	case path == "/v1/metrics":
		return cost.Metrics, true
	case path == "/v1/traces":
		return cost.Traces, true
	default:
		return cost.Other, strings.HasSuffix(path, "/profiles")
	}
}

// measureAny measures a request whose signal is unknown, or has no schema: the most expensive interpretation counts.
func (l *nestingLimit) measureAny(kind string, in *request) (cost.Usage, *refusal) {
	measure := l.limits.Protobuf
	if kind == jsonType {
		measure = l.limits.JSON
	}
	var most cost.Usage
	for _, s := range []cost.Signal{cost.Logs, cost.Metrics, cost.Traces, cost.Other} {
		usage, err := measure(s, in.body)
		if err != nil {
			return usage, refusalOf(err)
		}
		if usage.Size > most.Size {
			most = usage
		}
	}
	return most, nil
}

// readAgain passes an already read body to the next handler, which closes the original.
type readAgain struct {
	io.Reader
	io.Closer
}
