package conformance

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// signal is a signal of OTLP with its path, its service, and requests of it.
type signal struct {
	path, service string
	// list is the member that a request in JSON has.
	list string
	// bad is a request of two items, of which one can't be taken.
	bad string
	// rejected reads how many items a response in JSON says were rejected.
	rejected func(body []byte) (int64, error)
}

var signals = []signal{
	{"/v1/logs", logsService, "resourceLogs", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"a"},{"traceId":"no"}]}]}]}`, func(body []byte) (int64, error) {
		r := plogotlp.NewExportResponse()
		err := r.UnmarshalJSON(body)
		return r.PartialSuccess().RejectedLogRecords(), err
	}},
	{"/v1/traces", "trace.v1.TraceService", "resourceSpans", `{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"},{"traceId":"no"}]}]}]}`, func(body []byte) (int64, error) {
		r := ptraceotlp.NewExportResponse()
		err := r.UnmarshalJSON(body)
		return r.PartialSuccess().RejectedSpans(), err
	}},
	{"/v1/metrics", "metrics.v1.MetricsService", "resourceMetrics", `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"asInt":1},{"asInt":"no"}]}}]}]}]}`, func(body []byte) (int64, error) {
		r := pmetricotlp.NewExportResponse()
		err := r.UnmarshalJSON(body)
		return r.PartialSuccess().RejectedDataPoints(), err
	}},
}

// later is a field that no version of OTLP has yet: number 2000, with five bytes.
var later = []byte("\x82\x7d\x05later")

// fromTomorrow is a request with fields of a later version at each level.
func fromTomorrow() []byte {
	message := func(number byte, inner ...[]byte) []byte {
		b := append(bytes.Join(inner, nil), later...)
		return append([]byte{number<<3 | 2, byte(len(b))}, b...)
	}
	return append(message(1, message(2, message(2, message(5, []byte("\x0a\x01x"))))), later...)
}

// wireGRPC are rules of OTLP/gRPC that follow from gRPC and protobuf.
func wireGRPC() []Check {
	const concurrent = "Concurrent requests"
	return []Check{
		{"OTLP/gRPC", "proto3", "fields of a later version are ignored, at each level", func(ctx context.Context, e Endpoint) error {
			answer, err := export(ctx, e, logsService, fromTomorrow())
			if err == nil && bytes.Contains(answer, []byte("logRecords")) {
				return fmt.Errorf("rejected: %q", answer)
			}
			return err
		}},
		{"OTLP/gRPC", "gRPC", "a service and a method that are not there are `UNIMPLEMENTED`", func(ctx context.Context, e Endpoint) error {
			for _, method := range []string{"/opentelemetry.proto.collector.nothing.v1.NothingService/Export", "/opentelemetry.proto.collector.logs.v1.LogsService/Import"} {
				var answer []byte
				if err := e.GRPC.Invoke(ctx, method, []byte{}, &answer, grpc.ForceCodec(raw{})); status.Code(err) != codes.Unimplemented {
					return fmt.Errorf("%s: %w", method, err)
				}
			}
			return nil
		}},
		{"OTLP/gRPC", "gRPC", "a request with another compression is `UNIMPLEMENTED`", func(ctx context.Context, e Endpoint) error {
			code, err := compressed(ctx, e, "rot13")
			if err == nil && code != fmt.Sprint(int(codes.Unimplemented)) {
				err = fmt.Errorf("grpc-status %q", code)
			}
			return err
		}},
		{concurrent, "SHOULD", "64 calls at once over one connection, each with its own answer", func(ctx context.Context, e Endpoint) error {
			return atOnce(func(i int) error {
				if i%2 == 0 {
					_, err := export(ctx, e, logsService, oneLog())
					return err
				}
				_, err := export(ctx, e, logsService, []byte("\xff\xff"))
				if err == nil {
					return errors.New("a malformed request got the answer of another")
				}
				return nil
			})
		}},
	}
}

// compressed sends a call whose message claims an encoding, and returns grpc-status. A client of grpc-go can only send encodings that it supports
// itself.
func compressed(ctx context.Context, e Endpoint, encoding string) (code string, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	message := oneLog()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+e.GRPC.Target()+"/opentelemetry.proto.collector."+logsService+"/Export",
		bytes.NewReader(append([]byte{1, 0, 0, 0, byte(len(message))}, message...)))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("TE", "trailers")
	r.Header.Set("Grpc-Encoding", encoding)
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if code = resp.Trailer.Get("Grpc-Status"); code == "" {
		code = resp.Header.Get("Grpc-Status")
	}
	return code, nil
}

func atOnce(call func(i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, 64)
	for i := range errs {
		wg.Go(func() { errs[i] = call(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// wireHTTP are rules of OTLP/HTTP that follow from HTTP, gzip, JSON and protobuf.
func wireHTTP() []Check {
	return slices.Concat(wireEncodings(), wireMessages(), wireIDs(), wireNumbers(), wireConnections())
}

func wireEncodings() []Check {
	const details = "Protocol details"
	return []Check{
		{details, "RFC 1952", "gzip of each level, in several members", func(ctx context.Context, e Endpoint) error {
			body := []byte(record(`"severityText":"gzip"`))
			for level := gzip.HuffmanOnly; level <= gzip.BestCompression; level++ {
				var b bytes.Buffer
				for _, part := range [][]byte{body[:10], body[10:]} {
					w, err := gzip.NewWriterLevel(&b, level)
					if err != nil {
						return err
					}
					_, _ = w.Write(part) // a buffer takes all
					_ = w.Close()
				}
				r, err := post(ctx, e, jsonType, b.Bytes(), "Content-Encoding", "gzip")
				if err != nil {
					return err
				}
				if err := r.expect(http.StatusOK); err != nil {
					return fmt.Errorf("level %d: %w", level, err)
				}
			}
			return nil
		}},
		{details, "RFC 1952", "gzip that is cut off, has another checksum or is none is answered with 400", func(ctx context.Context, e Endpoint) error {
			whole := gzipped([]byte(record("")))
			wrong := slices.Clone(whole)
			wrong[len(wrong)-8] ^= 1
			for _, body := range [][]byte{whole[:len(whole)-9], wrong, []byte(record(""))} {
				r, err := post(ctx, e, jsonType, body, "Content-Encoding", "gzip")
				if err != nil {
					return err
				}
				if err := r.expect(http.StatusBadRequest); err != nil {
					return err
				}
			}
			return nil
		}},
	}
}

func wireMessages() []Check {
	return []Check{
		{"Binary Protobuf encoding", "proto3", "fields of a later version are ignored, at each level", func(ctx context.Context, e Endpoint) error {
			r, err := post(ctx, e, protobuf, fromTomorrow())
			if err != nil {
				return err
			}
			response := plogotlp.NewExportResponse()
			if err := response.UnmarshalProto(r.body); err != nil || response.PartialSuccess().RejectedLogRecords() != 0 {
				return fmt.Errorf("%s: %w", r, err)
			}
			return r.expect(http.StatusOK)
		}},
		{"Full success", "SHOULD", "an empty request of each signal is a success, in both encodings", func(ctx context.Context, e Endpoint) error {
			for _, s := range signals {
				for kind, bodies := range map[string][]string{protobuf: {""}, jsonType: {"{}", `{"` + s.list + `":[]}`, `{"` + s.list + `":[{}]}`, " { } \r\n"}} {
					for _, body := range bodies {
						r, err := ask(ctx, e, http.MethodPost, s.path, []byte(body), "Content-Type", kind)
						if err != nil {
							return err
						}
						if err := r.expect(http.StatusOK); err != nil {
							return fmt.Errorf("%s %q: %w", s.path, body, err)
						}
					}
				}
			}
			return nil
		}},
		{"Partial success", "MUST", "one bad item of two, for logs, spans and data points: `rejected…` is 1", func(ctx context.Context, e Endpoint) error {
			for _, s := range signals {
				r, err := ask(ctx, e, http.MethodPost, s.path, []byte(s.bad), "Content-Type", jsonType)
				if err != nil {
					return err
				}
				if err := r.expect(http.StatusOK); err != nil {
					return err
				}
				if n, err := s.rejected(r.body); err != nil || n != 1 {
					return fmt.Errorf("%s: %d rejected, %w", s.path, n, err)
				}
			}
			return nil
		}},
	}
}

func wireIDs() []Check {
	return []Check{
		{"JSON Protobuf encoding", "MUST", "an id of another length, or no hex, is refused, alone", func(ctx context.Context, e Endpoint) error {
			for _, id := range []string{`"traceId":"5b8efff798038103d269b633813fc60"`, `"traceId":"W47/95gDgQPSabYzgT/GDA=="`, `"spanId":"eee19b7ec3c1b17400"`, `"spanId":"zee19b7ec3c1b174"`} {
				r, err := postJSON(ctx, e, record(`"severityText":"a"},{`+id))
				if err != nil {
					return err
				}
				if err := rejectedOne(r); err != nil {
					return fmt.Errorf("%s: %w", id, err)
				}
			}
			return nil
		}},
		{"JSON Protobuf encoding", "MUST", "an empty id is none", accepted(record(`"traceId":"","spanId":""`))},
	}
}

func wireNumbers() []Check {
	const js = "JSON Protobuf encoding"
	return []Check{
		{js, "MUST", "enumerations are numbers, of later versions too", accepted(record(`"severityNumber":17},{"severityNumber":9999`))},
		{js, "proto3", "32-bit integers and doubles may be texts, integers may end in .0", accepted(record(`"flags":"1","severityNumber":9.0,"droppedAttributesCount":"3","body":{"doubleValue":"1.5"}`))},
		{js, "proto3", "an integer beyond 64 bits, or with a fraction, is refused", func(ctx context.Context, e Endpoint) error {
			for _, value := range []string{`"18446744073709551616"`, "18446744073709551616", "1.5", `"1.5"`, "-1", "1e30"} {
				r, err := postJSON(ctx, e, record(`"timeUnixNano":`+value))
				if err != nil {
					return err
				}
				if err := r.expect(http.StatusBadRequest); err != nil {
					return fmt.Errorf("%s: %w", value, err)
				}
			}
			return nil
		}},
		{js, "RFC 8259", "escapes, also of surrogate pairs, in keys too", accepted(strings.ReplaceAll(record(`"severityText":"\ud83d\ude00\u0000\/"`), "severityText", `severity\u0054ext`))},
	}
}

func wireConnections() []Check {
	const connection = "OTLP/HTTP connection"
	return []Check{
		{connection, "SHOULD", "the connection stays open for the next request, also after a refusal", func(ctx context.Context, e Endpoint) error {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			reused := 0
			traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
				if info.Reused {
					reused++
				}
			}})
			for _, c := range []struct{ path, kind, body string }{{"/v1/logs", jsonType, "{}"}, {"/v1/logs", jsonType, "{"}, {"/v1/logs", "text/plain", "x"}, {"/v1/none", jsonType, "{}"}, {"/v1/logs", jsonType, "{}"}} {
				r, err := http.NewRequestWithContext(traced, http.MethodPost, "http://"+e.HTTP+c.path, strings.NewReader(c.body))
				if err != nil {
					return err
				}
				r.Header.Set("Content-Type", c.kind)
				resp, err := transport.RoundTrip(r)
				if err != nil {
					return err
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			if reused != 4 {
				return fmt.Errorf("%d of 4 requests came over the connection of the one before", reused)
			}
			return nil
		}},
		{connection, "RFC 9112", "a body in chunks, with trailers", func(ctx context.Context, e Endpoint) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+e.HTTP+"/v1/logs", io.NopCloser(io.MultiReader(strings.NewReader(record("")[:9]), strings.NewReader(record("")[9:]))))
			if err != nil {
				return err
			}
			r.Header.Set("Content-Type", jsonType)
			r.Trailer = http.Header{"X-Checksum": {"7"}}
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			return reply{code: resp.StatusCode, header: resp.Header}.expect(http.StatusOK)
		}},
		{connection, "SHOULD", "64 requests at once, each with its own answer", func(ctx context.Context, e Endpoint) error {
			return atOnce(func(i int) error {
				body, want := record(""), http.StatusOK
				if i%2 == 1 {
					body, want = "{", http.StatusBadRequest
				}
				r, err := postJSON(ctx, e, body)
				if err != nil {
					return err
				}
				return r.expect(want)
			})
		}},
		{connection, "practice", "an endpoint may end in a slash: `//v1/logs`", func(ctx context.Context, e Endpoint) error {
			for _, path := range []string{"//v1/logs", "/v1/logs/"} {
				r, err := ask(ctx, e, http.MethodPost, path, []byte("{}"), "Content-Type", jsonType)
				if err != nil {
					return err
				}
				if err := r.expect(http.StatusOK); err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
			}
			return nil
		}},
	}
}
