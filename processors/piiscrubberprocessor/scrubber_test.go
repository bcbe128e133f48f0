package piiscrubberprocessor

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pprofile"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.opentelemetry.io/collector/processor/xprocessor"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/metadata"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/metadatatest"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/scrub"
)

const canary = "canary@victim.example.com"

// plant hides the canary in every form that a map can hold.
func plant(m pcommon.Map) {
	m.PutStr("text", "mail "+canary+" now")
	m.PutEmptyBytes("bytes").FromRaw([]byte("<" + canary + ">"))
	m.PutEmptyMap("map").PutEmptyMap("deeper").PutStr("x", canary)
	m.PutEmptySlice("list").AppendEmpty().SetEmptySlice().AppendEmpty().SetStr(canary)
	m.PutStr("db.password", "canary-hunter2")
	m.PutInt("pan", 4111111111111111)
	m.PutDouble("number", 4111111111111111)
	args := m.PutEmptySlice("process.command_args")
	args.AppendEmpty().SetStr("--password")
	args.AppendEmpty().SetStr("canary-hunter2")
	for _, line := range []string{"/usr/bin/curl -s -u bob:canary-hunter2 https://x", "curl --user bob:canary-hunter2", "sudo mysql -pcanary-hunter2", "sshpass -p canary-hunter2 ssh x", "docker login -p canary-hunter2"} {
		list := m.PutEmptySlice(line[:8]).AppendEmpty().SetEmptySlice()
		for arg := range strings.FieldsSeq(line) {
			list.AppendEmpty().SetStr(arg)
		}
	}
	header := m.PutEmptySlice("headers").AppendEmpty().SetEmptyMap()
	header.PutStr("name", "Authorization")
	header.PutStr("value", "canary-hunter2")
	m.PutEmptySlice("http.request.header.cookie").AppendEmpty().SetStr("a=canary-hunter2")
	m.PutStr("canary@victim.example.com.seen", "1")
	m.PutStr("clean", "GET /orders/550e8400-e29b-41d4-a716-446655440000 200")
}

// A detector that panics is counted with its name and the field, and logged once, without any of the data.
func TestADetectorThatFailsIsNamedOnce(t *testing.T) {
	set, tel := settings(t)
	core, logs := observer.New(zap.InfoLevel)
	set.Logger = zap.New(core)
	cfg := createDefaultConfig().(*Config)
	s, err := newScrubber(set.TelemetrySettings, set.ID, cfg, func() {})
	require.NoError(t, err)
	with := s.scrub.Settings
	with.Scanner = detect.New(detect.Options{Custom: []detect.Custom{{}}}) // it has no expression
	s.scrub = scrub.New(with)
	s.batches.New = func() any { return s.scrub.NewBatch() }
	s.ready.Store(true)
	for range 3 {
		require.NoError(t, s.pass(t.Context(), signalLogs, func(b *scrub.Batch) {
			v := pcommon.NewValueStr(canary)
			b.Value("body", v)
			assert.NotContains(t, v.Str(), "canary", "it is redacted whole")
			_, _ = b.Text("event_name", canary)
		}))
	}
	metadatatest.AssertEqualProcessorPiiScrubberDetectorFailures(t, tel, []metricdata.DataPoint[int64]{
		{Value: 3, Attributes: attribute.NewSet(attribute.String("detector", "custom"), attribute.String("field", "body"), attribute.String("signal", "logs"))},
		{Value: 3, Attributes: attribute.NewSet(attribute.String("detector", "custom"), attribute.String("field", "event_name"), attribute.String("signal", "logs"))},
	}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	require.Equal(t, 1, logs.Len())
	line := logs.All()[0]
	assert.Equal(t, zap.ErrorLevel, line.Level)
	assert.Equal(t, "custom", line.ContextMap()["detector"])
	assert.Contains(t, line.ContextMap()["at"], "custom.go:")
	assert.NotContains(t, fmt.Sprint(line.Message, line.ContextMap()), "canary")
}

func settings(t *testing.T) (processor.Settings, *componenttest.Telemetry) {
	t.Helper()
	tel := componenttest.NewTelemetry()
	set := processortest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = tel.NewTelemetrySettings()
	t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.Background())) })
	return set, tel
}

// noCanary checks the batch in both encodings.
func noCanary(t *testing.T, data []byte, err error) {
	t.Helper()
	require.NoError(t, err)
	for _, bad := range []string{"canary", "4111111111111111"} {
		assert.NotContains(t, string(data), bad)
	}
	assert.Contains(t, string(data), "550e8400-e29b-41d4-a716-446655440000", "what is clean stays")
}

func counted(t *testing.T, tel *componenttest.Telemetry, signal string) {
	t.Helper()
	m, err := tel.GetMetric("otelcol_processor_pii_scrubber_findings")
	require.NoError(t, err)
	text := strings.Builder{}
	for _, p := range sumPoints(t, m) {
		set := p.Attributes
		for _, kv := range set.ToSlice() {
			text.WriteString(string(kv.Key) + "=" + kv.Value.AsString() + " ")
			assert.NotContains(t, kv.Value.AsString(), "canary")
		}
		assert.Positive(t, p.Value)
	}
	for _, want := range []string{"detector=email", "detector=payment_card", "detector=sensitive_key", "action=redact", "signal=" + signal} {
		assert.Contains(t, text.String(), want)
	}
}

func TestLogs(t *testing.T) {
	set, tel := settings(t)
	sink := new(consumertest.LogsSink)
	p, err := NewFactory().CreateLogs(context.Background(), set, createDefaultConfig(), sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), componenttest.NewNopHost()))

	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	plant(rl.Resource().Attributes())
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("lib " + canary)
	sl.Scope().SetVersion(canary)
	plant(sl.Scope().Attributes())
	r := sl.LogRecords().AppendEmpty()
	r.Body().SetStr("login by " + canary)
	rl.SetSchemaUrl("https://bob:canary-hunter2@schemas.example.com/1.2")
	sl.SetSchemaUrl("https://bob:canary-hunter2@schemas.example.com/1.2")
	r.SetEventName(canary)
	r.SetSeverityText(canary)
	plant(r.Attributes())
	plant(sl.LogRecords().AppendEmpty().Body().SetEmptyMap())
	sl.LogRecords().AppendEmpty().Body().SetEmptyBytes().FromRaw([]byte(canary))

	require.NoError(t, p.ConsumeLogs(context.Background(), ld))
	out := sink.AllLogs()[0]
	data, err := (&plog.ProtoMarshaler{}).MarshalLogs(out)
	noCanary(t, data, err)
	assert.Equal(t, "login by [REDACTED:email]", out.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().Str())
	counted(t, tel, "logs")
	require.NoError(t, p.Shutdown(context.Background()))
}

func TestTraces(t *testing.T) {
	set, tel := settings(t)
	sink := new(consumertest.TracesSink)
	p, err := NewFactory().CreateTraces(context.Background(), set, createDefaultConfig(), sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), componenttest.NewNopHost()))

	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	plant(rs.Resource().Attributes())
	ss := rs.ScopeSpans().AppendEmpty()
	plant(ss.Scope().Attributes())
	sp := ss.Spans().AppendEmpty()
	sp.SetName("GET /users/" + canary)
	sp.Status().SetMessage("no user " + canary)
	sp.TraceState().FromRaw("v=" + canary)
	plant(sp.Attributes())
	e := sp.Events().AppendEmpty()
	e.SetName(canary)
	rs.SetSchemaUrl("https://bob:canary-hunter2@schemas.example.com/1.2")
	ss.SetSchemaUrl("https://bob:canary-hunter2@schemas.example.com/1.2")
	plant(e.Attributes())
	l := sp.Links().AppendEmpty()
	l.TraceState().FromRaw("v=" + canary)
	plant(l.Attributes())

	require.NoError(t, p.ConsumeTraces(context.Background(), td))
	data, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(sink.AllTraces()[0])
	noCanary(t, data, err)
	counted(t, tel, "traces")
	require.NoError(t, p.Shutdown(context.Background()))
}

func TestMetrics(t *testing.T) {
	set, tel := settings(t)
	sink := new(consumertest.MetricsSink)
	p, err := NewFactory().CreateMetrics(context.Background(), set, createDefaultConfig(), sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), componenttest.NewNopHost()))

	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	plant(rm.Resource().Attributes())
	ms := rm.ScopeMetrics().AppendEmpty().Metrics()
	plant(ms.AppendEmpty().SetEmptyGauge().DataPoints().AppendEmpty().Attributes())
	sum := ms.AppendEmpty().SetEmptySum().DataPoints().AppendEmpty()
	plant(sum.Attributes())
	plant(sum.Exemplars().AppendEmpty().FilteredAttributes())
	h := ms.AppendEmpty().SetEmptyHistogram().DataPoints().AppendEmpty()
	plant(h.Attributes())
	plant(h.Exemplars().AppendEmpty().FilteredAttributes())
	eh := ms.AppendEmpty().SetEmptyExponentialHistogram().DataPoints().AppendEmpty()
	plant(eh.Attributes())
	plant(eh.Exemplars().AppendEmpty().FilteredAttributes())
	plant(ms.AppendEmpty().SetEmptySummary().DataPoints().AppendEmpty().Attributes())
	ms.At(0).SetDescription("asked by " + canary)
	ms.At(1).SetName("requests." + canary)
	ms.At(1).SetUnit("{" + canary + "}")
	rm.SetSchemaUrl("https://bob:canary-hunter2@schemas.example.com/1.2")
	rm.ScopeMetrics().At(0).SetSchemaUrl("https://bob:canary-hunter2@schemas.example.com/1.2")
	plant(ms.At(0).Metadata())

	require.NoError(t, p.ConsumeMetrics(context.Background(), md))
	data, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(sink.AllMetrics()[0])
	noCanary(t, data, err)
	counted(t, tel, "metrics")
	require.NoError(t, p.Shutdown(context.Background()))
}

func TestProfiles(t *testing.T) {
	set, tel := settings(t)
	sink := new(consumertest.ProfilesSink)
	p, err := NewFactory().(xprocessor.Factory).CreateProfiles(context.Background(), set, createDefaultConfig(), sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), componenttest.NewNopHost()))

	pd := pprofile.NewProfiles()
	plant(pd.ResourceProfiles().AppendEmpty().Resource().Attributes())
	plant(pd.ResourceProfiles().At(0).ScopeProfiles().AppendEmpty().Scope().Attributes())
	dic := pd.Dictionary()
	dic.StringTable().Append("", "db.password", "main."+canary)
	kv := dic.AttributeTable().AppendEmpty()
	kv.SetKeyStrindex(1)
	kv.Value().SetStr("canary-hunter2")

	require.NoError(t, p.ConsumeProfiles(context.Background(), pd))
	data, err := (&pprofile.ProtoMarshaler{}).MarshalProfiles(sink.AllProfiles()[0])
	noCanary(t, data, err)
	counted(t, tel, "profiles")
	require.NoError(t, p.Shutdown(context.Background()))
}
