package nestinglimitextension

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/cost"
	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/door"
	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/metadata"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/inflight"
)

// patience is how long a request may take to arrive while there is no memory for others.
const patience = 2 * time.Second

// nestingLimit checks requests before they are decoded: decoders of OTLP recurse without a bound, turn two bytes into hundreds, and refuse a whole
// request because of one item. It is safe for concurrent use.
type nestingLimit struct {
	component.StartFunc
	cfg       *Config
	limits    cost.Limits
	telemetry *metadata.TelemetryBuilder
	inFlight  *inflight.Budget
	reading   *inflight.Readers
	messages  *meteredPool
	usual     door.Usual
	memory    door.Shut // whether memory_limiter refuses data
}

var (
	_ extension.Extension            = (*nestingLimit)(nil)
	_ extensionmiddleware.GRPCServer = (*nestingLimit)(nil)
	_ extensionmiddleware.HTTPServer = (*nestingLimit)(nil)
)

func newNestingLimit(cfg *Config, set extension.Settings) (*nestingLimit, error) {
	t, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	l := &nestingLimit{
		cfg:       cfg,
		limits:    cfg.limits(),
		telemetry: t,
		inFlight:  inflight.NewBudget(cfg.MaxInFlight),
		reading:   inflight.NewReaders(cfg.MaxReading, patience),
	}
	l.messages = newMeteredPool(cfg.MaxReading, l.reading)
	return l, errors.Join(
		t.RegisterExtensionNestingLimitInFlightCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(l.inFlight.Used())
			return nil
		}),
		t.RegisterExtensionNestingLimitReadingCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(l.reading.Used() + l.messages.used.Load())
			return nil
		}))
}

// Shutdown ends the telemetry; requests hold nothing that outlives them.
func (l *nestingLimit) Shutdown(context.Context) error {
	l.telemetry.Shutdown()
	return nil
}

// refusal is why a request is refused: a status that a client understands, with the counted reason.
type refusal struct {
	reason string
	status *status.Status
	code   int // of HTTP; 0: the one that matches the status
}

// refuse counts a refusal.
func (l *nestingLimit) refuse(r *refusal) *refusal {
	l.telemetry.ExtensionNestingLimitRefusedRequests.Add(context.Background(), 1, metric.WithAttributes(attribute.String("reason", r.reason)))
	return r
}

// never refuses a request permanently: it would fail again.
func never(reason, text string) *refusal {
	s := status.New(codes.InvalidArgument, text)
	bad := &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Description: text}}}
	if detailed, err := s.WithDetails(bad); err == nil {
		s = detailed
	}
	return &refusal{reason: reason, status: s}
}

// tooLarge refuses a request of this size permanently.
func tooLarge(text string) *refusal {
	r := never("request_size", text)
	r.code = http.StatusRequestEntityTooLarge
	return r
}

// later tells a client to retry in a second or two, with a random part, so that clients do not retry at the same moment.
func later(reason, text string) *refusal {
	s := status.New(codes.Unavailable, text)
	delay := time.Second + rand.N(2*time.Second).Truncate(time.Second)
	if hinted, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)}); err == nil {
		s = hinted
	}
	return &refusal{reason: reason, status: s}
}

func (l *nestingLimit) busy() *refusal {
	return later("in_flight", fmt.Sprintf("requests in flight have used up %d bytes of memory (max_in_flight)", l.cfg.MaxInFlight))
}

func (l *nestingLimit) unfair() *refusal {
	return later("share", fmt.Sprintf("this client's or its tenant's requests in flight have used up their share of %d bytes of memory (max_in_flight)", l.cfg.MaxInFlight))
}

func (l *nestingLimit) crowded() *refusal {
	return later("reading", fmt.Sprintf("requests that are being read have used up %d bytes of memory (max_reading)", l.cfg.MaxReading))
}

// parties are the client and the tenant to which a request is charged.
func parties(ctx context.Context) []inflight.Party { return inflight.Parties(access.Account(ctx)) }

// hold reserves a request's memory from the bytes for requests in flight. The caller releases it.
func (l *nestingLimit) hold(held *inflight.Hold, usage cost.Usage, body int) *refusal {
	// Besides the decoded request there are its bytes, and the receiver's copy of them.
	n := int64(usage.Size) + 2*int64(body)
	l.usual.Add(n)
	return l.judge(held.Take(n))
}

func (l *nestingLimit) judge(v inflight.Verdict) *refusal {
	switch v {
	case inflight.Full:
		return l.busy()
	case inflight.Unfair:
		return l.unfair()
	default:
		return nil
	}
}
