package deadletterextension

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/dispatch"
	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/parts"
	"github.com/penstockhq/penstock/internal/verdict"
)

// sendTimeout bounds an attempt to send a parked request.
const sendTimeout = 30 * time.Second

// services are the methods of OTLP.
var services = map[string]parts.Signal{
	"/opentelemetry.proto.collector.logs.v1.LogsService/Export":       parts.Logs,
	"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": parts.Metrics,
	"/opentelemetry.proto.collector.trace.v1.TraceService/Export":     parts.Traces,
}

// message is OTLP's codec view of a request or a response.
type message interface {
	SizeProto() int
	MarshalProto([]byte) int
	UnmarshalProto([]byte) error
}

// encoded is an already encoded message.
type encoded struct{ bytes []byte }

var _ message = (*encoded)(nil)

func (e *encoded) SizeProto() int                { return len(e.bytes) }
func (e *encoded) MarshalProto(to []byte) int    { return copy(to, e.bytes) }
func (e *encoded) UnmarshalProto(b []byte) error { e.bytes = append([]byte(nil), b...); return nil }

func encode(m message) []byte {
	b := make([]byte, m.SizeProto())
	return b[:m.MarshalProto(b)]
}

// GetGRPCClientOptions returns the interceptor for an exporter's connection.
func (d *deadLetter) GetGRPCClientOptions(context.Context) ([]grpc.DialOption, error) {
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(d.call)}, nil
}

// call sends a request. For OTLP's services, exporters see only errors that they retry.
func (d *deadLetter) call(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	signal, known := services[method]
	request, encodable := req.(message)
	response, decodable := reply.(message)
	if !known || !encodable || !decodable {
		return d.answer(signal, invoke(ctx, method, req, reply, cc, opts...), nil).Err
	}
	headers, _ := metadata.FromOutgoingContext(ctx)
	post := func(ctx context.Context, body []byte) dispatch.Answer {
		if _, ok := metadata.FromOutgoingContext(ctx); !ok && len(headers) > 0 {
			ctx = metadata.NewOutgoingContext(ctx, headers) // a parked request gets the headers of the latest call
		}
		var got encoded
		return d.answer(signal, invoke(ctx, method, &encoded{body}, &got, cc, opts...), &got)
	}
	l := d.lane(cc.Target(), signal, post)
	whole := func(ctx context.Context) dispatch.Answer {
		return d.answer(signal, invoke(ctx, method, req, reply, cc, opts...), response)
	}
	// The exporter retries with the same request, so meanwhile no other object has its address.
	a := l.Send(ctx, fmt.Sprintf("%p", req), whole, func() ([]byte, error) { return encode(request), nil }, post)
	if a.Verdict == verdict.Accepted {
		return nil
	}
	if _, ok := status.FromError(a.Err); !ok {
		return status.Error(codes.Unavailable, a.Err.Error())
	}
	return a.Err
}

// answer interprets the result of an attempt.
func (d *deadLetter) answer(signal parts.Signal, err error, reply message) dispatch.Answer {
	s := status.Convert(err)
	a := dispatch.Answer{Answer: verdict.GRPC(s.Code(), s.Message())}
	switch {
	case a.Verdict == verdict.Accepted:
		if reply != nil && reply.SizeProto() > 0 {
			a.Rejected = rejected(signal, encode(reply))
		}
	case a.Verdict == verdict.Data:
		a.Err = err
	default:
		a.Err = d.retryable(s, a.Answer, err)
	}
	return a
}

// rejected reads the partial success of a response.
func rejected(signal parts.Signal, body []byte) int64 {
	switch signal {
	case parts.Logs:
		if r := plogotlp.NewExportResponse(); r.UnmarshalProto(body) == nil {
			return r.PartialSuccess().RejectedLogRecords()
		}
	case parts.Metrics:
		if r := pmetricotlp.NewExportResponse(); r.UnmarshalProto(body) == nil {
			return r.PartialSuccess().RejectedDataPoints()
		}
	case parts.Traces:
		if r := ptraceotlp.NewExportResponse(); r.UnmarshalProto(body) == nil {
			return r.PartialSuccess().RejectedSpans()
		}
	case parts.Profiles:
	}
	return 0
}

// retryable converts err to an error that an OTLP exporter retries: with a status that OTLP calls retryable, and no delay above max_delay.
func (d *deadLetter) retryable(s *status.Status, v verdict.Answer, err error) error {
	var delay *errdetails.RetryInfo
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			delay = info
		}
	}
	code, text := s.Code(), s.Message()
	switch code {
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss:
	case codes.ResourceExhausted:
		if delay == nil {
			code = codes.Unavailable
		}
	default:
		code = codes.Unavailable
	}
	tooLong := delay != nil && delay.GetRetryDelay().AsDuration() > d.cfg.MaxDelay
	if code == s.Code() && !tooLong {
		return err
	}
	if code != s.Code() {
		text = strings.ToUpper(s.Code().String()) + ": " + text
		if v.Verdict == verdict.Operator {
			text += " (everything waits until an operator corrects the credentials, the address or the server)"
		}
	}
	out := status.New(code, text)
	if delay != nil {
		wait := min(max(delay.GetRetryDelay().AsDuration(), 0), d.cfg.MaxDelay)
		if with, err := out.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)}); err == nil {
			out = with
		}
	}
	return out.Err()
}
