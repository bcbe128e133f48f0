// Package conformance has a check for every MUST and SHOULD that the OTLP specification has for servers. It needs nothing but the server's
// two addresses, so it can test any OTLP server.
package conformance

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Endpoint is a server that takes OTLP.
type Endpoint struct {
	// HTTP is host:port of OTLP/HTTP.
	HTTP string
	// GRPC is a connection to OTLP/gRPC.
	GRPC *grpc.ClientConn
}

// Check is one rule with its test.
type Check struct {
	// Section is the heading of the specification; Word is MUST, SHOULD, or where the rule comes from.
	Section, Word string
	// Rule is the requirement for the server.
	Rule string
	// Run returns how the server breaks the rule, or nil.
	Run func(ctx context.Context, e Endpoint) error
}

// Overloaded says whether the check is for a server that has no room for a request now.
func (c Check) Overloaded() bool { return strings.HasSuffix(c.Section, "throttling") }

// timeout bounds one request.
const timeout = 20 * time.Second

// Content types of OTLP/HTTP.
const (
	protobuf = "application/x-protobuf"
	jsonType = "application/json"
)

// reply is a server's HTTP answer.
type reply struct {
	code   int
	header http.Header
	body   []byte
}

func (r reply) String() string {
	return fmt.Sprintf("%d %s %.200q", r.code, r.header.Get("Content-Type"), r.body)
}

// ask sends a request over HTTP. headers are pairs of name and value.
func ask(ctx context.Context, e Endpoint, method, path string, body []byte, headers ...string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+e.HTTP+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, b}, err
}

// post sends logs.
func post(ctx context.Context, e Endpoint, kind string, body []byte, headers ...string) (reply, error) {
	return ask(ctx, e, http.MethodPost, "/v1/logs", body, append([]string{"Content-Type", kind}, headers...)...)
}

// postJSON sends logs as JSON.
func postJSON(ctx context.Context, e Endpoint, text string, headers ...string) (reply, error) {
	return post(ctx, e, jsonType, []byte(text), headers...)
}

// status reads a Status in the encoding that the header names.
func (r reply) status() (*spb.Status, error) {
	var s spb.Status
	switch kind, _, _ := strings.Cut(r.header.Get("Content-Type"), ";"); kind {
	case protobuf:
		return &s, proto.Unmarshal(r.body, &s)
	case jsonType:
		return &s, protojson.Unmarshal(r.body, &s)
	default:
		return nil, fmt.Errorf("the body is no Status but %s", r)
	}
}

// expect is an error unless the status is one of codes.
func (r reply) expect(codes ...int) error {
	for _, c := range codes {
		if r.code == c {
			return nil
		}
	}
	return fmt.Errorf("%s, not %d", r, codes)
}

// accepted is an error unless a text in JSON is taken in full.
func accepted(text string) func(context.Context, Endpoint) error {
	return func(ctx context.Context, e Endpoint) error {
		r, err := postJSON(ctx, e, text)
		if err != nil {
			return err
		}
		if err := r.expect(http.StatusOK); err != nil {
			return err
		}
		if strings.Contains(string(r.body), "rejected") {
			return fmt.Errorf("rejected: %s", r)
		}
		return nil
	}
}

// record is a request of one log record with these members.
func record(members string) string {
	return `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{` + members + `}]}]}]}`
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b) // a buffer takes all
	_ = w.Close()
	return out.Bytes()
}
