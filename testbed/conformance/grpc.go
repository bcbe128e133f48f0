package conformance

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // for UseCompressor
	"google.golang.org/grpc/status"
)

// raw passes bytes as they are.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error)      { return v.([]byte), nil }
func (raw) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (raw) Name() string                       { return "proto" }

// export calls a service of OTLP, "logs.v1.LogsService" for example.
func export(ctx context.Context, e Endpoint, service string, body []byte, options ...grpc.CallOption) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var answer []byte
	err := e.GRPC.Invoke(ctx, "/opentelemetry.proto.collector."+service+"/Export", body, &answer, append(options, grpc.ForceCodec(raw{}))...)
	return answer, err
}

const logsService = "logs.v1.LogsService"

func oneLog() []byte {
	logs := plog.NewLogs()
	logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("conformance")
	b, _ := plogotlp.NewExportRequestFromLogs(logs).MarshalProto() // of valid logs: can't fail
	return b
}

// oneBad is three records, the second with a trace id of three bytes.
func oneBad() []byte {
	message := func(number byte, inner ...[]byte) []byte {
		b := bytes.Join(inner, nil)
		return append([]byte{number<<3 | 2, byte(len(b))}, b...)
	}
	good := message(2, message(3, []byte("x")))
	return message(1, message(2, good, message(2, message(9, []byte("abc"))), good))
}

// GRPCChecks are the rules of OTLP/gRPC, in the order of the specification, and then those of the underlying specifications.
func GRPCChecks() []Check { return slices.Concat(grpcAnswers(), grpcFailures(), wireGRPC()) }

func wantCode(err error, want codes.Code) error {
	if status.Code(err) != want {
		return fmt.Errorf("%v, not %s", err, want)
	}
	return nil
}

func grpcAnswers() []Check {
	return []Check{
		{"Protocol details", "MUST", "takes requests without compression and with gzip", func(ctx context.Context, e Endpoint) error {
			if _, err := export(ctx, e, logsService, oneLog()); err != nil {
				return err
			}
			_, err := export(ctx, e, logsService, oneLog(), grpc.UseCompressor("gzip"))
			return err
		}},
		{"OTLP/gRPC", "MUST", "the services of logs, metrics and traces", func(ctx context.Context, e Endpoint) error {
			for _, service := range []string{logsService, "metrics.v1.MetricsService", "trace.v1.TraceService"} {
				if _, err := export(ctx, e, service, nil); err != nil {
					return err
				}
			}
			return nil
		}},
		{"OTLP/gRPC request", "MUST", "a message beyond the limit is `RESOURCE_EXHAUSTED` without `RetryInfo`, before and after decompression", func(ctx context.Context, e Endpoint) error {
			large := make([]byte, 80<<20)
			for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor("gzip")}} {
				_, err := export(ctx, e, logsService, large, append(options, grpc.MaxCallSendMsgSize(100<<20))...)
				if err := wantCode(err, codes.ResourceExhausted); err != nil {
					return err
				}
				if details := status.Convert(err).Details(); len(details) > 0 {
					return fmt.Errorf("details make it retryable: %v", details)
				}
			}
			return nil
		}},
		{"Full success", "SHOULD", "an empty request is a success", func(ctx context.Context, e Endpoint) error {
			_, err := export(ctx, e, logsService, nil)
			return err
		}},
		{"Full success", "MUST", "`partial_success` is unset", func(ctx context.Context, e Endpoint) error {
			answer, err := export(ctx, e, logsService, oneLog())
			if err == nil && len(answer) > 0 {
				return fmt.Errorf("the response is % x", answer)
			}
			return err
		}},
		{"Partial success", "MUST", "one bad record of three: `rejected_log_records` is 1", func(ctx context.Context, e Endpoint) error {
			answer, err := export(ctx, e, logsService, oneBad())
			if err != nil {
				return err
			}
			response := plogotlp.NewExportResponse()
			if err := response.UnmarshalProto(answer); err != nil {
				return err
			}
			if n := response.PartialSuccess().RejectedLogRecords(); n != 1 {
				return fmt.Errorf("%d rejected", n)
			}
			return nil
		}},
		{"Partial success", "SHOULD", "`error_message` names the item", func(ctx context.Context, e Endpoint) error {
			answer, err := export(ctx, e, logsService, oneBad())
			if err == nil && !bytes.Contains(answer, []byte("logRecords[1]")) {
				return fmt.Errorf("the response is %q", answer)
			}
			return err
		}},
	}
}

func grpcFailures() []Check {
	return []Check{
		{"Failures", "recommended", "what can't be decoded is `INVALID_ARGUMENT`", func(ctx context.Context, e Endpoint) error {
			_, err := export(ctx, e, logsService, []byte("\xff\xff"))
			return wantCode(err, codes.InvalidArgument)
		}},
		{"Failures", "MAY", "with a BadRequest in the details", func(ctx context.Context, e Endpoint) error {
			_, err := export(ctx, e, logsService, []byte("\xff\xff"))
			for _, detail := range status.Convert(err).Details() {
				if _, ok := detail.(*errdetails.BadRequest); ok {
					return nil
				}
			}
			return fmt.Errorf("%v", status.Convert(err).Proto())
		}},
		{"OTLP/gRPC throttling", "SHOULD", "an overloaded server answers `UNAVAILABLE`", func(ctx context.Context, e Endpoint) error {
			_, err := export(ctx, e, logsService, oneLog())
			return wantCode(err, codes.Unavailable)
		}},
		{"OTLP/gRPC throttling", "MAY", "with a `RetryInfo` that says when to retry", func(ctx context.Context, e Endpoint) error {
			_, err := export(ctx, e, logsService, oneLog())
			for _, detail := range status.Convert(err).Details() {
				if info, ok := detail.(*errdetails.RetryInfo); ok && info.GetRetryDelay().AsDuration() > 0 {
					return nil
				}
			}
			return fmt.Errorf("%v", status.Convert(err).Proto())
		}},
	}
}
