package piiscrubberprocessor

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
)

func served(t *testing.T, cfg *Config) (http.Handler, func(string) string) {
	t.Helper()
	set, _ := settings(t)
	host := &adminHost{mounted: map[string]http.Handler{}}
	sink := new(consumertest.LogsSink)
	p, err := NewFactory().CreateLogs(context.Background(), set, cfg, sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), host))
	t.Cleanup(func() { require.NoError(t, p.Shutdown(context.Background())) })
	require.Len(t, host.mounted, 1)
	scrub := func(text string) string {
		sink.Reset()
		ld := plog.NewLogs()
		ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(text)
		require.NoError(t, p.ConsumeLogs(context.Background(), ld))
		return sink.AllLogs()[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().Str()
	}
	for _, h := range host.mounted {
		return h, scrub
	}
	return nil, scrub
}

func ask(t *testing.T, h http.Handler, text string) (a previewResult) {
	t.Helper()
	body, err := json.Marshal(previewRequest{&text})
	require.NoError(t, err)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/preview", strings.NewReader(string(body))))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a))
	return a
}

// A preview shows what would be removed, its position in bytes, the action, and the evidence; its text is what a log body becomes.
func TestPreview(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.Detectors = map[string]RuleConfig{"iban": {Action: "count"}}
	h, scrub := served(t, cfg)
	const text = "Zoë <jane@example.com> paid with card 4111 1111 1111 1111, cpf=529.982.247-25, password=hunter2x, DE89370400440532013000"
	a := ask(t, h, text)
	assert.Equal(t, scrub(text), a.Text)
	var got []string
	for _, f := range a.Findings {
		got = append(got, f.Detector+" "+text[f.Start:f.End]+" "+f.Action+" "+f.Evidence)
	}
	assert.Equal(t, []string{
		`email jane@example.com redact a mail address under a top-level domain that exists`,
		`payment_card 4111 1111 1111 1111 redact check digit, issuer and length of a card; beside "card"`,
		`br_cpf 529.982.247-25 redact two check digits; beside "cpf"`,
		`password hunter2x redact the value under a secret's name; beside "password"`,
		`iban DE89370400440532013000 count country's format and check digits`,
	}, got)
	assert.Empty(t, ask(t, h, "order 4111111111111111 shipped").Findings)
	assert.NotNil(t, ask(t, h, "").Findings, "a list, empty")
}

// Positions are bytes of UTF-8, the end is after the finding, whatever precedes it.
func TestPreviewPositions(t *testing.T) {
	h, _ := served(t, createDefaultConfig().(*Config))
	for _, front := range []string{"", "Grüße ", "你好 ", "😀 ", "é\u0301 ", "\u200e "} {
		text := front + "jane@example.com"
		a := ask(t, h, text)
		if assert.Len(t, a.Findings, 1, text) {
			assert.Equal(t, len(front), a.Findings[0].Start)
			assert.Equal(t, len(text), a.Findings[0].End)
		}
	}
}

// A client of the preview can't find out values by trying: its hashes aren't those of the pipeline.
func TestPreviewIsNoOracle(t *testing.T) {
	for _, action := range []string{"hash", "tokenize", "encrypt"} {
		cfg := keyed()
		cfg.Detectors = map[string]RuleConfig{"email": {Action: action}}
		h, scrub := served(t, cfg)
		real, shown := scrub("jane@example.com"), ask(t, h, "jane@example.com")
		assert.NotEqual(t, real, shown.Text, action)
		assert.NotContains(t, shown.Text, "jane")
	}
}

func TestPreviewRefuses(t *testing.T) {
	h, _ := served(t, createDefaultConfig().(*Config))
	for body, want := range map[string]int{`{`: http.StatusBadRequest, `{"txt":"jane@example.com"}`: http.StatusBadRequest, `{"text":"` + strings.Repeat("x", maxPreviewBytes+1) + `"}`: http.StatusRequestEntityTooLarge} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/preview", strings.NewReader(body)))
		assert.Equal(t, want, w.Code)
	}
}

// The page of earlier releases is now a view of the console.
func TestPreviewPage(t *testing.T) {
	h, _ := served(t, createDefaultConfig().(*Config))
	for _, path := range []string{"/", "/preview"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		assert.Equal(t, http.StatusFound, w.Code)
		assert.Equal(t, "../console/#/scrubber", w.Header().Get("Location"))
	}
}
