package piiscrubberprocessor

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/metric/noop"
	nooptrace "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/tap/sampler"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/metadata"
)

// tapped scrubs the copies of records that a tap shows, in the same way and with the same key as the pipelines' records: a value has the
// same hash before and after the scrubber. Its findings are not counted, because those records pass, or have passed, the scrubber anyway.
type tapped struct{ scrubber *scrubber }

var _ sampler.Scrubber = tapped{}

// offer makes the scrubber available to taps until withdraw is called. The keys must be known.
func (s *scrubber) offer(host component.Host) (withdraw func(), err error) {
	to := sampler.Find(host)
	if to == nil {
		return func() {}, nil
	}
	silent := component.TelemetrySettings{Logger: zap.NewNop(), MeterProvider: noop.NewMeterProvider(), TracerProvider: nooptrace.NewTracerProvider()}
	telemetry, err := metadata.NewTelemetryBuilder(silent)
	if err != nil {
		return nil, err
	}
	built := s.scrub
	quiet := &scrubber{id: s.id, cfg: s.cfg, log: silent.Logger, scrub: built, telemetry: telemetry, capture: newCapturer(built, silent.Logger)}
	quiet.batches.New = func() any { return built.NewBatch() }
	quiet.ready.Store(true)
	return to.Offer(s.id.String(), tapped{quiet}), nil
}

// ScrubLogs implements sampler.Scrubber.
func (t tapped) ScrubLogs(ctx context.Context, ld plog.Logs) error {
	_, err := t.scrubber.logs(ctx, ld)
	return err
}

// ScrubMetrics implements sampler.Scrubber.
func (t tapped) ScrubMetrics(ctx context.Context, md pmetric.Metrics) error {
	_, err := t.scrubber.metrics(ctx, md)
	return err
}

// ScrubTraces implements sampler.Scrubber.
func (t tapped) ScrubTraces(ctx context.Context, td ptrace.Traces) error {
	_, err := t.scrubber.traces(ctx, td)
	return err
}
