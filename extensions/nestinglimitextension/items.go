package nestinglimitextension

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/cost"
	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/otlp"
)

// request is a request on its way to the decoder.
type request struct {
	signal  cost.Signal
	body    []byte // protobuf; of a signal without schema also JSON
	partial otlp.PartialSuccess
	sieved  bool // its items have been checked one by one
	scout   bool // see door.Shut
}

// schema returns the request's schema, 0 if there is none: then the request is accepted or refused as a whole.
func (r *request) schema() otlp.Signal {
	return map[cost.Signal]otlp.Signal{cost.Logs: otlp.Logs, cost.Metrics: otlp.Metrics, cost.Traces: otlp.Traces}[r.signal]
}

// fromJSON converts the request's JSON to protobuf, without the items that can't be read.
func (l *nestingLimit) fromJSON(r *request, grow func(int) error) *refusal {
	body, rejected, err := otlp.FromJSON(r.schema(), r.body,
		otlp.Limits{Depth: l.cfg.MaxDepth, Attributes: l.cfg.MaxAttributes, Size: l.cfg.MaxRequestSize}, grow)
	switch {
	case errors.Is(err, otlp.ErrTooDeep):
		return never(string(cost.Depth), err.Error())
	case errors.Is(err, otlp.ErrTooLarge):
		return tooLarge(fmt.Sprintf("the request has more than %d bytes as protobuf (max_request_size)", l.cfg.MaxRequestSize))
	case errors.Is(err, errCrowded):
		return l.crowded()
	case err != nil:
		return never("malformed", err.Error())
	}
	r.body = body
	return l.left(r, &rejected)
}

// sieve leaves out the items that exceed a limit for one item, or that can't be decoded.
func (l *nestingLimit) sieve(r *request) *refusal {
	r.sieved = true
	if _, err := l.limits.Frame(r.signal, r.body); err != nil {
		return refusalOf(err)
	}
	held := l.inFlight.Open()
	if refused := l.judge(held.Take(2 * int64(len(r.body)))); refused != nil {
		return refused
	}
	defer held.Release()
	body, rejected, err := otlp.Sieve(r.schema(), r.body, l.cfg.MaxItemSize, func(b []byte) error { return l.checkItem(r.signal, b) })
	if err != nil {
		return never("malformed", err.Error())
	}
	r.body = body
	return l.left(r, &rejected)
}

// checkItem returns the error of a request with one item.
func (l *nestingLimit) checkItem(signal cost.Signal, b []byte) error {
	_, err := l.limits.Protobuf(signal, b)
	var exceeded *cost.Exceeded
	switch {
	case errors.As(err, &exceeded) && exceeded.Reason == cost.Depth:
		return otlp.Depth.Error(fmt.Sprintf("is nested more than %d deep (max_depth)", exceeded.Limit))
	case errors.As(err, &exceeded) && exceeded.Reason == cost.Attributes:
		return otlp.Attributes.Error(fmt.Sprintf("has more than %d attributes in one place (max_attributes)", exceeded.Limit))
	case err != nil:
		return otlp.Malformed.Error(err.Error())
	}
	switch signal {
	case cost.Logs:
		err = plogotlp.NewExportRequest().UnmarshalProto(b)
	case cost.Metrics:
		err = pmetricotlp.NewExportRequest().UnmarshalProto(b)
	default:
		err = ptraceotlp.NewExportRequest().UnmarshalProto(b)
	}
	if err != nil {
		return otlp.Malformed.Error("is not a valid message of OTLP (" + err.Error() + ")") // names fields and sizes, no values
	}
	return nil
}

// left counts the rejected items. A request without remaining items is refused as a whole.
func (l *nestingLimit) left(r *request, rejected *otlp.Rejected) *refusal {
	if !rejected.Any() {
		return nil
	}
	usage, err := l.limits.Protobuf(r.signal, r.body)
	if err == nil && usage.Items == 0 && r.partial.Rejected == 0 {
		return never(string(rejected.First()), rejected.Message())
	}
	for reason, n := range rejected.ByReason {
		l.telemetry.ExtensionNestingLimitRejectedItems.Add(context.Background(), int64(n), metric.WithAttributes(attribute.String("reason", string(reason))))
	}
	r.partial = r.partial.Add(otlp.PartialSuccess{Rejected: rejected.Items, Message: rejected.Message()})
	return nil
}

// measure computes the cost of decoding the request, after leaving out the items that would cost too much.
func (l *nestingLimit) measure(r *request) (cost.Usage, *refusal) {
	usage, err := l.limits.Protobuf(r.signal, r.body)
	var exceeded *cost.Exceeded
	if errors.As(err, &exceeded) && (exceeded.Reason == cost.Depth || exceeded.Reason == cost.Attributes) && r.schema() != 0 && !r.sieved {
		if refused := l.sieve(r); refused != nil {
			return usage, refused
		}
		usage, err = l.limits.Protobuf(r.signal, r.body)
	}
	if err != nil {
		return usage, refusalOf(err)
	}
	if len(r.body) > l.cfg.MaxItemSize && r.schema() != 0 && !r.sieved { // one item can be too large
		if refused := l.sieve(r); refused != nil {
			return usage, refused
		}
		if usage, err = l.limits.Protobuf(r.signal, r.body); err != nil {
			return usage, refusalOf(err)
		}
	}
	return usage, nil
}

// refusalOf is the refusal of a whole request for an error of measuring it.
func refusalOf(err error) *refusal {
	var exceeded *cost.Exceeded
	if errors.As(err, &exceeded) {
		return never(string(exceeded.Reason), err.Error())
	}
	return never("malformed", err.Error())
}
