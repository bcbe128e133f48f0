package nestinglimitextension

import (
	"bytes"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/otlp"
	"github.com/penstockhq/penstock/internal/decompress"
	"github.com/penstockhq/penstock/internal/partial"
)

// quoted is the beginning of an error of the JSON decoder that quotes the request.
var quoted = []byte("bigger context")

// unwritten is the receiver's answer, with 500, if the text of an error is not UTF-8: neither encoding of a Status can contain it.
var unwritten = []byte(`{"code": 13, "message": "failed to marshal error message"}`)

// answer holds a receiver's answer, a few hundred bytes, until its final form for the client is known.
type answer struct {
	header http.Header
	code   int
	body   bytes.Buffer
	left   partial.Answer // items that components after the receiver left out
}

func newAnswer() *answer { return &answer{header: http.Header{}} }

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) {
	if a.code == 0 {
		a.code = code
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// finish sends the answer as OTLP requires: in the encoding of the request; an accepted request with a partial success, or nothing; a refused one
// with a Status that repeats nothing of the request.
func (a *answer) finish(w http.ResponseWriter, kind string, in *request) {
	a.WriteHeader(http.StatusOK)
	a.header.Del("Content-Length")
	maps.Copy(w.Header(), a.header)
	schema := in.schema()
	switch {
	case a.code == http.StatusInternalServerError && bytes.Equal(a.body.Bytes(), unwritten):
		// The text said whether the client may retry, and it is lost. A client that retries in vain stops at some time; one that discards the
		// request has lost it.
		refuse(w, kind, later("", "the request can't be stored now: send it again later"))
	case a.code >= http.StatusBadRequest:
		if a.code == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost)
		}
		write(w, kind, a.code, a.status())
	case schema == 0 || a.code != http.StatusOK:
		w.WriteHeader(a.code)
		_, _ = w.Write(a.body.Bytes()) // the client is gone
	default:
		all := in.partial.Add(otlp.ParseResponse(a.body.Bytes())).Add(leftOutDownstream(&a.left))
		body := all.Proto()
		if kind == jsonType {
			body = all.JSON(schema)
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(body)
	}
}

// leftOutDownstream is the set of items that components after the receiver left out of a request.
func leftOutDownstream(a *partial.Answer) otlp.PartialSuccess {
	items, why := a.Rejected()
	return otlp.PartialSuccess{Rejected: items, Message: why}
}

// status is the message of a refusal, in either encoding. A JSON decoder quotes the body, which may contain personal data or a secret: that must
// not reach the logs of clients and proxies.
func (a *answer) status() *spb.Status {
	var s spb.Status
	contentType, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	switch contentType {
	case protobufType:
		if proto.Unmarshal(a.body.Bytes(), &s) == nil && s.GetCode() != 0 {
			return &s
		}
	case jsonType:
		if bytes.Contains(a.body.Bytes(), quoted) {
			return status.New(codes.InvalidArgument, "the request is not valid OTLP").Proto()
		}
		if protojson.Unmarshal(a.body.Bytes(), &s) == nil && s.GetCode() != 0 {
			return &s
		}
	}
	code, ok := map[int]codes.Code{http.StatusBadRequest: codes.InvalidArgument, http.StatusUnauthorized: codes.Unauthenticated,
		http.StatusForbidden: codes.PermissionDenied, http.StatusNotFound: codes.Unimplemented, http.StatusMethodNotAllowed: codes.Unimplemented,
		http.StatusUnsupportedMediaType: codes.InvalidArgument, http.StatusTooManyRequests: codes.ResourceExhausted,
		http.StatusServiceUnavailable: codes.Unavailable}[a.code]
	if !ok {
		code = codes.Unknown
	}
	text := strings.ToValidUTF8(strings.TrimSpace(a.body.String()), "\ufffd")
	return status.New(code, text).Proto()
}

// refuse answers as OTLP requires: 400, 413 and 415 are not retryable, 503 is; the body is a Status in the request's encoding.
func refuse(w http.ResponseWriter, kind string, r *refusal) {
	code := r.code
	if code == 0 {
		code = http.StatusBadRequest
	}
	if r.status.Code() == codes.Unavailable {
		code = http.StatusServiceUnavailable
		for _, detail := range r.status.Details() {
			if info, ok := detail.(*errdetails.RetryInfo); ok {
				w.Header().Set("Retry-After", strconv.Itoa(int(info.GetRetryDelay().AsDuration()/time.Second)))
			}
		}
	}
	if code == http.StatusUnsupportedMediaType {
		w.Header().Set("Accept-Encoding", strings.Join(decompress.Encodings, ", ")) // RFC 9110, 12.5.3
	}
	write(w, kind, code, r.status.Proto())
}

// write sends a Status, in JSON unless the client sent protobuf.
func write(w http.ResponseWriter, kind string, code int, message *spb.Status) {
	message.Message = strings.ToValidUTF8(message.GetMessage(), "\ufffd") // neither encoding can contain other bytes
	marshal := proto.Marshal
	if kind != protobufType {
		kind, marshal = jsonType, protojson.Marshal
	}
	text, err := marshal(message)
	if err != nil {
		text, _ = marshal(&spb.Status{Code: message.GetCode(), Message: message.GetMessage()}) // a detail of an unknown type
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(text) // the client is gone
}
