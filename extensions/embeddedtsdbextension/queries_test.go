package embeddedtsdbextension

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Each of these ended the process, or held a core for a minute and more.
func TestHostileQueriesAreRefusedOnEveryRoute(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.AdminAPI = true
	s := startIn(t, cfg, adminHost)
	hostile := map[string]string{
		"nested 10^6 deep":            strings.Repeat("(", 1_000_000) + "1" + strings.Repeat(")", 1_000_000),
		"3*10^5 parentheses":          strings.Repeat("(", 300_000),
		"sum of 2*10^5":               strings.Repeat("1+", 200_000) + "1",
		"1.5*10^7 signs":              strings.Repeat("-", 15_000_000) + "1",
		"nested as far as 9000":       strings.Repeat("(", 9000) + "1" + strings.Repeat(")", 9000),
		"sum of 10^4":                 strings.Repeat("1+", 10_000) + "1",
		"a pattern of 10^6":           `up{a=~"` + strings.Repeat("(abcdefghij){1000}", 100) + `"}`,
		"an argument like that":       `label_replace(up,"a","b","c","` + strings.Repeat("(abcdefghij){1000}", 100) + `")`,
		"a selector of 10^4 matchers": `{` + strings.Repeat(`a="b",`, 10_000) + `}`,
	}
	now := fmt.Sprint(time.Now().Unix())
	span := url.Values{"start": {now}, "end": {now}, "step": {"1"}, "label": {"job"}}
	for _, route := range []struct {
		method, path, key string
	}{
		{http.MethodPost, "/api/v1/query", "query"},
		{http.MethodGet, "/api/v1/query", "query"},
		{http.MethodPost, "/api/v1/query_range", "query"},
		{http.MethodPost, "/api/v1/query_exemplars", "query"},
		{http.MethodPost, "/api/v1/format_query", "query"},
		{http.MethodPost, "/api/v1/parse_query", "query"},
		{http.MethodPost, "/api/v1/series", "match[]"},
		{http.MethodPost, "/api/v1/labels", "match[]"},
		{http.MethodGet, "/api/v1/label/job/values", "match[]"},
		{http.MethodGet, "/api/v1/targets/metadata", "match_target"},
		{http.MethodPost, "/api/v1/admin/tsdb/delete_series", "match[]"},
	} {
		for name, query := range hostile {
			values := url.Values{route.key: {query}}
			for k, v := range span {
				values[k] = v
			}
			var code int
			var text string
			if route.method == http.MethodPost {
				code, _, text = s.do(route.method, route.path, strings.NewReader(values.Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Authorization": {"Bearer admin"}})
			} else {
				if len(query) > 400_000 {
					continue // Go's server accepts no header above 1 MiB
				}
				code, _, text = s.do(route.method, route.path+"?"+values.Encode(), nil, nil)
			}
			assert.Contains(t, []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge}, code, "%s %s: %s", route.path, name, text[:min(len(text), 200)])
			assert.Contains(t, text, "query::max_", "%s %s names the key", route.path, name)
			assert.Less(t, len(text), 500, "%s %s: no answer repeats the query", route.path, name)
		}
	}
	refused := s.refusedQueries()
	for _, reason := range []string{"too_deep", "too_long", "too_many_tokens", "body_size"} {
		assert.Positive(t, refused[reason], reason)
	}
	assert.Equal(t, map[string]string{"{}": "2"}, s.values("vector(1+1)", time.Now()))
}

func (s *server) refusedQueries() map[string]int64 {
	s.t.Helper()
	m, err := s.tel.GetMetric("otelcol_extension_embedded_tsdb_refused_queries")
	require.NoError(s.t, err)
	got := map[string]int64{}
	for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
		reason, _ := p.Attributes.Value(attribute.Key("reason"))
		got[reason.AsString()] = p.Value
	}
	return got
}

// long is a query of 43 200 000 steps.
const long = `sum_over_time(vector(time())[1d:2ms])`

// ask sends a query in the background. The result is its status, 0 if the connection was closed.
func (s *server) ask(query string) <-chan int {
	answered := make(chan int, 1)
	go func() {
		resp, err := http.Get(s.url + "/api/v1/query?query=" + url.QueryEscape(query))
		if err != nil {
			answered <- 0
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		answered <- resp.StatusCode
	}()
	return answered
}

// A stop cancels queries: nothing here has a timeout that would end this one. 499 is Prometheus' "canceled".
func TestShutdownDoesNotWaitForQueries(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.HTTP.WriteTimeout = 0
	cfg.Query.Timeout = 24 * time.Hour
	s := start(t, cfg)
	answer := s.ask(long)
	for !strings.Contains(s.get("/metrics"), "\nprometheus_engine_queries 1\n") {
		select {
		case code := <-answer:
			require.FailNow(t, "the query ended before it was seen", code)
		default:
		}
	}
	require.NoError(t, s.ext.Shutdown(context.Background()))
	assert.Contains(t, []int{0, 499, http.StatusServiceUnavailable}, <-answer)
}

// A client that sends half a body and then nothing does not hold up a stop.
func TestShutdownDoesNotWaitForABody(t *testing.T) {
	s := start(t, testConfig(t, t.TempDir()))
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\nquery=")
	require.NoError(t, err)
	answer := make([]byte, 12)
	_, err = io.ReadFull(conn, answer)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 100", string(answer), "the server reads the body now")
	require.NoError(t, s.ext.Shutdown(context.Background()))
}

// The engine can't be canceled within a series, so a query whose subqueries multiply would outlive its timeout and hold up a stop.
func TestSubqueriesThatMultiplyAreRefused(t *testing.T) {
	s := start(t, testConfig(t, t.TempDir()))
	for query, refused := range map[string]bool{
		`max_over_time(sum_over_time(vector(time())[100d:1s])[100d:1s])`:                true,
		`max_over_time(sum_over_time(vector(1)[1d:1s])[1d:10s] offset 1d) + 1`:          true,
		`max_over_time(sum_over_time(vector(1)[1h:1m])[1d:1m])`:                         false,
		`max_over_time(vector(1)[1h:1m]) + max_over_time(vector(1)[1000d:1h])`:          false,
		`max_over_time(sum_over_time(vector(1)[50000d:])[1000d:])`:                      true,
		`max_over_time(max_over_time(max_over_time(up[290y:1ms])[290y:1ms])[290y:1ms])`: true,
	} {
		code, _, text := s.do(http.MethodGet, "/api/v1/query?query="+url.QueryEscape(query), nil, nil)
		if !refused {
			assert.Equal(t, http.StatusOK, code, "%s: %s", query, text)
			continue
		}
		assert.Equal(t, http.StatusBadRequest, code, query)
		assert.Contains(t, text, "query::max_steps", query)
	}
	code, _, text := s.do(http.MethodGet, "/api/v1/query_range?start=0&end=10000&step=1&query="+url.QueryEscape(`sum_over_time(vector(1)[1d:1s])`), nil, nil)
	assert.Equal(t, http.StatusBadRequest, code, "the steps of the query itself count")
	assert.Contains(t, text, "query::max_steps")
	assert.EqualValues(t, 5, s.refusedQueries()["too_many_steps"])
}

// Rules are the operator's own: their text is not bounded by what holds for HTTP.
func TestRulesAreNotBoundedByWhatHoldsForHTTP(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.Query.MaxTokens = 1
	cfg.EvaluationInterval = 10 * time.Millisecond
	cfg.RuleFiles = []string{filepath.Join(t.TempDir(), "rules.yaml")}
	require.NoError(t, os.WriteFile(cfg.RuleFiles[0], []byte("groups: [{name: a, rules: [{record: two, expr: 'vector(1) + vector(1)'}]}]"), 0o600))
	s := start(t, cfg)
	code, _, text := s.do(http.MethodGet, "/api/v1/query?query=1", nil, nil)
	assert.Equal(t, http.StatusOK, code, text)
	code, _, text = s.do(http.MethodGet, "/api/v1/query?query=1%2B1", nil, nil)
	assert.Equal(t, http.StatusBadRequest, code)
	assert.Contains(t, text, "more than 1 tokens (query::max_tokens)")
	require.Eventually(t, func() bool { return s.values("two", time.Now())[`{__name__="two"}`] == "2" }, 30*time.Second, 5*time.Millisecond)
}
