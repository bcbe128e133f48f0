package embeddedlogsextension

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/metadata"
	"github.com/penstockhq/penstock/internal/freespace"
)

// started returns an extension that listens, and whose file system is full while full is true.
func started(t *testing.T, change func(*Config)) (e *logsExtension, full *atomic.Bool) {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	cfg.HTTP.NetAddr.Endpoint = "127.0.0.1:0"
	cfg.Directory = t.TempDir()
	if change != nil {
		change(cfg)
	}
	require.NoError(t, cfg.Validate())
	e, err := newExtension(cfg, extensiontest.NewNopSettings(metadata.Type))
	require.NoError(t, err)
	full = &atomic.Bool{}
	e.look = func(string) (freespace.State, error) {
		if full.Load() {
			return freespace.State{Free: 1, Total: 1 << 40}, nil
		}
		return freespace.State{Free: 1 << 40, Total: 1 << 40}, nil
	}
	require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, e.Shutdown(context.Background())) })
	require.Eventually(t, func() bool { return e.store.Load() != nil }, time.Minute, time.Millisecond)
	return e, full
}

func line(text string) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "shop")
	lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	lr.Body().SetStr(text)
	return ld
}

func (e *logsExtension) addLine(text string) error {
	_, _, err := e.AddLogs(context.Background(), line(text), "", 0, time.Now(), func(pcommon.Map) string { return "acme" }, nil, false)
	return err
}

func (e *logsExtension) ask(t *testing.T, route string, form url.Values) (status int, body string) {
	t.Helper()
	resp, err := http.PostForm("http://"+e.address.String()+"/select/logsql/"+route, form)
	require.NoError(t, err)
	defer func() { assert.NoError(t, resp.Body.Close()) }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

// While the disk is full nothing is added, and queries go on; afterwards what waited is taken.
func TestADiskThatIsFull(t *testing.T) {
	e, full := started(t, nil)
	require.NoError(t, e.addLine("before"))
	_, err := e.Sync(t.Context())
	require.NoError(t, err)
	full.Store(true)
	require.Eventually(t, func() bool { return e.addLine("lost") != nil }, time.Minute, 10*time.Millisecond) // the file system's answer counts for a moment
	err = e.addLine("never")
	require.ErrorIs(t, err, freespace.ErrFull)
	assert.Equal(t, "disk_full", kindOf(err))
	status, body := e.ask(t, "query", url.Values{"query": {"before"}})
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, "before")
	full.Store(false)
	require.Eventually(t, func() bool { return e.addLine("after") == nil }, time.Minute, 10*time.Millisecond)
	_, err = e.Sync(t.Context())
	require.NoError(t, err)
	_, body = e.ask(t, "query", url.Values{"query": {"*"}})
	assert.Contains(t, body, "after")
	assert.NotContains(t, body, "never")
}

func TestQueriesThatAreRefused(t *testing.T) {
	e, _ := started(t, func(c *Config) { c.Query.MaxLength = 64 })
	require.NoError(t, e.addLine("a line"))
	_, err := e.Sync(t.Context())
	require.NoError(t, err)
	for name, c := range map[string]struct {
		route string
		form  url.Values
		code  int
		says  string
	}{
		"no query":         {"query", url.Values{}, 400, "query: it must not be empty"},
		"a mistake":        {"query", url.Values{"query": {"a:b:("}}, 400, ""},
		"too long":         {"query", url.Values{"query": {strings.Repeat("x", 65)}}, 400, "query::max_length"},
		"too many readers": {"query", url.Values{"query": {"options(parallel_readers=2000) *"}}, 400, "parallel readers"},
		"a bad time":       {"query", url.Values{"query": {"*"}, "start": {"yesterday-ish"}}, 400, "start: "},
		"no step":          {"hits", url.Values{"query": {"*"}}, 400, "step: it must be positive"},
		"no field":         {"field_values", url.Values{"query": {"*"}}, 400, "field: it must not be empty"},
		"no statistics":    {"stats_query", url.Values{"query": {"*"}}, 422, `"errorType":"422"`},
		"a tail of sums":   {"tail", url.Values{"query": {"* | stats count() n"}}, 400, "a tail can't have a pipe"},
	} {
		status, body := e.ask(t, c.route, c.form)
		assert.Equal(t, c.code, status, "%s: %s", name, body)
		assert.Contains(t, body, c.says, name)
	}
	status, body := e.ask(t, "query", url.Values{"query": {"*"}, "limit": {"10"}})
	assert.Equal(t, http.StatusOK, status)
	assert.NotContains(t, body, "penstock_offset")
}

func TestATailShowsWhatComes(t *testing.T) {
	e, _ := started(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.address.String()+"/select/logsql/tail?query="+url.QueryEscape("wanted | fields _time, _msg"), nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { assert.NoError(t, resp.Body.Close()) }()
	require.NoError(t, e.addLine("a wanted line"))
	require.NoError(t, e.addLine("another line"))
	buffer := make([]byte, 1000)
	n, err := resp.Body.Read(buffer)
	require.NoError(t, err)
	assert.Contains(t, string(buffer[:n]), `"_msg":"a wanted line"`)
	assert.NotContains(t, string(buffer[:n]), "another")
}

func TestConfigurationsThatAreWrong(t *testing.T) {
	for says, conf := range map[string]map[string]any{
		"directory: must be set":          {},
		"retention::time: 1h0m0s":         {"directory": "x", "retention": map[string]any{"time": "1h"}},
		"retention::size: -1":             {"directory": "x", "retention": map[string]any{"size": -1}},
		"disk_reserve: 0":                 {"directory": "x", "disk_reserve": 0},
		"stream_fields: ":                 {"directory": "x", "stream_fields": []any{"_time"}},
		"max_tenants: 0":                  {"directory": "x", "max_tenants": 0},
		"memory: 1 ":                      {"directory": "x", "memory": 1},
		"query::timeout: 0s":              {"directory": "x", "query": map[string]any{"timeout": "0s"}},
		"query::max_concurrency: 0":       {"directory": "x", "query": map[string]any{"max_concurrency": 0}},
		"write_timeout: 1s must be 0":     {"directory": "x", "write_timeout": "1s"},
		`allow_anonymous: "0.0.0.0:9428"`: {"directory": "x", "endpoint": "0.0.0.0:9428"},
	} {
		cfg := createDefaultConfig()
		require.NoError(t, confmap.NewFromStringMap(conf).Unmarshal(cfg))
		assert.ErrorContains(t, cfg.(*Config).Validate(), says, "%v", conf)
	}
}
