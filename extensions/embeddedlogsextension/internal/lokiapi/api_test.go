package lokiapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/websocket"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlengine"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqltest"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/lokiapi"
)

type closed struct{}

func (closed) Enter(context.Context) (func(), error) { return nil, errors.New("too many queries") }

// reasons counts refusals.
type reasons struct {
	mu  sync.Mutex
	all []string
}

func (r *reasons) add(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, reason)
}

func mux(s lokiapi.Settings) *http.ServeMux {
	m := http.NewServeMux()
	for _, route := range lokiapi.New(s).Routes() {
		m.HandleFunc(route.Path, route.Handler)
	}
	return m
}

func settings(source logqlengine.Source, told *reasons) lokiapi.Settings {
	return lokiapi.Settings{
		Source: func(*http.Request) (logqlengine.Source, error) { return source, nil },
		Limits: logqlengine.DefaultLimits, MaxLength: 1000, Refused: told.add, Queries: open{}, Tails: open{}, Version: "1.2.3",
	}
}

func get(h http.Handler, path string, form url.Values) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/loki/api/v1/"+path+"?"+form.Encode(), nil))
	return w
}

// Every refusal has its status, its text and its reason.
func TestRefusals(t *testing.T) {
	told := &reasons{}
	s := settings(inMemory(t), told)
	query := url.Values{"query": {`{service_name="api"}`}}
	for _, test := range []struct {
		change func(*lokiapi.Settings)
		form   url.Values
		status int
		text   string
		reason string
	}{
		{func(s *lokiapi.Settings) { s.Queries = closed{} }, query, 429, "too many queries", "busy"},
		{func(s *lokiapi.Settings) {
			s.Source = func(*http.Request) (logqlengine.Source, error) { return nil, errors.New("being opened") }
		}, query, 503, "being opened", "not_ready"},
		{func(s *lokiapi.Settings) { s.Limits.Timeout = 1 }, query, 504, "took longer than 1ns", "timeout"},
		{func(*lokiapi.Settings) {}, url.Values{"query": {strings.Repeat("x", 1001)}}, 400, "the query has 1001 bytes, more than 1000", "max_length"},
		{func(s *lokiapi.Settings) { s.Limits.ScannedBytes = 10 }, url.Values{"query": {`{service_name="api"}`}, "start": {"1700000000"}}, 400, "read more than 10 bytes", "scanned_bytes"},
		{func(*lokiapi.Settings) {}, url.Values{"query": {`{`}}, 400, "parse error at line 1, col 2", "bad_query"},
		{func(*lokiapi.Settings) {}, url.Values{"query": {`{a="b"}`}, "start": {"yesterday"}}, 400, `start: "yesterday" is not a time`, "bad_query"},
		{func(*lokiapi.Settings) {}, url.Values{"query": {`{a="b"}`}, "interval": {"soon"}}, 400, `"soon" is not a duration`, "bad_query"},
	} {
		changed := s
		test.change(&changed)
		told.all = nil
		w := get(mux(changed), "query_range", test.form)
		assert.Equal(t, test.status, w.Code, test.text)
		assert.Contains(t, w.Body.String(), test.text)
		assert.Equal(t, []string{test.reason}, told.all)
	}
}

func TestFormsOfRequests(t *testing.T) {
	h := mux(settings(inMemory(t), &reasons{}))
	form := url.Values{"query": {`sum(count_over_time({service_name="edge"}[1h]))`}, "time": {base.Add(time.Hour).Format(time.RFC3339Nano)}}
	post := httptest.NewRequest(http.MethodPost, "/loki/api/v1/query", strings.NewReader(form.Encode()))
	post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, post)
	for _, at := range []string{"", strconv.FormatInt(base.Add(time.Hour).Unix(), 10), strconv.FormatInt(base.Add(time.Hour).Unix(), 10) + ".000", strconv.FormatInt(base.Add(time.Hour).UnixNano(), 10)} {
		if at != "" {
			form.Set("time", at)
			w = get(h, "query", form)
		}
		assert.Equal(t, http.StatusOK, w.Code)
		assert.Contains(t, w.Body.String(), `"value":[`+strconv.FormatInt(base.Add(time.Hour).Unix(), 10)+`,"59"]`)
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/loki/api/v1/query", nil))
	assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
	assert.Equal(t, http.StatusNotFound, get(h, "patterns", nil).Code)
	assert.JSONEq(t, `"1.2.3"`, field(t, get(h, "status/buildinfo", nil), "version"))
	assert.JSONEq(t, `"{a=\"b\"} | json"`, field(t, get(h, "format_query", url.Values{"query": {`{a="b"}|json`}}), "data"))
}

func field(t *testing.T, w *httptest.ResponseRecorder, name string) string {
	t.Helper()
	var all map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &all), w.Body.String())
	return string(all[name])
}

func TestVolumesAndFields(t *testing.T) {
	h := mux(settings(inMemory(t), &reasons{}))
	form := url.Values{"query": {`{service_name=~"edge|web"}`}, "start": {strconv.FormatInt(base.Unix(), 10)}, "end": {strconv.FormatInt(base.Add(time.Hour).Unix(), 10)}}
	w := get(h, "index/volume", form)
	assert.Contains(t, w.Body.String(), `"result":[{"metric":{"service_name":"web"},`)
	form.Set("step", "30m")
	assert.Contains(t, get(h, "index/volume_range", form).Body.String(), `"resultType":"matrix"`)
	form.Set("aggregateBy", "labels")
	assert.Contains(t, get(h, "index/volume", form).Body.String(), `"metric":{"service_name":""}`)
	assert.Contains(t, get(h, "detected_labels", form).Body.String(), `{"label":"service_name","cardinality":2}`)
	form.Set("query", `{service_name="api"}`)
	fields := get(h, "detected_fields", form).Body.String()
	assert.Contains(t, fields, `{"label":"took","type":"duration","cardinality":5,"parsers":["json"]}`)
	assert.Contains(t, fields, `{"label":"took_ms","type":"int"`)
	assert.Contains(t, get(h, "detected_field/method/values", form).Body.String(), `"values":["GET","POST","PUT"]`)
	assert.Contains(t, get(h, "index/stats", form).Body.String(), `"streams":3`)
}

// growing is a source to which a test adds.
type growing struct {
	mu sync.Mutex
	logqltest.Source
}

func (g *growing) add(e logqlpipeline.Entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Source = append(g.Source, e)
}

func (g *growing) Select(ctx context.Context, s logqlengine.Selection, each func(*logqlpipeline.Entry) error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.Source.Select(ctx, s, each)
}

// A tail sends what is there, then what comes, each line once, also one that comes late.
func TestTail(t *testing.T) {
	source := &growing{}
	line := func(text string, ago time.Duration) {
		source.add(logqlpipeline.Entry{Time: time.Now().Add(-ago).UnixNano(), Line: text, Stream: labelsOf(map[string]string{"app": "a"})})
	}
	line("before", time.Minute)
	told := &reasons{}
	server := httptest.NewServer(mux(settings(source, told)))
	defer server.Close()
	c, err := websocket.Dial("ws"+strings.TrimPrefix(server.URL, "http")+"/loki/api/v1/tail?query="+url.QueryEscape(`{app="a"} != "secret"`), "", server.URL)
	require.NoError(t, err)
	defer c.Close()
	receive := func() (lines []string) {
		var message struct {
			Streams []struct {
				Stream map[string]string
				Values [][2]string
			}
		}
		require.NoError(t, c.SetReadDeadline(time.Now().Add(30*time.Second)))
		require.NoError(t, websocket.JSON.Receive(c, &message))
		for _, s := range message.Streams {
			assert.Equal(t, map[string]string{"app": "a"}, s.Stream)
			for _, v := range s.Values {
				lines = append(lines, v[1])
			}
		}
		return lines
	}
	assert.Equal(t, []string{"before"}, receive())
	line("secret", 0)
	line("now", 0)
	assert.Equal(t, []string{"now"}, receive())
	line("late", 5*time.Second)
	assert.Equal(t, []string{"late"}, receive())

	resp, err := http.Get(server.URL + "/loki/api/v1/tail?query=" + url.QueryEscape(`rate({app="a"}[1m])`))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
}
