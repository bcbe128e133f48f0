package cardinalityguardprocessor

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/admin"
)

// tokenAdmin is an admin extension that requires a token for changes.
type tokenAdmin struct{ fakeAdmin }

func (a *tokenAdmin) Authorize(r *http.Request, _ string) (string, error) {
	if r.Header.Get("Authorization") != "Bearer right" {
		return "", admin.ErrNobody
	}
	return "admin token", nil
}

// A budget that is widened while the collector runs applies from the next checkpoint on, and after a restart.
func TestABudgetIsWidenedWhileTheCollectorRuns(t *testing.T) {
	a := &tokenAdmin{fakeAdmin{mounted: map[string]http.Handler{}}}
	path := filepath.Join(t.TempDir(), "state", "budgets.json")
	cfg := testConfig(func(c *Config) { c.Limits.SeriesPerMetric, c.OnLimit, c.OverridesFile = 20, onLimitDrop, path })
	g := newRigIn(t, host{extensions: map[component.ID]component.Component{component.MustNewID("admin"): a}}, cfg)
	sink := &consumertest.MetricsSink{}
	g.guard.(*guard).next = sink
	ask := func(method, query, token, body string) (int, string) {
		r := httptest.NewRequest(method, "/overrides"+query, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		a.mounted["cardinality_guard"].ServeHTTP(w, r)
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	passed := func(second, from, to int) int {
		sink.Reset()
		g.consume(requests(epoch.Add(time.Duration(second)*time.Second), users(from, to)...))
		return sink.DataPointCount()
	}
	require.Equal(t, 20, passed(1, 0, 50))

	const wider = `{"service":"checkout","metric":"requests","limits":{"series_per_metric":40}}`
	status, _ := ask(http.MethodPut, "", "wrong", wider)
	assert.Equal(t, http.StatusUnauthorized, status)
	for body, says := range map[string]string{
		`{`:                                 "not the JSON that is expected",
		`{"metric":"requests","limits":{}}`: "limits: set at least one of",
		`{"metric":"requests","limit":{"series_per_metric":1}}`:   `unknown field "limit"`,
		`{"limits":{"series_per_metric":1}}`:                      "needs a pattern",
		`{"metric":"requests","limits":{"series_per_metric":-1}}`: "limits::series_per_metric: -1, want 0 or more",
		wider + wider: "more follows",
		`{"metric":"` + strings.Repeat("x", maxOverridePattern+1) + `","limits":{"series_per_metric":1}}`: "longer than 256 bytes",
	} {
		status, text := ask(http.MethodPut, "", "right", body)
		assert.Equal(t, http.StatusBadRequest, status, body)
		assert.Contains(t, text, says, body)
	}
	assert.NoFileExists(t, path)

	status, text := ask(http.MethodPut, "", "right", wider)
	require.Equal(t, http.StatusOK, status, text)
	assert.JSONEq(t, `{"changeable":true,"overrides":[`+wider+`]}`, text)
	assert.Zero(t, passed(2, 50, 100), "not before a checkpoint: records that are read again have the budgets that they had")
	g.checkpoint()
	assert.Equal(t, 20, passed(3, 50, 100))

	g.restart()
	g.guard.(*guard).next = sink
	status, text = ask(http.MethodGet, "", "", "")
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"changeable":true,"overrides":[`+wider+`]}`, text)
	assert.Zero(t, passed(4, 100, 150), "the wider budget is used up, and still holds")

	status, _ = ask(http.MethodDelete, "?metric=other", "right", "")
	assert.Equal(t, http.StatusNotFound, status)
	status, text = ask(http.MethodDelete, "?service=checkout&metric=requests", "right", "")
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"changeable":true,"overrides":[]}`, text)
}

// Overrides of the file take precedence over those of the configuration.
func TestTheFileHoldsBeforeTheConfiguration(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	r := newRules(testConfig(func(c *Config) {
		c.Overrides = []OverrideConfig{{Metric: "requests", Limits: OverrideLimitsConfig{SeriesPerMetric: n(5), ValuesPerAttribute: n(2)}}}
	}))
	w := r.with(nil, []OverrideConfig{{Metric: "req*", Limits: OverrideLimitsConfig{SeriesPerMetric: n(50)}}})
	got := w.limitsOf("default", "checkout", "requests")
	assert.Equal(t, int64(50), got.Metric)
	assert.Equal(t, uint64(2), got.Values)
	assert.Equal(t, int64(5), r.limitsOf("default", "checkout", "requests").Metric, "the configured rules stay as they are")
	assert.True(t, r.equal(r.with(nil, nil)))
}

func TestAGuardWithoutAnOverridesFile(t *testing.T) {
	a := &tokenAdmin{fakeAdmin{mounted: map[string]http.Handler{}}}
	newRigIn(t, host{extensions: map[component.ID]component.Component{component.MustNewID("admin"): a}}, testConfig(func(*Config) {}))
	for method, want := range map[string]int{http.MethodGet: http.StatusOK, http.MethodPut: http.StatusConflict, http.MethodDelete: http.StatusConflict} {
		r := httptest.NewRequest(method, "/overrides", strings.NewReader("{}"))
		r.Header.Set("Authorization", "Bearer right")
		w := httptest.NewRecorder()
		a.mounted["cardinality_guard"].ServeHTTP(w, r)
		assert.Equal(t, want, w.Code, method)
	}
}

// A file with a mistake stops the start. One that breaks later changes nothing, and is not overwritten.
func TestAnOverridesFileWithAMistake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "budgets.json")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	for text, says := range map[string]string{
		`{"overrides":[{"metric":"a","limits":{"series_per_metric":1}},{"metric":"a","limits":{"series_per_metric":2}}]}`: "overrides::1: another entry has the same patterns",
		`[]`: "not the JSON that is expected",
		``:   "not the JSON that is expected",
		`{"overrides":[{"metric":"a","limits":{"series":1}}]}`: `unknown field "series"`,
	} {
		write(text)
		_, err := openOverridesFile(path, zap.NewNop())
		require.ErrorContains(t, err, "overrides_file: "+path+": ", text)
		assert.ErrorContains(t, err, says, text)
	}
	_, err := openOverridesFile(t.TempDir(), zap.NewNop())
	require.ErrorContains(t, err, "is not a regular file")

	write(`{"overrides":[{"metric":"a","limits":{"series_per_metric":1}}]}`)
	f, err := openOverridesFile(path, zap.NewNop())
	require.NoError(t, err)
	before, version := f.current()
	require.Len(t, before, 1)
	write(`{"overrides":[`)
	f.mu.Lock()
	f.refresh(time.Now())
	f.mu.Unlock()
	after, same := f.current()
	assert.Equal(t, before, after)
	assert.Equal(t, version, same)
	_, err = f.put(before[0])
	require.ErrorContains(t, err, "repair it first")
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, `{"overrides":[`, string(kept))
}
