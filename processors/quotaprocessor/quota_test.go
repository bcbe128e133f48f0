package quotaprocessor_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/penstockhq/penstock/internal/quota"
	"github.com/penstockhq/penstock/internal/quota/door"
	"github.com/penstockhq/penstock/internal/readmetest"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/internal/usage"
	"github.com/penstockhq/penstock/processors/quotaprocessor"
	"github.com/penstockhq/penstock/processors/quotaprocessor/internal/metadatatest"
)

// keeper is an extension that records its calls.
type keeper struct {
	component.StartFunc
	component.ShutdownFunc
	refused error
	parts   []door.Part
	size    int
	undone  int
}

func (k *keeper) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("quota"): k}
}

func (k *keeper) Request(r *http.Request, _ string) (*http.Request, func(bool), error) {
	return r, nil, nil
}

func (k *keeper) AddDebt(context.Context, string, int) {}

func (k *keeper) Parts(_ context.Context, parts []door.Part, size func() int) (func(), error) {
	k.parts, k.size = parts, size()
	return func() { k.undone++ }, k.refused
}

func started(t *testing.T, onLimit string, host component.Host, next consumer.Logs) (consumer.Logs, *componenttest.Telemetry) {
	t.Helper()
	f := quotaprocessor.NewFactory()
	cfg := f.CreateDefaultConfig().(*quotaprocessor.Config)
	cfg.OnLimit = onLimit
	tel := componenttest.NewTelemetry()
	set := processortest.NewNopSettings(f.Type())
	set.TelemetrySettings = tel.NewTelemetrySettings()
	p, err := f.CreateLogs(t.Context(), set, cfg, next)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context(), host))
	t.Cleanup(func() {
		require.NoError(t, p.Shutdown(context.Background()))
		require.NoError(t, tel.Shutdown(context.Background()))
	})
	return p, tel
}

// resources makes logs with as many records as each resource has a number for.
func resources(all ...struct {
	tenant, service string
	records         int
}) plog.Logs {
	logs := plog.NewLogs()
	for _, r := range all {
		to := logs.ResourceLogs().AppendEmpty()
		to.Resource().Attributes().PutStr("service.name", r.service)
		if r.tenant != "" {
			to.Resource().Attributes().PutStr(tenant.Attribute, r.tenant)
		}
		for range r.records {
			to.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		}
	}
	return logs
}

type resource = struct {
	tenant, service string
	records         int
}

// The processor reports the items of each tenant and service once, by the common rule for tenants.
func TestParts(t *testing.T) {
	host, sink := &keeper{}, &consumertest.LogsSink{}
	p, _ := started(t, "refuse", host, sink)
	logs := resources(resource{"a", "x", 2}, resource{"a", "x", 1}, resource{"b", "x", 4}, resource{"", "x", 8}, resource{"a", "x", 16}, resource{"b", "y", 0}, resource{"b", "x", 32})
	require.NoError(t, p.ConsumeLogs(t.Context(), logs))
	assert.Equal(t, []resource{{"a", "x", 19}, {"b", "x", 36}, {"default", "x", 8}}, told(host.parts))
	assert.Len(t, host.parts[0].Streams(), 3)
	assert.Equal(t, (&plog.ProtoMarshaler{}).LogsSize(logs), host.size)
	require.NoError(t, p.ConsumeLogs(tenant.With(t.Context(), "client"), logs))
	assert.Equal(t, []resource{{"client", "x", 63}}, told(host.parts))
	assert.Equal(t, 126, sink.LogRecordCount())
}

func told(parts []door.Part) (all []resource) {
	for _, p := range parts {
		all = append(all, resource{p.Tenant, p.Service, p.Items})
	}
	return all
}

func TestMetricsAndTraces(t *testing.T) {
	host, f := &keeper{}, quotaprocessor.NewFactory()
	m, err := f.CreateMetrics(t.Context(), processortest.NewNopSettings(f.Type()), f.CreateDefaultConfig(), consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, m.Start(t.Context(), host))
	metrics := pmetric.NewMetrics()
	points := metrics.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty().SetEmptyGauge().DataPoints()
	points.AppendEmpty()
	points.AppendEmpty()
	require.NoError(t, m.ConsumeMetrics(t.Context(), metrics))
	assert.Equal(t, []resource{{"default", "", 2}}, told(host.parts))
	assert.Nil(t, host.parts[0].Streams)
	require.NoError(t, m.Shutdown(t.Context()))
	s, err := f.CreateTraces(t.Context(), processortest.NewNopSettings(f.Type()), f.CreateDefaultConfig(), consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context(), host))
	traces := ptrace.NewTraces()
	traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	require.NoError(t, s.ConsumeTraces(t.Context(), traces))
	assert.Equal(t, []resource{{"default", "", 1}}, told(host.parts))
	require.NoError(t, s.Shutdown(t.Context()))
}

// A refusal goes to the receiver, or the items are dropped and counted. A request that the rest of the pipeline refuses is refunded.
func TestPastAQuota(t *testing.T) {
	refusal := &door.Error{Refusal: &quota.Refusal{Scope: quota.Tenant, Reason: quota.Items, Limit: 1, Wait: time.Second}}
	host, sink := &keeper{refused: refusal}, &consumertest.LogsSink{}
	p, _ := started(t, "refuse", host, sink)
	require.ErrorIs(t, p.ConsumeLogs(t.Context(), resources(resource{"", "x", 3})), refusal)
	dropping, tel := started(t, "drop", host, sink)
	require.NoError(t, dropping.ConsumeLogs(t.Context(), resources(resource{"", "x", 3})))
	assert.Zero(t, sink.LogRecordCount())
	metadatatest.AssertEqualProcessorQuotaDroppedItems(t, tel, []metricdata.DataPoint[int64]{
		{Attributes: attribute.NewSet(attribute.String("reason", "items_per_second"), attribute.String("signal", "logs")), Value: 3},
	}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())

	full := errors.New("full")
	host = &keeper{}
	p, _ = started(t, "drop", host, consumertest.NewErr(full))
	require.ErrorIs(t, p.ConsumeLogs(t.Context(), resources(resource{"", "x", 3})), full)
	assert.Equal(t, 1, host.undone)
}

func TestWithoutTheExtensionAllPasses(t *testing.T) {
	sink := &consumertest.LogsSink{}
	p, _ := started(t, "refuse", componenttest.NewNopHost(), sink)
	require.NoError(t, p.ConsumeLogs(t.Context(), resources(resource{"", "x", 3})))
	assert.Equal(t, 3, sink.LogRecordCount())
}

// accountant is a ledger.
type accountant struct {
	component.Component
	*usage.Meter[usage.Sum]
}

func (*accountant) Query(string, string, usage.Queries) {}
func (*accountant) Watch(usage.Source) func()           { return func() {} }
func (a *accountant) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("ledger"): a}
}

// Without a journal the processor reports accepted items by tenant and service to the ledger, with all their bytes, and no refused ones.
func TestTheLedgerIsToldWhatComes(t *testing.T) {
	logs := func() plog.Logs {
		return resources(resource{"a", "x", 2}, resource{"a", "y", 1}, resource{"b", "x", 4})
	}
	for _, on := range []bool{true, false} {
		ledger := &accountant{Meter: usage.NewMeter[usage.Sum](10)}
		f := quotaprocessor.NewFactory()
		cfg := f.CreateDefaultConfig().(*quotaprocessor.Config)
		cfg.Usage = on
		for _, next := range []consumer.Logs{&consumertest.LogsSink{}, consumertest.NewErr(errors.New("full"))} {
			p, err := f.CreateLogs(t.Context(), processortest.NewNopSettings(f.Type()), cfg, next)
			require.NoError(t, err)
			require.NoError(t, p.Start(t.Context(), ledger))
			_ = p.ConsumeLogs(t.Context(), logs())
			require.NoError(t, p.Shutdown(t.Context()))
		}
		items, bytes := map[string]int64{}, int64(0)
		ledger.Each(func(k usage.Key, s usage.Sum) {
			items[k.Tenant+" "+k.Service+" "+k.Signal] = s.Items
			bytes += s.Bytes
		})
		if !on {
			assert.Empty(t, items)
			continue
		}
		assert.Equal(t, map[string]int64{"a x logs": 2, "a y logs": 1, "b x logs": 4}, items)
		assert.EqualValues(t, (&plog.ProtoMarshaler{}).LogsSize(logs()), bytes)
	}
}

func TestConfig(t *testing.T) {
	cfg := quotaprocessor.NewFactory().CreateDefaultConfig().(*quotaprocessor.Config)
	require.NoError(t, confmap.Validate(cfg))
	cfg.OnLimit = "wait"
	assert.ErrorContains(t, confmap.Validate(cfg), `on_limit: "wait" must be refuse or drop`)
	readmetest.Load(t, "processors", quotaprocessor.NewFactory(), nil)
}
