package tapped

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/connector/xconnector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/xconsumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pprofile"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pipeline"
)

// connectorFactory wraps inputs of one signal and outputs of another.
type connectorFactory struct {
	connector.Factory
	aliases
}

func wrapConnector(f connector.Factory) connector.Factory {
	w := connectorFactory{f, aliasOf(f)}
	if x, ok := f.(xconnector.Factory); ok {
		return xconnectorFactory{w, x}
	}
	return w
}

// xconnectorFactory adds profiles.
type xconnectorFactory struct {
	connectorFactory
	x xconnector.Factory
}

func (f connectorFactory) CreateTracesToTraces(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Traces) (connector.Traces, error) {
	in, out := around(kindConnector, set.ID, signalTraces, signalTraces, set.TelemetrySettings)
	made, err := f.Factory.CreateTracesToTraces(ctx, set, cfg, routedTraces(next, out))
	if err != nil {
		return nil, err
	}
	return &traces{made, in, out}, nil
}

func (f connectorFactory) CreateTracesToMetrics(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Metrics) (connector.Traces, error) {
	in, out := around(kindConnector, set.ID, signalTraces, signalMetrics, set.TelemetrySettings)
	made, err := f.Factory.CreateTracesToMetrics(ctx, set, cfg, routedMetrics(next, out))
	if err != nil {
		return nil, err
	}
	return &traces{made, in, out}, nil
}

func (f connectorFactory) CreateTracesToLogs(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Logs) (connector.Traces, error) {
	in, out := around(kindConnector, set.ID, signalTraces, signalLogs, set.TelemetrySettings)
	made, err := f.Factory.CreateTracesToLogs(ctx, set, cfg, routedLogs(next, out))
	if err != nil {
		return nil, err
	}
	return &traces{made, in, out}, nil
}

func (f xconnectorFactory) TracesToProfilesStability() component.StabilityLevel {
	return f.x.TracesToProfilesStability()
}

func (f xconnectorFactory) CreateTracesToProfiles(ctx context.Context, set connector.Settings, cfg component.Config, next xconsumer.Profiles) (connector.Traces, error) {
	in, out := around(kindConnector, set.ID, signalTraces, signalProfiles, set.TelemetrySettings)
	made, err := f.x.CreateTracesToProfiles(ctx, set, cfg, routedProfiles(next, out))
	if err != nil {
		return nil, err
	}
	return &traces{made, in, out}, nil
}

func (f connectorFactory) CreateMetricsToTraces(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Traces) (connector.Metrics, error) {
	in, out := around(kindConnector, set.ID, signalMetrics, signalTraces, set.TelemetrySettings)
	made, err := f.Factory.CreateMetricsToTraces(ctx, set, cfg, routedTraces(next, out))
	if err != nil {
		return nil, err
	}
	return &metrics{made, in, out}, nil
}

func (f connectorFactory) CreateMetricsToMetrics(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Metrics) (connector.Metrics, error) {
	in, out := around(kindConnector, set.ID, signalMetrics, signalMetrics, set.TelemetrySettings)
	made, err := f.Factory.CreateMetricsToMetrics(ctx, set, cfg, routedMetrics(next, out))
	if err != nil {
		return nil, err
	}
	return &metrics{made, in, out}, nil
}

func (f connectorFactory) CreateMetricsToLogs(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Logs) (connector.Metrics, error) {
	in, out := around(kindConnector, set.ID, signalMetrics, signalLogs, set.TelemetrySettings)
	made, err := f.Factory.CreateMetricsToLogs(ctx, set, cfg, routedLogs(next, out))
	if err != nil {
		return nil, err
	}
	return &metrics{made, in, out}, nil
}

func (f xconnectorFactory) MetricsToProfilesStability() component.StabilityLevel {
	return f.x.MetricsToProfilesStability()
}

func (f xconnectorFactory) CreateMetricsToProfiles(ctx context.Context, set connector.Settings, cfg component.Config, next xconsumer.Profiles) (connector.Metrics, error) {
	in, out := around(kindConnector, set.ID, signalMetrics, signalProfiles, set.TelemetrySettings)
	made, err := f.x.CreateMetricsToProfiles(ctx, set, cfg, routedProfiles(next, out))
	if err != nil {
		return nil, err
	}
	return &metrics{made, in, out}, nil
}

func (f connectorFactory) CreateLogsToTraces(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Traces) (connector.Logs, error) {
	in, out := around(kindConnector, set.ID, signalLogs, signalTraces, set.TelemetrySettings)
	made, err := f.Factory.CreateLogsToTraces(ctx, set, cfg, routedTraces(next, out))
	if err != nil {
		return nil, err
	}
	return &logs{made, in, out}, nil
}

func (f connectorFactory) CreateLogsToMetrics(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Metrics) (connector.Logs, error) {
	in, out := around(kindConnector, set.ID, signalLogs, signalMetrics, set.TelemetrySettings)
	made, err := f.Factory.CreateLogsToMetrics(ctx, set, cfg, routedMetrics(next, out))
	if err != nil {
		return nil, err
	}
	return &logs{made, in, out}, nil
}

func (f connectorFactory) CreateLogsToLogs(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Logs) (connector.Logs, error) {
	in, out := around(kindConnector, set.ID, signalLogs, signalLogs, set.TelemetrySettings)
	made, err := f.Factory.CreateLogsToLogs(ctx, set, cfg, routedLogs(next, out))
	if err != nil {
		return nil, err
	}
	return &logs{made, in, out}, nil
}

func (f xconnectorFactory) LogsToProfilesStability() component.StabilityLevel {
	return f.x.LogsToProfilesStability()
}

func (f xconnectorFactory) CreateLogsToProfiles(ctx context.Context, set connector.Settings, cfg component.Config, next xconsumer.Profiles) (connector.Logs, error) {
	in, out := around(kindConnector, set.ID, signalLogs, signalProfiles, set.TelemetrySettings)
	made, err := f.x.CreateLogsToProfiles(ctx, set, cfg, routedProfiles(next, out))
	if err != nil {
		return nil, err
	}
	return &logs{made, in, out}, nil
}

func (f xconnectorFactory) ProfilesToTracesStability() component.StabilityLevel {
	return f.x.ProfilesToTracesStability()
}

func (f xconnectorFactory) CreateProfilesToTraces(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Traces) (xconnector.Profiles, error) {
	in, out := around(kindConnector, set.ID, signalProfiles, signalTraces, set.TelemetrySettings)
	made, err := f.x.CreateProfilesToTraces(ctx, set, cfg, routedTraces(next, out))
	if err != nil {
		return nil, err
	}
	return &profiles{made, in, out}, nil
}

func (f xconnectorFactory) ProfilesToMetricsStability() component.StabilityLevel {
	return f.x.ProfilesToMetricsStability()
}

func (f xconnectorFactory) CreateProfilesToMetrics(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Metrics) (xconnector.Profiles, error) {
	in, out := around(kindConnector, set.ID, signalProfiles, signalMetrics, set.TelemetrySettings)
	made, err := f.x.CreateProfilesToMetrics(ctx, set, cfg, routedMetrics(next, out))
	if err != nil {
		return nil, err
	}
	return &profiles{made, in, out}, nil
}

func (f xconnectorFactory) ProfilesToLogsStability() component.StabilityLevel {
	return f.x.ProfilesToLogsStability()
}

func (f xconnectorFactory) CreateProfilesToLogs(ctx context.Context, set connector.Settings, cfg component.Config, next consumer.Logs) (xconnector.Profiles, error) {
	in, out := around(kindConnector, set.ID, signalProfiles, signalLogs, set.TelemetrySettings)
	made, err := f.x.CreateProfilesToLogs(ctx, set, cfg, routedLogs(next, out))
	if err != nil {
		return nil, err
	}
	return &profiles{made, in, out}, nil
}

func (f xconnectorFactory) ProfilesToProfilesStability() component.StabilityLevel {
	return f.x.ProfilesToProfilesStability()
}

func (f xconnectorFactory) CreateProfilesToProfiles(ctx context.Context, set connector.Settings, cfg component.Config, next xconsumer.Profiles) (xconnector.Profiles, error) {
	in, out := around(kindConnector, set.ID, signalProfiles, signalProfiles, set.TelemetrySettings)
	made, err := f.x.CreateProfilesToProfiles(ctx, set, cfg, routedProfiles(next, out))
	if err != nil {
		return nil, err
	}
	return &profiles{made, in, out}, nil
}

// tracesRouter is the next consumer of a connector's traces, which may choose among pipelines.
type tracesRouter struct {
	connector.TracesRouterAndConsumer
	out *point
}

func routedTraces(next consumer.Traces, out *point) consumer.Traces {
	if r, ok := next.(connector.TracesRouterAndConsumer); ok {
		return &tracesRouter{r, out}
	}
	return &nextTraces{next, out}
}

func (r *tracesRouter) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	if r.out.Open() {
		r.out.sampler.Traces(ctx, r.out.Point, td)
	}
	return r.TracesRouterAndConsumer.ConsumeTraces(ctx, td)
}

// Consumer returns one that sends to the pipelines, with the same point.
func (r *tracesRouter) Consumer(to ...pipeline.ID) (consumer.Traces, error) {
	next, err := r.TracesRouterAndConsumer.Consumer(to...)
	if err != nil {
		return nil, err
	}
	return &nextTraces{next, r.out}, nil
}

// metricsRouter is the next consumer of a connector's metrics, which may choose among pipelines.
type metricsRouter struct {
	connector.MetricsRouterAndConsumer
	out *point
}

func routedMetrics(next consumer.Metrics, out *point) consumer.Metrics {
	if r, ok := next.(connector.MetricsRouterAndConsumer); ok {
		return &metricsRouter{r, out}
	}
	return &nextMetrics{next, out}
}

func (r *metricsRouter) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	if r.out.Open() {
		r.out.sampler.Metrics(ctx, r.out.Point, md)
	}
	return r.MetricsRouterAndConsumer.ConsumeMetrics(ctx, md)
}

// Consumer returns one that sends to the pipelines, with the same point.
func (r *metricsRouter) Consumer(to ...pipeline.ID) (consumer.Metrics, error) {
	next, err := r.MetricsRouterAndConsumer.Consumer(to...)
	if err != nil {
		return nil, err
	}
	return &nextMetrics{next, r.out}, nil
}

// logsRouter is the next consumer of a connector's logs, which may choose among pipelines.
type logsRouter struct {
	connector.LogsRouterAndConsumer
	out *point
}

func routedLogs(next consumer.Logs, out *point) consumer.Logs {
	if r, ok := next.(connector.LogsRouterAndConsumer); ok {
		return &logsRouter{r, out}
	}
	return &nextLogs{next, out}
}

func (r *logsRouter) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	if r.out.Open() {
		r.out.sampler.Logs(ctx, r.out.Point, ld)
	}
	return r.LogsRouterAndConsumer.ConsumeLogs(ctx, ld)
}

// Consumer returns one that sends to the pipelines, with the same point.
func (r *logsRouter) Consumer(to ...pipeline.ID) (consumer.Logs, error) {
	next, err := r.LogsRouterAndConsumer.Consumer(to...)
	if err != nil {
		return nil, err
	}
	return &nextLogs{next, r.out}, nil
}

// profilesRouter is the next consumer of a connector's profiles, which may choose among pipelines.
type profilesRouter struct {
	xconnector.ProfilesRouterAndConsumer
	out *point
}

func routedProfiles(next xconsumer.Profiles, out *point) xconsumer.Profiles {
	if r, ok := next.(xconnector.ProfilesRouterAndConsumer); ok {
		return &profilesRouter{r, out}
	}
	return &nextProfiles{next, out}
}

func (r *profilesRouter) ConsumeProfiles(ctx context.Context, pd pprofile.Profiles) error {
	if r.out.Open() {
		r.out.sampler.Profiles(ctx, r.out.Point, pd)
	}
	return r.ProfilesRouterAndConsumer.ConsumeProfiles(ctx, pd)
}

// Consumer returns one that sends to the pipelines, with the same point.
func (r *profilesRouter) Consumer(to ...pipeline.ID) (xconsumer.Profiles, error) {
	next, err := r.ProfilesRouterAndConsumer.Consumer(to...)
	if err != nil {
		return nil, err
	}
	return &nextProfiles{next, r.out}, nil
}
