package keyauthorizerprocessor_test

import (
	"context"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor/processortest"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/processors/keyauthorizerprocessor"
)

// key is what an authenticator says of a client.
type key map[string][]string

func (k key) GetAttribute(name string) any { return k[name] }
func (k key) GetAttributeNames() []string  { return nil }
func (k key) in(t *testing.T) context.Context {
	return client.NewContext(t.Context(), client.Info{Auth: k})
}

func TestWhatAKeyIsFor(t *testing.T) {
	set, sink := processortest.NewNopSettings(keyauthorizerprocessor.NewFactory().Type()), &consumertest.LogsSink{}
	factory := keyauthorizerprocessor.NewFactory()
	cfg := factory.CreateDefaultConfig()
	logs, err := factory.CreateLogs(t.Context(), set, cfg, sink)
	require.NoError(t, err)
	metrics, err := factory.CreateMetrics(t.Context(), set, cfg, consumertest.NewNop())
	require.NoError(t, err)
	traces, err := factory.CreateTraces(t.Context(), set, cfg, consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, logs.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() {
		assert.NoError(t, logs.Shutdown(context.Background()))
		assert.NoError(t, metrics.Shutdown(context.Background()))
		assert.NoError(t, traces.Shutdown(context.Background()))
	})
	of := func(services ...string) plog.Logs {
		l := plog.NewLogs()
		for _, s := range services {
			r := l.ResourceLogs().AppendEmpty()
			if s != "" {
				r.Resource().Attributes().PutStr("service.name", s)
			}
			r.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		}
		return l
	}
	for name, c := range map[string]struct {
		ctx  context.Context
		logs plog.Logs
		ok   bool
	}{
		"no key":                   {t.Context(), of("a"), true},
		"a key without limits":     {key{}.in(t), of("a", ""), true},
		"the signal":               {key{"signals": {"logs"}}.in(t), of("a"), true},
		"another signal":           {key{"signals": {"metrics", "traces"}}.in(t), of("a"), false},
		"the services":             {key{"services": {"a", "b"}}.in(t), of("b", "a"), true},
		"another service among it": {key{"services": {"a"}}.in(t), of("a", "b"), false},
		"no service":               {key{"services": {"a"}}.in(t), of(""), false},
	} {
		sink.Reset()
		err := logs.ConsumeLogs(c.ctx, c.logs)
		if c.ok {
			require.NoError(t, err, name)
			assert.Len(t, sink.AllLogs(), 1, name)
			continue
		}
		assert.Equal(t, codes.PermissionDenied, status.Code(err), name)
		assert.Empty(t, sink.AllLogs(), name)
	}
	ctx := key{"signals": {"logs"}}.in(t)
	assert.Error(t, metrics.ConsumeMetrics(ctx, pmetric.NewMetrics()))
	assert.Error(t, traces.ConsumeTraces(ctx, ptrace.NewTraces()))
}

// holder is a key with a tenant.
type holder struct {
	tenant string
	scopes []string
}

func (h holder) GetAttribute(name string) any {
	return map[string]any{"tenant": h.tenant, "scopes": h.scopes}[name]
}
func (holder) GetAttributeNames() []string { return nil }

// A key that may not forward has one tenant, whatever its resources say; behind a merged batch nothing else may be found.
func TestATenantThatAClientMayNotNameIsOverwritten(t *testing.T) {
	sink := &consumertest.LogsSink{}
	factory := keyauthorizerprocessor.NewFactory()
	logs, err := factory.CreateLogs(t.Context(), processortest.NewNopSettings(factory.Type()), factory.CreateDefaultConfig(), sink)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, logs.Shutdown(context.Background())) })
	assert.True(t, logs.Capabilities().MutatesData)
	for name, c := range map[string]struct {
		auth client.AuthData
		want []string
	}{
		"no key":       {nil, []string{"acme", "mallory", "7", ""}},
		"a sender":     {holder{"acme", []string{"ingest"}}, []string{"acme", "acme", "acme", ""}},
		"a forwarder":  {holder{"acme", []string{"ingest", "forward"}}, []string{"acme", "mallory", "7", ""}},
		"of no tenant": {holder{"", []string{"forward"}}, []string{"acme", "mallory", "7", ""}},
	} {
		sink.Reset()
		l := plog.NewLogs()
		for _, v := range []any{"acme", "mallory", 7, nil} {
			r := l.ResourceLogs().AppendEmpty()
			if v != nil {
				require.NoError(t, r.Resource().Attributes().PutEmpty("tenant.id").FromRaw(v))
			}
		}
		require.NoError(t, logs.ConsumeLogs(client.NewContext(t.Context(), client.Info{Auth: c.auth}), l))
		var got []string
		for _, r := range sink.AllLogs()[0].ResourceLogs().All() {
			v, ok := r.Resource().Attributes().Get("tenant.id")
			if !ok {
				got = append(got, "")
				continue
			}
			got = append(got, v.AsString())
		}
		assert.Equal(t, c.want, got, name)
	}
}

func TestReadmeExampleLoads(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(readme, -1)
	require.Len(t, blocks, 1)
	parsed, err := confmap.NewRetrievedFromYAML(blocks[0][1])
	require.NoError(t, err)
	whole, err := parsed.AsConf()
	require.NoError(t, err)
	sub, err := whole.Sub("processors::key_authorizer")
	require.NoError(t, err)
	assert.NoError(t, sub.Unmarshal(keyauthorizerprocessor.NewFactory().CreateDefaultConfig()))
}
