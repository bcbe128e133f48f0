package piiscrubberprocessor

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// visits is one metric with a point for each user, all at one time.
func visits(users ...string) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("owner", "jane@example.com")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("visits")
	for i, u := range users {
		p := m.SetEmptySum
		if i > 0 {
			p = m.Sum
		}
		d := p().DataPoints().AppendEmpty()
		d.SetTimestamp(17)
		d.Attributes().PutStr("user", u)
		d.SetIntValue(int64(i))
	}
	return md
}

type run struct {
	logs    *observer.ObservedLogs
	tel     *componenttest.Telemetry
	metrics []map[string]any
	owner   []any // of the resource in metrics and in logs
	body    string
}

// passed sends visits and one log record of the same resource through the processor.
func passed(t *testing.T, cfg *Config, users ...string) (r run) {
	t.Helper()
	set, tel := settings(t)
	core, logs := observer.New(zap.InfoLevel)
	set.Logger = zap.New(core)
	f, ms, ls := NewFactory(), new(consumertest.MetricsSink), new(consumertest.LogsSink)
	mp, err := f.CreateMetrics(context.Background(), set, cfg, ms)
	require.NoError(t, err)
	lp, err := f.CreateLogs(context.Background(), set, cfg, ls)
	require.NoError(t, err)
	require.NoError(t, mp.Start(context.Background(), componenttest.NewNopHost()))
	require.NoError(t, lp.Start(context.Background(), componenttest.NewNopHost()))
	for range 2 { // no further warning for the second batch
		require.NoError(t, mp.ConsumeMetrics(context.Background(), visits(users...)))
	}
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("owner", "jane@example.com")
	rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("jane@example.com from 93.184.41.253 at 3c:22:fb:12:34:56")
	require.NoError(t, lp.ConsumeLogs(context.Background(), ld))
	points := ms.AllMetrics()[0].ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints()
	for _, p := range points.All() {
		r.metrics = append(r.metrics, p.Attributes().AsRaw())
	}
	out := ls.AllLogs()[0].ResourceLogs().At(0)
	r.owner = []any{ms.AllMetrics()[0].ResourceMetrics().At(0).Resource().Attributes().AsRaw()["owner"], out.Resource().Attributes().AsRaw()["owner"]}
	r.body = out.ScopeLogs().At(0).LogRecords().At(0).Body().Str()
	r.logs, r.tel = logs, tel
	require.NoError(t, mp.Shutdown(context.Background()))
	require.NoError(t, lp.Shutdown(context.Background()))
	return r
}

func (r run) warnings() (list []string) {
	for _, l := range r.logs.FilterLevelExact(zap.WarnLevel).All() {
		list = append(list, l.Message)
	}
	return list
}

// With a key streams stay distinct, and resources join across signals; the text of a record is redacted, and its addresses are hashed.
func TestStreamsStayApart(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.KeyFile = filepath.Join(t.TempDir(), "pii.key")
	r := passed(t, cfg, "jane@example.com", "john@example.com", "jane@example.com (5)")
	assert.Regexp(t, `^\[HMAC:email:f[a-p]{8}:[a-p]{32}\]$`, r.metrics[0]["user"])
	assert.NotEqual(t, r.metrics[0], r.metrics[1])
	assert.Equal(t, r.metrics[0]["user"].(string)+" (5)", r.metrics[2]["user"], "one value, one hash")
	assert.Equal(t, r.owner[0], r.owner[1], "metrics and logs of a resource join")
	assert.Equal(t, r.metrics[0]["user"], r.owner[0])
	assert.Regexp(t, `^\[REDACTED:email\] from \[HMAC:ipv4:f[a-p]{8}:[a-p]{32}\] at \[HMAC:mac:f[a-p]{8}:[a-p]{32}\]$`, r.body)
	assert.Empty(t, r.warnings())
	again := passed(t, cfg, "jane@example.com")
	assert.Equal(t, r.metrics[0], again.metrics[0], "after a restart too")
	marked := passed(t, cfg, r.metrics[0]["user"].(string))
	assert.Equal(t, r.metrics[0], marked.metrics[0], "a mark is not hashed again")
	cfg.KeyFile = filepath.Join(t.TempDir(), "pii.key")
	assert.NotEqual(t, r.metrics[0], passed(t, cfg, "jane@example.com").metrics[0], "another key, another series")
}

// Secrets under their names, values that can't be searched and keys contain no constant either.
func TestNoConstantTellsStreamsApart(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.KeyFile = filepath.Join(t.TempDir(), "pii.key")
	cfg.Limits.MaxValueBytes = 1024
	set, _ := settings(t)
	sink := new(consumertest.MetricsSink)
	p, err := NewFactory().CreateMetrics(context.Background(), set, cfg, sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), componenttest.NewNopHost()))
	md := visits("x")
	a := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0).Attributes()
	a.PutStr("password", "hunter2x")
	a.PutStr("long", string(make([]byte, 2000)))
	a.PutStr("jane@example.com", "1")
	require.NoError(t, p.ConsumeMetrics(context.Background(), md))
	raw := sink.AllMetrics()[0].ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0).Attributes().AsRaw()
	assert.Contains(t, raw["password"], "[HMAC:sensitive_key:")
	assert.Contains(t, raw["long"], "[HMAC:limit:")
	for k, v := range raw {
		assert.NotContains(t, k, "REDACTED")
		assert.NotContains(t, v, "REDACTED")
	}
	assert.Len(t, raw, 4)
	require.NoError(t, p.Shutdown(context.Background()))
}

// A user's explicit action is applied; points that thereby become one are counted, and one warning names metric and attribute.
func TestCollapsedPoints(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.KeyFile = filepath.Join(t.TempDir(), "pii.key")
	cfg.Detectors = map[string]RuleConfig{"email": {Action: "redact"}}
	r := passed(t, cfg, "jane@example.com", "john@example.com", "nobody")
	assert.Equal(t, "[REDACTED:email]", r.metrics[0]["user"])
	assert.Len(t, r.warnings(), 1)
	warned := r.logs.FilterLevelExact(zap.WarnLevel).All()[0].ContextMap()
	assert.Equal(t, map[string]any{"metric": "visits", "attribute": "user"}, warned)
	m, err := r.tel.GetMetric("otelcol_processor_pii_scrubber_collapsed_points")
	require.NoError(t, err)
	assert.EqualValues(t, 4, sumPoints(t, m)[0].Value, "two points in each of two batches")
}

// Without a key everything is redacted, and one warning reports it.
func TestWithoutKey(t *testing.T) {
	r := passed(t, createDefaultConfig().(*Config), "jane@example.com")
	assert.Equal(t, "[REDACTED:email]", r.metrics[0]["user"])
	assert.Equal(t, "[REDACTED:email] from [REDACTED:ipv4] at [REDACTED:mac]", r.body)
	require.Len(t, r.warnings(), 1)
	assert.Contains(t, r.warnings()[0], "set keys or key_file")
}

// Several instances need one key: a local key file causes a warning, a configured key does not.
func TestInstances(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.KeyFile, cfg.Instances = filepath.Join(t.TempDir(), "pii.key"), true
	r := passed(t, cfg, "x")
	require.Len(t, r.warnings(), 1)
	assert.Contains(t, r.warnings()[0], "set PENSTOCK_PII_KEY on all")
	cfg.Keys = []KeyConfig{{ID: "k1", Secret: testKey}}
	r = passed(t, cfg, "jane@example.com")
	assert.Empty(t, r.warnings())
	assert.Contains(t, r.metrics[0]["user"], "[HMAC:email:k1:")
}

// sharing is an extension that shares a key.
type sharing struct {
	component.StartFunc
	component.ShutdownFunc
	mu    sync.Mutex
	key   []byte
	err   error
	asked int
}

func (s *sharing) SharedKey(_ context.Context, own []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.err != nil {
		return nil, s.err
	}
	if s.key == nil {
		s.key = own
	}
	return s.key, nil
}

func (s *sharing) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

var journalKey = component.MustNewID("journal_key")

type hostWith map[component.ID]component.Component

func (h hostWith) GetExtensions() map[component.ID]component.Component { return h }

// gateway is a started processor of one gateway.
type gateway struct {
	processor.Metrics
	t    *testing.T
	sink *consumertest.MetricsSink
	logs *observer.ObservedLogs
	file string
}

func newGateway(t *testing.T, shared component.Component, file string, keys ...KeyConfig) *gateway {
	t.Helper()
	set, _ := settings(t)
	core, logs := observer.New(zap.InfoLevel)
	set.Logger = zap.New(core)
	cfg := createDefaultConfig().(*Config)
	cfg.KeyFile, cfg.KeyExtension, cfg.Keys = file, &journalKey, keys
	g := &gateway{t: t, sink: new(consumertest.MetricsSink), logs: logs, file: file}
	var err error
	g.Metrics, err = NewFactory().CreateMetrics(t.Context(), set, cfg, g.sink)
	require.NoError(t, err)
	require.NoError(t, g.Start(t.Context(), hostWith{journalKey: shared}))
	t.Cleanup(func() { assert.NoError(t, g.Shutdown(context.Background())) })
	return g
}

// hash is what this gateway writes in place of an address.
func (g *gateway) hash() any {
	g.t.Helper()
	g.sink.Reset()
	require.NoError(g.t, g.ConsumeMetrics(g.t.Context(), visits("jane@example.com")))
	v, _ := g.sink.AllMetrics()[0].ResourceMetrics().At(0).Resource().Attributes().Get("owner")
	return v.Str()
}

func (g *gateway) warnings() (list []string) {
	for _, l := range g.logs.FilterLevelExact(zap.WarnLevel).All() {
		list = append(list, l.Message)
	}
	return list
}

// Gateways that share a key name a series alike, whichever is first; each keeps a copy, which restores a lost key.
func TestGatewaysShareAKey(t *testing.T) {
	shared := &sharing{}
	one, two := filepath.Join(t.TempDir(), "pii.key"), filepath.Join(t.TempDir(), "pii.key")
	first, second := newGateway(t, shared, one), newGateway(t, shared, two)
	want := first.hash()
	assert.Regexp(t, `^\[HMAC:email:f[a-p]{8}:[a-p]{32}\]$`, want)
	assert.Equal(t, want, second.hash())
	assert.Equal(t, want, newGateway(t, shared, "").hash(), "one that can't keep a copy too")
	assert.Equal(t, want, newGateway(t, &sharing{}, two).hash(), "a copy is offered where there is no key any more")
	assert.Empty(t, append(first.warnings(), second.warnings()...))
}

// A key that a gateway used alone becomes the shared one if there is none; if there is another, it stays in its file, and a warning
// reports it.
func TestSharedAndOwnKey(t *testing.T) {
	alone := createDefaultConfig().(*Config)
	alone.KeyFile = filepath.Join(t.TempDir(), "pii.key")
	before := passed(t, alone, "x").owner[0]
	shared := &sharing{}
	g := newGateway(t, shared, alone.KeyFile)
	assert.Equal(t, before, g.hash(), "an update starts no new series")
	assert.Empty(t, g.warnings())

	other := createDefaultConfig().(*Config)
	other.KeyFile = filepath.Join(t.TempDir(), "pii.key")
	differs := passed(t, other, "x").owner[0]
	g = newGateway(t, shared, other.KeyFile)
	assert.Equal(t, before, g.hash())
	require.Len(t, g.warnings(), 1)
	assert.Contains(t, g.warnings()[0], "a different key than the one in key_file")
	assert.Contains(t, g.warnings()[0], "set PENSTOCK_PII_KEY on all gateways")
	assert.Equal(t, differs, passed(t, other, "x").owner[0], "the file is as it was")
}

// A configured key takes precedence, is not shared, and one warning reports a different shared one.
func TestSharedAndConfiguredKey(t *testing.T) {
	configured := KeyConfig{ID: "k1", Secret: testKey}
	shared := &sharing{}
	g := newGateway(t, shared, "", configured)
	assert.Contains(t, g.hash(), "[HMAC:email:k1:")
	require.NoError(t, g.Shutdown(t.Context())) // it has compared
	assert.Nil(t, shared.key)
	assert.Empty(t, g.warnings())

	newGateway(t, shared, "").hash()
	g = newGateway(t, shared, "", configured)
	assert.Contains(t, g.hash(), "[HMAC:email:k1:")
	require.NoError(t, g.Shutdown(t.Context()))
	require.Len(t, g.warnings(), 1)
	assert.Contains(t, g.warnings()[0], "Set PENSTOCK_PII_KEY (keys) on all gateways")
}

// Until the key is known everything is refused with a retryable error, because another key would start other series.
func TestWithoutTheSharedKeyNothingPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := &sharing{err: errors.New("Kafka is away")}
		g := newGateway(t, shared, "")
		err := g.ConsumeMetrics(t.Context(), visits("jane@example.com"))
		require.ErrorIs(t, err, errNoKeyYet)
		assert.False(t, consumererror.IsPermanent(err))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.ErrorIs(t, g.ConsumeMetrics(t.Context(), visits("jane@example.com")), errNoKeyYet)
		shared.fail(nil)
		time.Sleep(shareEvery)
		synctest.Wait()
		assert.Contains(t, g.hash(), "[HMAC:email:f")
		assert.Len(t, g.warnings(), 1)
	})
}

// Another extension, or none, is an error of the start.
func TestKeyExtensionMustShareAKey(t *testing.T) {
	set, _ := settings(t)
	cfg := createDefaultConfig().(*Config)
	cfg.KeyExtension = &journalKey
	for want, host := range map[string]hostWith{
		`key_extension: "journal_key" is not among service::extensions`: {},
		`key_extension: "journal_key" does not share keys`:              {journalKey: struct{ component.Component }{}},
	} {
		p, err := NewFactory().CreateMetrics(t.Context(), set, cfg, new(consumertest.MetricsSink))
		require.NoError(t, err)
		require.EqualError(t, p.Start(t.Context(), host), want)
		require.NoError(t, p.Shutdown(t.Context()))
	}
}
