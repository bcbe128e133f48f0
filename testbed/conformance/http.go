package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

// HTTPChecks are the rules of OTLP/HTTP, in the order of the specification, and then those of the underlying specifications.
func HTTPChecks() []Check {
	return slices.Concat(encodingChecks(), jsonChecks(), requestChecks(), responseChecks(), failureChecks(), badDataChecks(), wireHTTP())
}

// js is the section of the specification.
const js = "JSON Protobuf encoding"

func encodingChecks() []Check {
	const enc = "Binary Protobuf encoding"
	return []Check{
		{"Protocol details", "MUST", "takes requests without compression and with gzip", func(ctx context.Context, e Endpoint) error {
			for _, kind := range []string{protobuf, jsonType} {
				body := map[string][]byte{protobuf: oneLog(), jsonType: []byte(record(""))}[kind]
				for _, headers := range [][]string{nil, {"Content-Encoding", "gzip"}} {
					if headers != nil {
						body = gzipped(body)
					}
					r, err := post(ctx, e, kind, body, headers...)
					if err != nil {
						return err
					}
					if err := r.expect(http.StatusOK); err != nil {
						return err
					}
				}
			}
			return nil
		}},
		{"Protocol details", "RFC 9110", "`GZIP`, `x-gzip` and `identity` are names of encodings", func(ctx context.Context, e Endpoint) error {
			for _, name := range []string{"GZIP", "x-gzip", "identity"} {
				body := gzipped([]byte(record("")))
				if name == "identity" {
					body = []byte(record(""))
				}
				r, err := post(ctx, e, jsonType, body, "Content-Encoding", name)
				if err != nil {
					return err
				}
				if err := r.expect(http.StatusOK, http.StatusUnsupportedMediaType); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return nil
		}},
		{"Protocol details", "RFC 9110", "another encoding is answered with 415", func(ctx context.Context, e Endpoint) error {
			r, err := post(ctx, e, jsonType, []byte("{}"), "Content-Encoding", "rot13")
			if err != nil {
				return err
			}
			return r.expect(http.StatusUnsupportedMediaType)
		}},
		{enc, "MUST", "`Content-Type: application/x-protobuf` is answered with the same", sameType(protobuf, oneLog)},
		{js, "MUST", "`Content-Type: application/json` is answered with the same", sameType(jsonType, func() []byte { return []byte(record("")) })},
		{js, "RFC 9110", "a content type in upper case, with a charset, is the same type", func(ctx context.Context, e Endpoint) error {
			r, err := post(ctx, e, "Application/JSON; Charset=UTF-8", []byte(record("")))
			if err != nil {
				return err
			}
			return r.expect(http.StatusOK)
		}},
	}
}

func jsonChecks() []Check {
	return []Check{
		{js, "MUST", "ids are hex of either case", accepted(record(`"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174"`))},
		{js, "MUST", "fields of unknown names are ignored", accepted(record(`"tomorrow":{"logRecords":[[{}]]},"severityText":"x"`))},
		{js, "MUST", "64-bit integers are numbers or strings", accepted(record(`"timeUnixNano":"1544712660300000000","observedTimeUnixNano":1544712660300000000,"body":{"intValue":"-5"}`))},
		{js, "proto3", "integers may have an exponent", accepted(record(`"timeUnixNano":1.5447126603e18`))},
		{js, "proto3", "`null` is a field that is not set: ids, numbers, enumerations, texts, lists, messages",
			accepted(record(`"traceId":null,"spanId":null,"timeUnixNano":null,"severityNumber":null,"severityText":null,"attributes":null,"body":null,"flags":null`))},
		{js, "proto3", "doubles may be \"NaN\", \"Infinity\" and \"-Infinity\"", accepted(record(`"body":{"arrayValue":{"values":[{"doubleValue":"NaN"},{"doubleValue":"Infinity"},{"doubleValue":"-Infinity"}]}}`))},
		{js, "proto3", "bytes are base64 of the standard or the URL alphabet, padded or not", func(ctx context.Context, e Endpoint) error {
			for _, text := range []string{"+/+/", "-_-_", "AA==", "AA"} {
				if err := accepted(record(`"body":{"bytesValue":"`+text+`"}`))(ctx, e); err != nil {
					return fmt.Errorf("%s: %w", text, err)
				}
			}
			return nil
		}},
		{js, "RFC 8259", "a second document after the first is refused, not lost", func(ctx context.Context, e Endpoint) error {
			for _, between := range []string{"", "\n", " "} {
				r, err := postJSON(ctx, e, record("")+between+record(""))
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

func requestChecks() []Check {
	return []Check{
		{"OTLP/HTTP request", "default", "POST at `/v1/traces`, `/v1/metrics`, `/v1/logs`", func(ctx context.Context, e Endpoint) error {
			for path, list := range map[string]string{"/v1/traces": "resourceSpans", "/v1/metrics": "resourceMetrics", "/v1/logs": "resourceLogs"} {
				r, err := ask(ctx, e, http.MethodPost, path, []byte(`{"`+list+`":[]}`), "Content-Type", jsonType)
				if err != nil {
					return err
				}
				if err := r.expect(http.StatusOK); err != nil {
					return err
				}
			}
			return nil
		}},
		{"OTLP/HTTP request", "MUST", "a body beyond the limit is answered with 413, before and after decompression", func(ctx context.Context, e Endpoint) error {
			large := bytes.Repeat([]byte(" "), 80<<20)
			for _, headers := range [][]string{nil, {"Content-Encoding", "gzip"}} {
				body := large
				if headers != nil {
					body = gzipped(large)
				}
				r, err := post(ctx, e, jsonType, body, headers...)
				if err != nil {
					return err
				}
				if err := r.expect(http.StatusRequestEntityTooLarge); err != nil {
					return fmt.Errorf("%v: %w", headers, err)
				}
			}
			return nil
		}},
		{"OTLP/HTTP connection", "SHOULD", "both encodings on one port, told apart by `Content-Type`", func(ctx context.Context, e Endpoint) error {
			for kind, body := range map[string][]byte{protobuf: oneLog(), jsonType: []byte(record(""))} {
				r, err := post(ctx, e, kind, body)
				if err != nil {
					return err
				}
				if err := r.expect(http.StatusOK); err != nil {
					return err
				}
			}
			return nil
		}},
	}
}

func sameType(kind string, body func() []byte) func(context.Context, Endpoint) error {
	return func(ctx context.Context, e Endpoint) error {
		for _, b := range [][]byte{body(), []byte("{\xffgarbage")} {
			r, err := post(ctx, e, kind, b)
			if err != nil {
				return err
			}
			if got := r.header.Get("Content-Type"); got != kind {
				return fmt.Errorf("%d: Content-Type %q", r.code, got)
			}
		}
		return nil
	}
}

func responseChecks() []Check {
	const full, partial = "Full success", "Partial success"
	return []Check{
		{full, "SHOULD", "an empty request is a success", func(ctx context.Context, e Endpoint) error {
			for kind, body := range map[string]string{protobuf: "", jsonType: "{}"} {
				r, err := post(ctx, e, kind, []byte(body))
				if err != nil {
					return err
				}
				if err := r.expect(http.StatusOK); err != nil {
					return err
				}
			}
			return nil
		}},
		{full, "MUST", "200 with an Export…Response whose `partial_success` is unset, in both encodings", func(ctx context.Context, e Endpoint) error {
			r, err := post(ctx, e, protobuf, oneLog())
			if err != nil || r.expect(http.StatusOK) != nil || len(r.body) > 0 {
				return fmt.Errorf("protobuf: %s, %w", r, err)
			}
			r, err = postJSON(ctx, e, record(""))
			var fields map[string]any
			if err != nil || r.expect(http.StatusOK) != nil || json.Unmarshal(r.body, &fields) != nil || len(fields) > 0 {
				return fmt.Errorf("JSON: %s, %w", r, err)
			}
			return nil
		}},
		{partial, "MUST", "one bad record of three in JSON: 200, `rejectedLogRecords` is 1", func(ctx context.Context, e Endpoint) error {
			r, err := postJSON(ctx, e, strings.Replace(record(`},{"traceId":"no"},{`), "{},", `{"body":{}},`, 1))
			if err != nil {
				return err
			}
			return rejectedOne(r)
		}},
		{partial, "MUST", "one bad record of three in protobuf: 200, `rejected_log_records` is 1", func(ctx context.Context, e Endpoint) error {
			r, err := post(ctx, e, protobuf, oneBad())
			if err != nil {
				return err
			}
			return rejectedOne(r)
		}},
		{partial, "SHOULD", "`error_message` names the item, and no value of it", func(ctx context.Context, e Endpoint) error {
			r, err := postJSON(ctx, e, strings.Replace(record(`},{"traceId":"secret"},{`), "{},", `{"body":{}},`, 1))
			if err != nil {
				return err
			}
			if !strings.Contains(string(r.body), "logRecords[1]") || strings.Contains(string(r.body), "secret") {
				return fmt.Errorf("%s", r)
			}
			return nil
		}},
	}
}

func rejectedOne(r reply) error {
	response := plogotlp.NewExportResponse()
	unmarshal := response.UnmarshalProto
	if strings.HasPrefix(r.header.Get("Content-Type"), jsonType) {
		unmarshal = response.UnmarshalJSON
	}
	if err := r.expect(http.StatusOK); err != nil {
		return err
	}
	if err := unmarshal(r.body); err != nil {
		return err
	}
	if n := response.PartialSuccess().RejectedLogRecords(); n != 1 || response.PartialSuccess().ErrorMessage() == "" {
		return fmt.Errorf("%d rejected, message %q", n, response.PartialSuccess().ErrorMessage())
	}
	return nil
}

func failureChecks() []Check {
	const fail = "Failures"
	return []Check{
		{fail, "MUST", "4xx and 5xx have a Status as body, in the encoding of the request: malformed, path, method, type", func(ctx context.Context, e Endpoint) error {
			for _, c := range []struct{ method, path, kind string }{
				{http.MethodPost, "/v1/logs", protobuf}, {http.MethodPost, "/v1/logs", jsonType}, {http.MethodPost, "/v1/nothing", jsonType},
				{http.MethodPost, "/v1/nothing", protobuf}, {http.MethodGet, "/v1/logs", jsonType}, {http.MethodPut, "/v1/logs", protobuf}, {http.MethodPost, "/v1/logs", "text/plain"},
			} {
				r, err := ask(ctx, e, c.method, c.path, []byte("\xff{"), "Content-Type", c.kind)
				if err != nil {
					return err
				}
				s, err := r.status()
				if err != nil {
					return fmt.Errorf("%v: %w", c, err)
				}
				if r.code < 400 || s.GetMessage() == "" {
					return fmt.Errorf("%v: %s", c, r)
				}
			}
			return nil
		}},
		{fail, "RFC 9110", "405 has `Allow`", func(ctx context.Context, e Endpoint) error {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete} {
				r, err := ask(ctx, e, method, "/v1/logs", nil)
				if err != nil {
					return err
				}
				if r.code != http.StatusMethodNotAllowed || r.header.Get("Allow") != http.MethodPost {
					return fmt.Errorf("%s: %s, Allow %q", method, r, r.header.Get("Allow"))
				}
			}
			return nil
		}},
		{fail, "RFC 9110", "another content type is answered with 415", func(ctx context.Context, e Endpoint) error {
			for _, kind := range []string{"text/plain", "application/xml", "json"} {
				r, err := post(ctx, e, kind, []byte("{}"))
				if err != nil {
					return err
				}
				if err := r.expect(http.StatusUnsupportedMediaType); err != nil {
					return err
				}
			}
			return nil
		}},
	}
}

func badDataChecks() []Check {
	const bad = "Bad data"
	return []Check{
		{bad, "MUST", "what can't be decoded is answered with 400", func(ctx context.Context, e Endpoint) error {
			for kind, bodies := range map[string][]string{protobuf: {"\xff\xff", "\x0a\xff\x01"}, jsonType: {"", "{", "[]", "null", "{not", "{}x", `{"resourceLogs":7}`}} {
				for _, body := range bodies {
					r, err := post(ctx, e, kind, []byte(body))
					if err != nil {
						return err
					}
					if err := r.expect(http.StatusBadRequest); err != nil {
						return fmt.Errorf("%s %q: %w", kind, body, err)
					}
				}
			}
			return nil
		}},
		{bad, "MUST", "the same where the text has bytes beyond ASCII, or no UTF-8", func(ctx context.Context, e Endpoint) error {
			for _, body := range []string{"{\"resourceLogs\":\"ü\"}", "{\"resourceLogs\":[\"\xff\xfe\"", "\xff", record("\"traceId\":\"\x80\"")} {
				r, err := postJSON(ctx, e, body)
				if err != nil {
					return err
				}
				if err := r.expect(http.StatusBadRequest); err != nil {
					return fmt.Errorf("%q: %w", body, err)
				}
			}
			return nil
		}},
		{bad, "SHOULD", "`Status.details` has a BadRequest", func(ctx context.Context, e Endpoint) error {
			for _, kind := range []string{protobuf, jsonType} {
				r, err := post(ctx, e, kind, []byte("\xff"))
				if err != nil {
					return err
				}
				s, err := r.status()
				if err != nil {
					return err
				}
				if len(s.GetDetails()) == 0 || !s.GetDetails()[0].MessageIs(&errdetails.BadRequest{}) {
					return fmt.Errorf("%s", r)
				}
			}
			return nil
		}},
		{"OTLP/HTTP throttling", "SHOULD", "an overloaded server answers 429 or 503, with `Retry-After`", func(ctx context.Context, e Endpoint) error {
			r, err := post(ctx, e, protobuf, oneLog())
			if err != nil {
				return err
			}
			seconds, _ := strconv.Atoi(r.header.Get("Retry-After"))
			if r.code != http.StatusTooManyRequests && r.code != http.StatusServiceUnavailable || seconds < 1 {
				return fmt.Errorf("%s, Retry-After %q", r, r.header.Get("Retry-After"))
			}
			return nil
		}},
	}
}
