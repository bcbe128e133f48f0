package piiscrubberprocessor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

const testKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// adminHost is a host with an extension that serves admin pages.
type adminHost struct {
	component.Component
	mounted map[string]http.Handler
}

func (h *adminHost) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("admin"): h}
}

// Authorize knows one token and its owner, bob.
func (h *adminHost) Authorize(r *http.Request, _ string) (string, error) {
	if r.Header.Get("Authorization") != "Bearer right" {
		return "", errors.New("needs the admin token")
	}
	return "bob", nil
}

func (h *adminHost) Mount(id, _ string, handler http.Handler) (func(), error) {
	if h.mounted[id] != nil {
		return nil, errors.New("taken")
	}
	h.mounted[id] = handler
	return func() { delete(h.mounted, id) }, nil
}

func keyed() *Config {
	cfg := createDefaultConfig().(*Config)
	cfg.Detectors = map[string]RuleConfig{"email": {Action: "encrypt"}}
	cfg.Keys = []KeyConfig{{ID: "k1", Secret: testKey}}
	return cfg
}

// All pipelines of one component share one endpoint; it is removed with the last.
func TestDecryptEndpoint(t *testing.T) {
	set, tel := settings(t)
	core, logs := observer.New(zap.InfoLevel)
	set.Logger = zap.New(core)
	host := &adminHost{mounted: map[string]http.Handler{}}
	f, cfg, sink := NewFactory(), keyed(), new(consumertest.LogsSink)
	p, err := f.CreateLogs(context.Background(), set, cfg, sink)
	require.NoError(t, err)
	second, err := f.CreateTraces(context.Background(), set, cfg, consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), host))
	require.NoError(t, second.Start(context.Background(), host))

	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("jane@example.com")
	ctx := client.NewContext(context.Background(), client.Info{Metadata: client.NewMetadata(map[string][]string{"X-Scope-OrgID": {"acme"}})})
	require.NoError(t, p.ConsumeLogs(ctx, ld))
	mark := sink.AllLogs()[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().Str()
	require.True(t, strings.HasPrefix(mark, "[ENC:email:k1:"), mark)

	id := ""
	for name := range host.mounted {
		id = name
	}
	askWith := func(token, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/decrypt", strings.NewReader(body))
		r.Header.Set("Authorization", token)
		host.mounted[id].ServeHTTP(w, r)
		return w
	}
	ask := func(body string) *httptest.ResponseRecorder { return askWith("Bearer right", body) }
	for _, token := range []string{"", "Bearer wrong", "Basic Ym9iOmJvYg=="} {
		w := askWith(token, `{"tenant":"acme","reason":"case 17","values":["`+mark+`"]}`)
		assert.Equal(t, http.StatusUnauthorized, w.Code, token)
		assert.NotContains(t, w.Body.String(), "jane")
	}
	assert.Empty(t, logs.FilterMessage("decrypted PII").All())
	w := ask(`{"tenant":"acme","reason":"case 17","values":["` + mark + `","nonsense"]}`)
	require.Equal(t, http.StatusOK, w.Code)
	var answer struct{ Results []decryptResult }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	assert.Equal(t, "jane@example.com", answer.Results[0].Value)
	assert.Equal(t, "not a token or ciphertext of pii_scrubber", answer.Results[1].Error)
	w = ask(`{"reason":"case 17","values":["` + mark + `"]}`)
	assert.NotContains(t, w.Body.String(), "jane", "another tenant's value")

	for body, want := range map[string]string{
		`{"values":["x"]}`: "reason:", `{"reason":"x","values":[]}`: "values:", `{`: "body:",
	} {
		w := ask(body)
		assert.Equal(t, http.StatusBadRequest, w.Code)
		assert.Contains(t, w.Body.String(), want)
	}

	lines := logs.FilterMessage("decrypted PII").FilterField(zap.String("audit", "pii_decrypt")).All()
	require.Len(t, lines, 2)
	assert.Equal(t, "bob", lines[0].ContextMap()["user"], "the name that was authorized, not one that is claimed")
	assert.Equal(t, "case 17", lines[0].ContextMap()["reason"])
	assert.EqualValues(t, 1, lines[0].ContextMap()["decrypted"])
	assert.EqualValues(t, 1, lines[0].ContextMap()["refused"])
	for _, l := range logs.All() {
		for _, v := range l.ContextMap() {
			assert.NotContains(t, fmt.Sprint(v), "jane")
		}
	}
	m, err := tel.GetMetric("otelcol_processor_pii_scrubber_decrypts")
	require.NoError(t, err)
	assert.Len(t, sumPoints(t, m), 2, "decrypted and refused")

	require.NoError(t, p.Shutdown(context.Background()))
	assert.Len(t, host.mounted, 1)
	require.NoError(t, second.Shutdown(context.Background()))
	assert.Empty(t, host.mounted)
}

// The same resource is the same after scrubbing, in every signal; another tenant's differs.
func TestJoinsHold(t *testing.T) {
	set, _ := settings(t)
	f, cfg := NewFactory(), keyed()
	logs, traces := new(consumertest.LogsSink), new(consumertest.TracesSink)
	lp, err := f.CreateLogs(context.Background(), set, cfg, logs)
	require.NoError(t, err)
	tp, err := f.CreateTraces(context.Background(), set, cfg, traces)
	require.NoError(t, err)
	require.NoError(t, lp.Start(context.Background(), componenttest.NewNopHost()))
	require.NoError(t, tp.Start(context.Background(), componenttest.NewNopHost()))
	require.NoError(t, lp.ConsumeLogs(context.Background(), tenantLogs("a")))
	require.NoError(t, lp.ConsumeLogs(context.Background(), tenantLogs("b")))
	require.NoError(t, tp.ConsumeTraces(context.Background(), tenantTraces("a")))
	inLogs := logs.AllLogs()[0].ResourceLogs().At(0).Resource().Attributes().AsRaw()
	assert.Contains(t, inLogs["owner"], "[ENC:email:k1:")
	assert.Equal(t, inLogs, traces.AllTraces()[0].ResourceSpans().At(0).Resource().Attributes().AsRaw())
	assert.NotEqual(t, inLogs["owner"], logs.AllLogs()[1].ResourceLogs().At(0).Resource().Attributes().AsRaw()["owner"])
	require.NoError(t, lp.Shutdown(context.Background()))
	require.NoError(t, tp.Shutdown(context.Background()))
}
