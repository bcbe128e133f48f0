package tapped

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/service/telemetry"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

const (
	// namer is the name of the tracer that reveals a component's pipeline.
	namer = "github.com/penstockhq/penstock/internal/command/internal/tapped"
	// pipelineKey is the attribute of all telemetry of a processor that names its pipeline.
	pipelineKey = "otelcol.pipeline.id"
)

// A factory is not told for which pipeline it makes a processor. The service puts the pipeline's id among the attributes of each tracer
// that the processor asks for; so the provider behind them is wrapped, and asked for a tracer that tells its attributes.

// namingTelemetry makes such providers.
type namingTelemetry struct{ telemetry.Factory }

func (f namingTelemetry) CreateTracerProvider(ctx context.Context, set telemetry.TracerSettings, cfg component.Config) (telemetry.TracerProvider, error) {
	made, err := f.Factory.CreateTracerProvider(ctx, set, cfg)
	if err != nil {
		return nil, err
	}
	return namingProvider{made}, nil
}

type namingProvider struct{ telemetry.TracerProvider }

// Unwrap returns the wrapped provider, by the collector's convention.
func (p namingProvider) Unwrap() trace.TracerProvider { return p.TracerProvider }

func (p namingProvider) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	if name != namer {
		return p.TracerProvider.Tracer(name, options...)
	}
	conf := trace.NewTracerConfig(options...)
	attributes := conf.InstrumentationAttributes()
	id, _ := attributes.Value(pipelineKey)
	return naming{pipeline: id.AsString()}
}

// naming is a tracer that traces nothing.
type naming struct {
	noop.Tracer
	pipeline string
}

// pipelineOf returns the pipeline of a processor; empty for other components, and if the telemetry does not reveal it.
func pipelineOf(set component.TelemetrySettings) string {
	if set.TracerProvider == nil {
		return ""
	}
	if n, ok := set.TracerProvider.Tracer(namer).(naming); ok {
		return n.pipeline
	}
	return ""
}
