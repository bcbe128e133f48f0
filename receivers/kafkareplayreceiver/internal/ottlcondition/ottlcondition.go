// Package ottlcondition compiles a user's OTTL text into conditions for package selection.
package ottlcondition

import (
	"context"
	"fmt"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottldatapoint"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottllog"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlspan"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/ottlfuncs"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/selection"
)

// Compile returns the conditions of text on items of signal; empty: none. Items for which a condition can't be evaluated don't meet it.
// The error is meant for the author of text. The conditions are safe for concurrent use.
func Compile(signal journal.Signal, text string, set component.TelemetrySettings) (c selection.Conditions, err error) {
	if text == "" {
		return c, nil
	}
	switch signal {
	case journal.Metrics:
		c.Point, err = points(text, set)
	case journal.Logs:
		c.Log, err = logs(text, set)
	case journal.Traces:
		c.Span, err = spans(text, set)
	}
	if err != nil {
		return selection.Conditions{}, fmt.Errorf("condition: %w", err)
	}
	return c, nil
}

func points(text string, set component.TelemetrySettings) (func(context.Context, pmetric.ResourceMetrics, pmetric.ScopeMetrics, pmetric.Metric, selection.Point) bool, error) {
	condition, err := compile(text, set, ottldatapoint.NewParser, ottldatapoint.EnablePathContextNames())
	return func(ctx context.Context, rm pmetric.ResourceMetrics, sm pmetric.ScopeMetrics, m pmetric.Metric, p selection.Point) bool {
		tc := ottldatapoint.NewTransformContextPtr(rm, sm, m, p)
		defer tc.Close()
		return met(condition.Eval(ctx, tc))
	}, err
}

func logs(text string, set component.TelemetrySettings) (func(context.Context, plog.ResourceLogs, plog.ScopeLogs, plog.LogRecord) bool, error) {
	condition, err := compile(text, set, ottllog.NewParser, ottllog.EnablePathContextNames())
	return func(ctx context.Context, rl plog.ResourceLogs, sl plog.ScopeLogs, l plog.LogRecord) bool {
		tc := ottllog.NewTransformContextPtr(rl, sl, l)
		defer tc.Close()
		return met(condition.Eval(ctx, tc))
	}, err
}

func spans(text string, set component.TelemetrySettings) (func(context.Context, ptrace.ResourceSpans, ptrace.ScopeSpans, ptrace.Span) bool, error) {
	condition, err := compile(text, set, ottlspan.NewParser, ottlspan.EnablePathContextNames())
	return func(ctx context.Context, rs ptrace.ResourceSpans, ss ptrace.ScopeSpans, s ptrace.Span) bool {
		tc := ottlspan.NewTransformContextPtr(rs, ss, s)
		defer tc.Close()
		return met(condition.Eval(ctx, tc))
	}, err
}

func met(ok bool, err error) bool { return ok && err == nil }

type newParser[K any] func(map[string]ottl.Factory[K], component.TelemetrySettings, ...ottl.Option[K]) (ottl.Parser[K], error)

func compile[K any](text string, set component.TelemetrySettings, parser newParser[K], opts ...ottl.Option[K]) (*ottl.Condition[K], error) {
	p, err := parser(ottlfuncs.StandardConverters[K](), set, opts...)
	if err != nil {
		return nil, err
	}
	return p.ParseCondition(text)
}
