package tapped_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/connector/xconnector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/consumer/xconsumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/exporter/xexporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pprofile"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pipeline"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.opentelemetry.io/collector/processor/xprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/collector/receiver/xreceiver"

	"github.com/penstockhq/penstock/internal/command/internal/tapped"
	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/internal/tap"
	"github.com/penstockhq/penstock/internal/tap/sampler"
)

var kind = component.MustNewType("test")

const level = component.StabilityLevelBeta

// through is a component of all signals that passes on its input; its capabilities are those of mutates.
type through struct {
	component.StartFunc
	component.ShutdownFunc
	next    any
	mutates bool
}

func (c through) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: c.mutates}
}
func (c through) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	return c.next.(consumer.Logs).ConsumeLogs(ctx, ld)
}
func (c through) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	return c.next.(consumer.Metrics).ConsumeMetrics(ctx, md)
}
func (c through) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	return c.next.(consumer.Traces).ConsumeTraces(ctx, td)
}
func (c through) ConsumeProfiles(ctx context.Context, pd pprofile.Profiles) error {
	return c.next.(xconsumer.Profiles).ConsumeProfiles(ctx, pd)
}

func noConfig() component.Config { return &struct{}{} }

// processors makes processors of all signals that change data.
func processors() processor.Factory {
	return xprocessor.NewFactory(kind, noConfig,
		xprocessor.WithLogs(func(_ context.Context, _ processor.Settings, _ component.Config, next consumer.Logs) (processor.Logs, error) {
			return through{next: next, mutates: true}, nil
		}, level),
		xprocessor.WithMetrics(func(_ context.Context, _ processor.Settings, _ component.Config, next consumer.Metrics) (processor.Metrics, error) {
			return through{next: next, mutates: true}, nil
		}, level),
		xprocessor.WithTraces(func(_ context.Context, _ processor.Settings, _ component.Config, next consumer.Traces) (processor.Traces, error) {
			return through{next: next, mutates: true}, nil
		}, level),
		xprocessor.WithProfiles(func(_ context.Context, _ processor.Settings, _ component.Config, next xconsumer.Profiles) (xprocessor.Profiles, error) {
			return through{next: next, mutates: true}, nil
		}, level),
		xprocessor.WithDeprecatedTypeAlias(component.MustNewType("testalias")))
}

func wrapped(t testing.TB, f otelcol.Factories) otelcol.Factories {
	t.Helper()
	out, err := tapped.Factories(func() (otelcol.Factories, error) { return f, nil })()
	require.NoError(t, err)
	return out
}

// host has a console, of which one tap is open.
type host struct {
	component.Component
	*sampler.Sampler
}

func (h host) TapSampler() *sampler.Sampler { return h.Sampler }
func (h host) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("console"): h}
}

func newHost(t testing.TB) (host, *tap.Tap) {
	t.Helper()
	hub := tap.NewHub(1)
	viewer, err := hub.Open(tap.Filter{}, tap.MaxRate)
	require.NoError(t, err)
	s := sampler.New(hub)
	s.Offer("pii_scrubber", nothing{})
	return host{Sampler: s}, viewer
}

// nothing is a scrubber that finds nothing.
type nothing struct{}

func (nothing) ScrubLogs(context.Context, plog.Logs) error          { return nil }
func (nothing) ScrubMetrics(context.Context, pmetric.Metrics) error { return nil }
func (nothing) ScrubTraces(context.Context, ptrace.Traces) error    { return nil }

// seen returns where the tap has seen records, in order.
func seen(t *testing.T, viewer *tap.Tap) (all []string) {
	t.Helper()
	for {
		select {
		case line := <-viewer.Lines():
			var p tap.Place
			require.NoError(t, json.Unmarshal(line, &p))
			if kind, name, _ := strings.Cut(p.Component, "/"); len(name) > len("one") { // settings of the collector's tests have random names
				p.Component = kind
			}
			all = append(all, p.Side+" "+p.Kind+" "+p.Component+" "+p.Signal)
		default:
			return all
		}
	}
}

func oneLog() plog.Logs {
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	return ld
}

func oneMetric() pmetric.Metrics {
	md := pmetric.NewMetrics()
	md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty().SetEmptyGauge().DataPoints().AppendEmpty()
	return md
}

func oneSpan() ptrace.Traces {
	td := ptrace.NewTraces()
	td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	return td
}

func oneProfile() pprofile.Profiles {
	pd := pprofile.NewProfiles()
	pd.ResourceProfiles().AppendEmpty().ScopeProfiles().AppendEmpty().Profiles().AppendEmpty()
	return pd
}

func TestAProcessorIsSeenBeforeAndAfterInAllSignals(t *testing.T) {
	f := wrapped(t, otelcol.Factories{Processors: map[component.Type]processor.Factory{kind: processors()}}).Processors[kind].(xprocessor.Factory)
	assert.Equal(t, kind, f.Type())
	for _, got := range []component.StabilityLevel{f.LogsStability(), f.MetricsStability(), f.TracesStability(), f.ProfilesStability()} {
		assert.Equal(t, level, got)
	}
	assert.Equal(t, "testalias", f.(interface{ DeprecatedAlias() component.Type }).DeprecatedAlias().String())

	set, next := processortest.NewNopSettings(kind), consumertest.NewNop()
	set.ID = component.MustNewIDWithName("test", "one")
	ctx := t.Context()
	logs, err := f.CreateLogs(ctx, set, f.CreateDefaultConfig(), next)
	require.NoError(t, err)
	metrics, err := f.CreateMetrics(ctx, set, f.CreateDefaultConfig(), next)
	require.NoError(t, err)
	traces, err := f.CreateTraces(ctx, set, f.CreateDefaultConfig(), next)
	require.NoError(t, err)
	profiles, err := f.CreateProfiles(ctx, set, f.CreateDefaultConfig(), next)
	require.NoError(t, err)
	h, viewer := newHost(t)
	send := func() {
		require.NoError(t, logs.ConsumeLogs(ctx, oneLog()))
		require.NoError(t, metrics.ConsumeMetrics(ctx, oneMetric()))
		require.NoError(t, traces.ConsumeTraces(ctx, oneSpan()))
		require.NoError(t, profiles.ConsumeProfiles(ctx, oneProfile()))
	}
	send()
	assert.Empty(t, seen(t, viewer), "it has not started")
	for _, c := range []component.Component{logs, metrics, traces, profiles} {
		require.NoError(t, c.Start(ctx, h))
		assert.True(t, c.(interface{ Capabilities() consumer.Capabilities }).Capabilities().MutatesData)
	}
	send()
	var want []string
	for _, signal := range []string{"logs", "metrics", "traces", "profiles"} {
		want = append(want, "before processor test/one "+signal, "after processor test/one "+signal)
	}
	assert.Equal(t, want, seen(t, viewer))
	for _, c := range []component.Component{logs, metrics, traces, profiles} {
		require.NoError(t, c.Shutdown(ctx))
	}
	assert.Empty(t, h.Hub().Places())
	send()
	assert.Empty(t, seen(t, viewer))
}

func TestAReceiverIsSeenAfterAndAnExporterBefore(t *testing.T) {
	var into any
	receivers := xreceiver.NewFactory(kind, noConfig,
		xreceiver.WithLogs(func(_ context.Context, _ receiver.Settings, _ component.Config, next consumer.Logs) (receiver.Logs, error) {
			into = next
			return through{}, nil
		}, level),
		xreceiver.WithProfiles(func(_ context.Context, _ receiver.Settings, _ component.Config, next xconsumer.Profiles) (xreceiver.Profiles, error) {
			into = next
			return through{}, nil
		}, level))
	exporters := xexporter.NewFactory(kind, noConfig,
		xexporter.WithLogs(func(context.Context, exporter.Settings, component.Config) (exporter.Logs, error) {
			return through{next: consumertest.NewNop()}, nil
		}, level),
		xexporter.WithProfiles(func(context.Context, exporter.Settings, component.Config) (xexporter.Profiles, error) {
			return through{next: consumertest.NewNop()}, nil
		}, level))
	f := wrapped(t, otelcol.Factories{Receivers: map[component.Type]receiver.Factory{kind: receivers}, Exporters: map[component.Type]exporter.Factory{kind: exporters}})
	from, to := f.Receivers[kind].(xreceiver.Factory), f.Exporters[kind].(xexporter.Factory)
	assert.Equal(t, level, from.ProfilesStability())
	assert.Equal(t, level, to.ProfilesStability())
	ctx := t.Context()
	_, err := from.CreateMetrics(ctx, receivertest.NewNopSettings(kind), noConfig(), consumertest.NewNop())
	require.ErrorIs(t, err, pipeline.ErrSignalNotSupported)
	_, err = to.CreateTraces(ctx, exportertest.NewNopSettings(kind), noConfig())
	require.ErrorIs(t, err, pipeline.ErrSignalNotSupported)

	h, viewer := newHost(t)
	sink, err := to.CreateLogs(ctx, exportertest.NewNopSettings(kind), noConfig())
	require.NoError(t, err)
	require.NoError(t, sink.Start(ctx, h))
	source, err := from.CreateLogs(ctx, receivertest.NewNopSettings(kind), noConfig(), sink)
	require.NoError(t, err)
	require.NoError(t, source.Start(ctx, h))
	assert.False(t, into.(consumer.Logs).Capabilities().MutatesData)
	require.NoError(t, into.(consumer.Logs).ConsumeLogs(ctx, oneLog()))
	assert.Equal(t, []string{"after receiver test logs", "before exporter test logs"}, seen(t, viewer))
	require.NoError(t, source.Shutdown(ctx))
	require.NoError(t, sink.Shutdown(ctx))

	profileSink, err := to.CreateProfiles(ctx, exportertest.NewNopSettings(kind), noConfig())
	require.NoError(t, err)
	require.NoError(t, profileSink.Start(ctx, h))
	profileSource, err := from.CreateProfiles(ctx, receivertest.NewNopSettings(kind), noConfig(), profileSink)
	require.NoError(t, err)
	require.NoError(t, profileSource.Start(ctx, h))
	require.NoError(t, into.(xconsumer.Profiles).ConsumeProfiles(ctx, oneProfile()))
	assert.Equal(t, []string{"after receiver test profiles", "before exporter test profiles"}, seen(t, viewer))
}

func TestAConnectorStillChoosesAmongPipelines(t *testing.T) {
	connectors := xconnector.NewFactory(kind, noConfig,
		xconnector.WithLogsToMetrics(func(_ context.Context, _ connector.Settings, _ component.Config, next consumer.Metrics) (connector.Logs, error) {
			to, err := next.(connector.MetricsRouterAndConsumer).Consumer(pipeline.NewIDWithName(pipeline.SignalMetrics, "chosen"))
			return counting{through{next: next}, to}, err
		}, level),
		xconnector.WithProfilesToProfiles(func(_ context.Context, _ connector.Settings, _ component.Config, next xconsumer.Profiles) (xconnector.Profiles, error) {
			return through{next: next}, nil
		}, level))
	f := wrapped(t, otelcol.Factories{Connectors: map[component.Type]connector.Factory{kind: connectors}}).Connectors[kind].(xconnector.Factory)
	assert.Equal(t, level, f.LogsToMetricsStability())
	assert.Equal(t, level, f.ProfilesToProfilesStability())
	ctx := t.Context()
	_, err := f.CreateTracesToTraces(ctx, connectortest.NewNopSettings(kind), noConfig(), consumertest.NewNop())
	require.ErrorIs(t, err, pipeline.ErrSignalNotSupported)

	h, viewer := newHost(t)
	chosen, other := &consumertest.MetricsSink{}, &consumertest.MetricsSink{}
	c, err := f.CreateLogsToMetrics(ctx, connectortest.NewNopSettings(kind), noConfig(), connector.NewMetricsRouter(map[pipeline.ID]consumer.Metrics{
		pipeline.NewIDWithName(pipeline.SignalMetrics, "chosen"): chosen, pipeline.NewIDWithName(pipeline.SignalMetrics, "other"): other}))
	require.NoError(t, err)
	require.NoError(t, c.Start(ctx, h))
	require.NoError(t, c.ConsumeLogs(ctx, oneLog()))
	assert.Equal(t, 1, chosen.DataPointCount())
	assert.Zero(t, other.DataPointCount())
	assert.Equal(t, []string{"before connector test logs", "after connector test metrics"}, seen(t, viewer))
	require.NoError(t, c.Shutdown(ctx))

	sink := &consumertest.ProfilesSink{}
	p, err := f.CreateProfilesToProfiles(ctx, connectortest.NewNopSettings(kind), noConfig(), xconnector.NewProfilesRouter(map[pipeline.ID]xconsumer.Profiles{
		pipeline.NewID(pipeline.SignalLogs): sink}))
	require.NoError(t, err)
	require.NoError(t, p.Start(ctx, h))
	require.NoError(t, p.ConsumeProfiles(ctx, oneProfile()))
	assert.Len(t, sink.AllProfiles(), 1)
	assert.Equal(t, []string{"before connector test profiles", "after connector test profiles"}, seen(t, viewer))
}

// counting sends one point for each batch of logs to the pipeline that it has chosen.
type counting struct {
	through
	to consumer.Metrics
}

func (c counting) ConsumeLogs(ctx context.Context, _ plog.Logs) error {
	return c.to.ConsumeMetrics(ctx, oneMetric())
}

func TestWithoutAConsoleEverythingWorks(t *testing.T) {
	f := wrapped(t, otelcol.Factories{Processors: map[component.Type]processor.Factory{kind: processors()}}).Processors[kind]
	p, err := f.CreateLogs(t.Context(), processortest.NewNopSettings(kind), noConfig(), consumertest.NewErr(io.EOF))
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
	require.ErrorIs(t, p.ConsumeLogs(t.Context(), oneLog()), io.EOF)
	require.NoError(t, p.Shutdown(t.Context()))
}

func TestAnErrorOfTheFactoriesIsPassedOn(t *testing.T) {
	broken := errors.New("broken")
	_, err := tapped.Factories(func() (otelcol.Factories, error) { return otelcol.Factories{}, broken })()
	require.ErrorIs(t, err, broken)
}

// BenchmarkClosed compares a processor with the same one between two unobserved points.
func BenchmarkClosed(b *testing.B) {
	plain := processors()
	for name, f := range map[string]processor.Factory{"plain": plain, "tapped": wrapped(b, otelcol.Factories{Processors: map[component.Type]processor.Factory{kind: plain}}).Processors[kind]} {
		b.Run(name, func(b *testing.B) {
			h, viewer := newHost(b)
			h.Hub().Close(viewer)
			p, err := f.CreateLogs(b.Context(), processortest.NewNopSettings(kind), noConfig(), consumertest.NewNop())
			require.NoError(b, err)
			require.NoError(b, p.Start(b.Context(), h))
			ld, ctx := oneLog(), b.Context()
			b.ReportAllocs()
			defer cputime.Each(b)()
			for b.Loop() {
				_ = p.ConsumeLogs(ctx, ld)
			}
		})
	}
}
