package tapped

import (
	"context"
	"maps"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/xconsumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/xexporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/xprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/xreceiver"
)

// Signals as they are named in configurations.
const signalLogs, signalMetrics, signalTraces, signalProfiles = "logs", "metrics", "traces", "profiles"

// Kinds of components.
const kindReceiver, kindProcessor, kindExporter, kindConnector = "receiver", "processor", "exporter", "connector"

// Factories returns factories that make the same components, with points for taps at their inputs and outputs.
func Factories(of func() (otelcol.Factories, error)) func() (otelcol.Factories, error) {
	return func() (otelcol.Factories, error) {
		f, err := of()
		if err != nil {
			return f, err
		}
		f.Receivers = wrapped(f.Receivers, wrapReceiver)
		f.Processors = wrapped(f.Processors, wrapProcessor)
		f.Exporters = wrapped(f.Exporters, wrapExporter)
		f.Connectors = wrapped(f.Connectors, wrapConnector)
		if f.Telemetry != nil {
			f.Telemetry = namingTelemetry{f.Telemetry}
		}
		return f, nil
	}
}

func wrapped[F any](of map[component.Type]F, wrap func(F) F) map[component.Type]F {
	out := maps.Clone(of)
	for name, f := range out {
		out[name] = wrap(f)
	}
	return out
}

// aliases is a method of the collector's factories outside their interface: the service warns of deprecated names.
type aliases interface {
	DeprecatedAlias() component.Type
	SetDeprecatedAlias(component.Type)
}

type noAlias struct{}

func (noAlias) DeprecatedAlias() component.Type   { return component.Type{} }
func (noAlias) SetDeprecatedAlias(component.Type) {}

func aliasOf(factory component.Factory) aliases {
	if a, ok := factory.(aliases); ok {
		return a
	}
	return noAlias{}
}

type receiverFactory struct {
	receiver.Factory
	aliases
}

func wrapReceiver(f receiver.Factory) receiver.Factory {
	w := receiverFactory{f, aliasOf(f)}
	if x, ok := f.(xreceiver.Factory); ok {
		return xreceiverFactory{w, x}
	}
	return w
}

func (f receiverFactory) CreateLogs(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
	out := after(kindReceiver, set.ID, signalLogs, set.TelemetrySettings)
	return started(out)(f.Factory.CreateLogs(ctx, set, cfg, &nextLogs{next, out}))
}

func (f receiverFactory) CreateMetrics(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
	out := after(kindReceiver, set.ID, signalMetrics, set.TelemetrySettings)
	return started(out)(f.Factory.CreateMetrics(ctx, set, cfg, &nextMetrics{next, out}))
}

func (f receiverFactory) CreateTraces(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Traces) (receiver.Traces, error) {
	out := after(kindReceiver, set.ID, signalTraces, set.TelemetrySettings)
	return started(out)(f.Factory.CreateTraces(ctx, set, cfg, &nextTraces{next, out}))
}

type xreceiverFactory struct {
	receiverFactory
	x xreceiver.Factory
}

func (f xreceiverFactory) ProfilesStability() component.StabilityLevel {
	return f.x.ProfilesStability()
}

func (f xreceiverFactory) CreateProfiles(ctx context.Context, set receiver.Settings, cfg component.Config, next xconsumer.Profiles) (xreceiver.Profiles, error) {
	out := after(kindReceiver, set.ID, signalProfiles, set.TelemetrySettings)
	return started(out)(f.x.CreateProfiles(ctx, set, cfg, &nextProfiles{next, out}))
}

type processorFactory struct {
	processor.Factory
	aliases
}

func wrapProcessor(f processor.Factory) processor.Factory {
	w := processorFactory{f, aliasOf(f)}
	if x, ok := f.(xprocessor.Factory); ok {
		return xprocessorFactory{w, x}
	}
	return w
}

func (f processorFactory) CreateLogs(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	in, out := around(kindProcessor, set.ID, signalLogs, signalLogs, set.TelemetrySettings)
	made, err := f.Factory.CreateLogs(ctx, set, cfg, &nextLogs{next, out})
	if err != nil {
		return nil, err
	}
	return &logs{made, in, out}, nil
}

func (f processorFactory) CreateMetrics(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics) (processor.Metrics, error) {
	in, out := around(kindProcessor, set.ID, signalMetrics, signalMetrics, set.TelemetrySettings)
	made, err := f.Factory.CreateMetrics(ctx, set, cfg, &nextMetrics{next, out})
	if err != nil {
		return nil, err
	}
	return &metrics{made, in, out}, nil
}

func (f processorFactory) CreateTraces(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Traces) (processor.Traces, error) {
	in, out := around(kindProcessor, set.ID, signalTraces, signalTraces, set.TelemetrySettings)
	made, err := f.Factory.CreateTraces(ctx, set, cfg, &nextTraces{next, out})
	if err != nil {
		return nil, err
	}
	return &traces{made, in, out}, nil
}

type xprocessorFactory struct {
	processorFactory
	x xprocessor.Factory
}

func (f xprocessorFactory) ProfilesStability() component.StabilityLevel {
	return f.x.ProfilesStability()
}

func (f xprocessorFactory) CreateProfiles(ctx context.Context, set processor.Settings, cfg component.Config, next xconsumer.Profiles) (xprocessor.Profiles, error) {
	in, out := around(kindProcessor, set.ID, signalProfiles, signalProfiles, set.TelemetrySettings)
	made, err := f.x.CreateProfiles(ctx, set, cfg, &nextProfiles{next, out})
	if err != nil {
		return nil, err
	}
	return &profiles{made, in, out}, nil
}

type exporterFactory struct {
	exporter.Factory
	aliases
}

func wrapExporter(f exporter.Factory) exporter.Factory {
	w := exporterFactory{f, aliasOf(f)}
	if x, ok := f.(xexporter.Factory); ok {
		return xexporterFactory{w, x}
	}
	return w
}

func (f exporterFactory) CreateLogs(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
	made, err := f.Factory.CreateLogs(ctx, set, cfg)
	if err != nil {
		return nil, err
	}
	return &logs{made, before(kindExporter, set.ID, signalLogs, set.TelemetrySettings), nil}, nil
}

func (f exporterFactory) CreateMetrics(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Metrics, error) {
	made, err := f.Factory.CreateMetrics(ctx, set, cfg)
	if err != nil {
		return nil, err
	}
	return &metrics{made, before(kindExporter, set.ID, signalMetrics, set.TelemetrySettings), nil}, nil
}

func (f exporterFactory) CreateTraces(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Traces, error) {
	made, err := f.Factory.CreateTraces(ctx, set, cfg)
	if err != nil {
		return nil, err
	}
	return &traces{made, before(kindExporter, set.ID, signalTraces, set.TelemetrySettings), nil}, nil
}

type xexporterFactory struct {
	exporterFactory
	x xexporter.Factory
}

func (f xexporterFactory) ProfilesStability() component.StabilityLevel {
	return f.x.ProfilesStability()
}

func (f xexporterFactory) CreateProfiles(ctx context.Context, set exporter.Settings, cfg component.Config) (xexporter.Profiles, error) {
	made, err := f.x.CreateProfiles(ctx, set, cfg)
	if err != nil {
		return nil, err
	}
	return &profiles{made, before(kindExporter, set.ID, signalProfiles, set.TelemetrySettings), nil}, nil
}
