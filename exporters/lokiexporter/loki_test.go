package lokiexporter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/metadata"
	"github.com/penstockhq/penstock/internal/delivery"
)

// harness is an exporter in front of a fake Loki.
type harness struct {
	exporter.Logs
	loki *fakeLoki
	tel  *componenttest.Telemetry
}

func start(t *testing.T, answer func(arrival) reply, change func(*Config)) *harness {
	t.Helper()
	loki := newFakeLoki(t, answer)
	cfg := createDefaultConfig().(*Config)
	cfg.ClientConfig.Endpoint = loki.server.URL
	cfg.RetryConfig.InitialInterval = time.Millisecond
	cfg.RetryConfig.MaxInterval = 10 * time.Millisecond
	if change != nil {
		change(cfg)
	}
	require.NoError(t, cfg.Validate())
	tel := componenttest.NewTelemetry()
	set := exportertest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = tel.NewTelemetrySettings()
	logs, err := NewFactory().CreateLogs(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, logs.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() {
		require.NoError(t, logs.Shutdown(context.WithoutCancel(t.Context())))
		require.NoError(t, tel.Shutdown(context.WithoutCancel(t.Context())))
	})
	return &harness{Logs: logs, loki: loki, tel: tel}
}

// counted returns a counter's values by their only attribute other than the exporter's id.
func (h *harness) counted(t *testing.T, name string) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	m, err := h.tel.GetMetric("otelcol_exporter_loki_" + name)
	if err != nil {
		return out
	}
	sum, ok := m.Data.(metricdata.Sum[int64])
	require.True(t, ok)
	for _, p := range sum.DataPoints {
		var key string
		for _, kv := range p.Attributes.ToSlice() {
			if kv.Key != "exporter" {
				key = kv.Value.AsString()
			}
		}
		out[key] = p.Value
	}
	return out
}

func (h *harness) gauge(t *testing.T, name string) int64 {
	t.Helper()
	m, err := h.tel.GetMetric("otelcol_exporter_loki_" + name)
	require.NoError(t, err)
	points := m.Data.(metricdata.Gauge[int64]).DataPoints
	require.Len(t, points, 1)
	require.Equal(t, 1, points[0].Attributes.Len(), "the exporter's id alone")
	return points[0].Value
}

// logs makes one record a line, service/line, a millisecond apart from now on.
func logs(lines ...string) plog.Logs {
	ld := plog.NewLogs()
	byService := map[string]plog.LogRecordSlice{}
	begin := time.Now().Add(-time.Minute)
	for i, l := range lines {
		service, body, _ := strings.Cut(l, "/")
		records, ok := byService[service]
		if !ok {
			rl := ld.ResourceLogs().AppendEmpty()
			rl.Resource().Attributes().PutStr("service.name", service)
			records = rl.ScopeLogs().AppendEmpty().LogRecords()
			byService[service] = records
		}
		lr := records.AppendEmpty()
		lr.Body().SetStr(body)
		lr.SetTimestamp(pcommon.NewTimestampFromTime(begin.Add(time.Duration(i) * time.Millisecond)))
	}
	return ld
}

// Each folder has OTLP JSON as input, Loki's entries as output, and the configuration.
func TestTranslation(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join("testdata", "translation", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			h := start(t, nil, func(cfg *Config) {
				cfg.Limits.MaxAge, cfg.LateLabel = 0, "" // the records have fixed times
				file := filepath.Join(folder, "config.yaml")
				if _, err := os.Stat(file); err == nil {
					conf, err := confmaptest.LoadConf(file)
					require.NoError(t, err)
					require.NoError(t, conf.Unmarshal(cfg))
				}
			})
			in, err := os.ReadFile(filepath.Join(folder, "in.json"))
			require.NoError(t, err)
			ld, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(in)
			require.NoError(t, err)
			require.NoError(t, h.ConsumeLogs(t.Context(), ld))

			got, err := json.MarshalIndent(h.loki.entries(), "", "  ")
			require.NoError(t, err)
			wantFile := filepath.Join(folder, "out.json")
			if os.Getenv("UPDATE_GOLDEN") != "" {
				require.NoError(t, os.WriteFile(wantFile, append(got, '\n'), 0o600))
			}
			want, err := os.ReadFile(wantFile)
			require.NoError(t, err)
			assert.JSONEq(t, string(want), string(got))
		})
	}
}

// The meaning of each answer: sent again until accepted, or counted and not sent again.
func TestAnswers(t *testing.T) {
	const old = `entry for stream '{service_name="a"}' has timestamp too old: 2020-01-01T00:00:00Z, oldest acceptable timestamp is: 2026-01-01T00:00:00Z`
	for _, tc := range []struct {
		name      string
		answer    reply
		again     bool
		permanent bool
		accepted  int64
		refused   map[string]int64
	}{
		{name: "ok", answer: reply{status: 200}, accepted: 3},
		{name: "too many requests", answer: reply{status: 429, body: "ingestion rate limit exceeded for user x", refused: true}, again: true, accepted: 3},
		{name: "one stream is too fast", answer: reply{status: 429, body: "Per stream rate limit exceeded (limit: 3MB/sec)", refused: true}, again: true, accepted: 3},
		{name: "too many streams", answer: reply{status: 429, body: "maximum active stream limit exceeded when trying to create stream {service_name=\"a\"}", refused: true}, again: true, accepted: 3},
		{name: "server error", answer: reply{status: 500, refused: true}, again: true, accepted: 3},
		{name: "unavailable", answer: reply{status: 503, refused: true}, again: true, accepted: 3},
		{name: "token expired", answer: reply{status: 401, refused: true}, again: true, accepted: 3},
		{name: "the tenant is blocked", answer: reply{status: 260, body: "ingestion blocked for user 'x' until '2030-01-01T00:00:00Z' with status code '260'", refused: true}, again: true, accepted: 3},
		{name: "moved", answer: reply{status: 410, refused: true}, again: true, accepted: 3},
		{name: "wrong path", answer: reply{status: 404, refused: true}, again: true, accepted: 3},
		{name: "some too old", answer: reply{status: 400, body: "2 errors like: " + old}, accepted: 1, refused: map[string]int64{"too_old": 2}},
		{name: "all too old", answer: reply{status: 400, body: "3 errors like: " + old, refused: true}, permanent: true, refused: map[string]int64{"too_old": 3}},
		{name: "two reasons", answer: reply{status: 400, body: "1 errors like: " + old + "; 1 errors like: max entry size '1' bytes exceeded for stream '{service_name=\"a\"}' while adding an entry with length '2' bytes"}, accepted: 1, refused: map[string]int64{"too_old": 1, "line_too_long": 1}},
		{name: "the stream", answer: reply{status: 400, body: `entry for stream '{service_name="a"}' has 16 label names; limit 15`, refused: true}, permanent: true, refused: map[string]int64{"labels": 3}},
		{name: "far behind", answer: reply{status: 400, body: "entry with timestamp x ignored, reason: 'entry too far behind, entry timestamp is: x, oldest acceptable timestamp is: y',\nuser 'fake', total ignored: 1 out of 3 for stream: {service_name=\"a\"}"}, accepted: 2, refused: map[string]int64{"too_far_behind": 1}},
		{name: "a status that is final", answer: reply{status: 422, body: "no", refused: true}, permanent: true, refused: map[string]int64{"request": 3}},
		{name: "a 400 without sense", answer: reply{status: 400, body: "<html>", refused: true}, permanent: true, refused: map[string]int64{"other": 3}},
		{name: "too large", answer: reply{status: 413, refused: true}, permanent: true, refused: map[string]int64{"too_large": 3}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var requests atomic.Int32
			h := start(t, func(arrival) reply {
				if n := requests.Add(1); tc.again && n > 2 {
					return reply{status: http.StatusNoContent}
				}
				return tc.answer
			}, nil)
			outcome := &delivery.Outcome{}
			ctx := delivery.Delivery{Outcome: outcome}.In(t.Context())
			err := h.ConsumeLogs(ctx, logs("a/1", "a/2", "a/3"))
			if tc.permanent {
				require.True(t, consumererror.IsPermanent(err), "%v", err)
			} else {
				require.NoError(t, err)
			}
			var refused int64
			for _, n := range tc.refused {
				refused += n
			}
			assert.Equal(t, refused, outcome.Refused(delivery.UnitItem), "what a journal is told")
			if tc.again {
				assert.Equal(t, []string{"1", "2", "3"}, h.loki.lines())
				assert.EqualValues(t, 3, requests.Load())
			}
			if tc.refused == nil {
				tc.refused = map[string]int64{}
			}
			assert.Equal(t, tc.refused, h.counted(t, "refused_entries"))
			assert.Equal(t, tc.accepted, h.counted(t, "accepted_entries")[""])
		})
	}
}

// If a gateway refuses one entry without saying which, only that entry is lost.
func TestPoisonIsIsolated(t *testing.T) {
	h := start(t, func(a arrival) reply {
		for _, e := range a.entries {
			if e.Line == "poison" {
				return reply{status: 400, body: "forbidden word", refused: true}
			}
		}
		return reply{status: 204}
	}, nil)
	lines := []string{"a/poison"}
	for i := range 100 {
		lines = append(lines, fmt.Sprintf("%c/%d", 'a'+i%3, i))
	}
	require.NoError(t, h.ConsumeLogs(t.Context(), logs(lines...)))
	assert.Len(t, h.loki.entries(), 100)
	assert.Equal(t, map[string]int64{"other": 1}, h.counted(t, "refused_entries"))
}

// A request that is too large is sent in halves.
func TestTooLargeIsSplit(t *testing.T) {
	h := start(t, func(a arrival) reply {
		if len(a.entries) > 3 {
			return reply{status: 413, refused: true}
		}
		return reply{status: 204}
	}, nil)
	require.NoError(t, h.ConsumeLogs(t.Context(), logs("a/0", "a/1", "a/2", "a/3", "a/4", "a/5", "a/6", "a/7", "a/8", "a/9")))
	assert.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, h.loki.lines())
}

// Only what Loki did not accept is sent again; a waiting tenant does not delay another; within a stream nothing overtakes.
func TestOnlyWhatFailedIsSentAgain(t *testing.T) {
	var slow atomic.Int32
	h := start(t, func(a arrival) reply {
		if a.tenant == "slow" && slow.Add(1) <= 2 {
			return reply{status: 429, refused: true}
		}
		return reply{status: 204}
	}, nil)
	ld := logs("a/1", "b/2", "a/3", "b/4")
	for _, rl := range ld.ResourceLogs().All() {
		service, _ := rl.Resource().Attributes().Get("service.name")
		rl.Resource().Attributes().PutStr("tenant.id", map[string]string{"a": "slow", "b": "fast"}[service.Str()])
	}
	require.NoError(t, h.ConsumeLogs(t.Context(), ld))
	assert.Equal(t, []string{"2", "4", "1", "3"}, h.loki.lines())
	arrivals := h.loki.requireArrivals(4)
	assert.Equal(t, []string{"slow", "fast", "slow", "slow"}, []string{arrivals[0].tenant, arrivals[1].tenant, arrivals[2].tenant, arrivals[3].tenant})
}

func TestRetryAfter(t *testing.T) {
	var requests atomic.Int32
	h := start(t, func(arrival) reply {
		if requests.Add(1) == 1 {
			return reply{status: 503, retryAfter: "1", refused: true}
		}
		return reply{status: 204}
	}, nil)
	begin := time.Now()
	require.NoError(t, h.ConsumeLogs(t.Context(), logs("a/1")))
	assert.GreaterOrEqual(t, time.Since(begin), time.Second)
}

// Streams that Loki may refuse are sent alone, because it reports at most one of several.
func TestUnknownStreamsAreSentAlone(t *testing.T) {
	h := start(t, nil, func(cfg *Config) { cfg.LateLabel = "" })
	require.NoError(t, h.ConsumeLogs(t.Context(), logs("a/1", "b/2", "c/3")))
	h.loki.requireArrivals(3)
	require.NoError(t, h.ConsumeLogs(t.Context(), logs("a/4", "b/5", "c/6")))
	last := h.loki.requireArrivals(4)[3]
	assert.Len(t, last.streams, 3, "known by now")

	late := logs("a/7", "b/8", "c/9")
	record := late.ResourceLogs().At(1).ScopeLogs().At(0).LogRecords().At(0)
	record.SetTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(-2 * time.Hour)))
	require.NoError(t, h.ConsumeLogs(t.Context(), late))
	arrivals := h.loki.requireArrivals(6)
	assert.Equal(t, []string{`{service_name="a"}`, `{service_name="c"}`}, arrivals[4].streams)
	assert.Equal(t, []string{`{service_name="b"}`}, arrivals[5].streams)
}

func TestTenants(t *testing.T) {
	h := start(t, nil, nil)
	withClient := func(values ...string) context.Context {
		return client.NewContext(t.Context(), client.Info{Metadata: client.NewMetadata(map[string][]string{"x-scope-orgid": values})})
	}
	attributed := logs("a/attribute")
	attributed.ResourceLogs().At(0).Resource().Attributes().PutStr("tenant.id", "team-a")
	require.NoError(t, h.ConsumeLogs(t.Context(), attributed))
	require.NoError(t, h.ConsumeLogs(withClient("team-b"), attributed))
	require.NoError(t, h.ConsumeLogs(t.Context(), logs("a/neither")))
	var tenants []string
	for _, e := range h.loki.entries() {
		tenants = append(tenants, e.Tenant)
	}
	assert.Equal(t, []string{"team-a", "team-b", "default"}, tenants)
	assert.Equal(t, int64(3), h.gauge(t, "tenants"))
	assert.Equal(t, int64(3), h.gauge(t, "streams"))

	err := h.ConsumeLogs(withClient("a|b"), logs("a/never for somebody else"))
	assert.True(t, consumererror.IsPermanent(err))
	assert.Equal(t, map[string]int64{"tenant": 1}, h.counted(t, "refused_entries"))
}

func TestNoTenantHeader(t *testing.T) {
	h := start(t, nil, func(cfg *Config) { cfg.Tenant.Default = "" })
	require.NoError(t, h.ConsumeLogs(t.Context(), logs("a/1")))
	assert.NotContains(t, h.loki.requireArrivals(1)[0].header, http.CanonicalHeaderKey(tenantHeader))
}

func TestTenantsAreBounded(t *testing.T) {
	h := start(t, nil, func(cfg *Config) { cfg.StreamLimit.MaxTenants = 2 })
	for i := range 10 {
		ld := logs("a/x")
		ld.ResourceLogs().At(0).Resource().Attributes().PutInt("tenant.id", int64(i))
		require.NoError(t, h.ConsumeLogs(t.Context(), ld))
	}
	assert.Equal(t, int64(2), h.gauge(t, "tenants"))
}

// A label with too many values becomes metadata; every entry keeps its value.
func TestStreamLimit(t *testing.T) {
	h := start(t, nil, func(cfg *Config) {
		cfg.StreamLimit.MaxStreams = 5
		cfg.Labels = []LabelConfig{
			{Name: "service_name", Resource: []string{"service.name"}},
			{Name: "user", Record: []string{"user.id"}},
		}
	})
	ld := logs("a/0", "a/1", "a/2", "a/3", "a/4", "a/5", "a/6", "a/7", "a/8", "a/9")
	for i, lr := range ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
		lr.Attributes().PutStr("user.id", fmt.Sprint("u", i))
	}
	require.NoError(t, h.ConsumeLogs(t.Context(), ld))
	require.Len(t, h.loki.entries(), 10)
	for _, e := range h.loki.entries() {
		user := "u" + e.Line
		if strings.Contains(e.Stream, "user=") {
			assert.Equal(t, fmt.Sprintf(`{service_name="a", user="%s"}`, user), e.Stream)
			assert.NotContains(t, e.Metadata, "user")
		} else {
			assert.Equal(t, user, e.Metadata["user"])
		}
	}
	assert.Equal(t, map[string]int64{"": 1}, h.counted(t, "label_moves"))
	assert.Equal(t, int64(1), h.gauge(t, "moved_labels"))
	assert.LessOrEqual(t, h.gauge(t, "streams"), int64(5))
}

// Loki would keep only one of several entries that are equal in everything.
func TestIdenticalEntries(t *testing.T) {
	at := pcommon.NewTimestampFromTime(time.Now().Truncate(time.Second)) // of all: a second may end between two of them
	same := func() plog.Logs {
		ld := logs("a/x", "a/x", "a/y", "a/x")
		for _, lr := range ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			lr.SetTimestamp(at)
		}
		return ld
	}
	h := start(t, nil, nil)
	require.NoError(t, h.ConsumeLogs(t.Context(), same()))
	base := h.loki.entries()[0].Time
	var got []string
	for _, e := range h.loki.entries() {
		got = append(got, fmt.Sprint(e.Line, e.Time-base))
	}
	assert.Equal(t, []string{"x0", "y0", "x1", "x2"}, got)
	assert.Equal(t, map[string]int64{"nudged": 2}, h.counted(t, "changed_entries"))

	h = start(t, nil, func(cfg *Config) { cfg.OnIdentical = identicalKeep })
	require.NoError(t, h.ConsumeLogs(t.Context(), same()))
	assert.Equal(t, h.loki.entries()[0].Time, h.loki.entries()[3].Time)
}

func TestWindow(t *testing.T) {
	ld := func() plog.Logs {
		ld := logs("a/old", "a/new", "a/ahead", "a/absurd")
		records := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
		records.At(0).SetTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(-8 * 24 * time.Hour)))
		records.At(2).SetTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(time.Hour)))
		records.At(3).SetTimestamp(1<<64 - 1)
		return ld
	}
	h := start(t, nil, nil)
	require.NoError(t, h.ConsumeLogs(t.Context(), ld()))
	assert.Equal(t, []string{"new"}, h.loki.lines())
	assert.Equal(t, map[string]int64{"outside_window": 3}, h.counted(t, "refused_entries"))

	h = start(t, nil, func(cfg *Config) { cfg.OnOutsideWindow = outsideRestamp })
	in := ld()
	require.NoError(t, h.ConsumeLogs(t.Context(), in))
	require.Len(t, h.loki.entries(), 4)
	assert.Equal(t, "new", h.loki.entries()[0].Line)
	assert.Equal(t, in.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Timestamp().AsTime().UnixNano(), mustInt(t, h.loki.entries()[1].Metadata["original_timestamp"]))
	assert.Equal(t, map[string]int64{"restamped": 3}, h.counted(t, "changed_entries"))
}

func mustInt(t *testing.T, s string) (n int64) {
	t.Helper()
	_, err := fmt.Sscan(s, &n)
	require.NoError(t, err)
	return n
}

// Late entries have separate streams, none longer than Loki accepts.
func TestLate(t *testing.T) {
	h := start(t, nil, nil)
	lines := make([]string, 10)
	for i := range lines {
		lines[i] = fmt.Sprint("a/", i)
	}
	ld := logs(lines...)
	now := time.Now()
	for i, lr := range ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
		lr.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(-time.Duration(i)*20*time.Minute - time.Minute)))
	}
	require.NoError(t, h.ConsumeLogs(t.Context(), ld))
	require.Len(t, h.loki.entries(), 10)
	span := map[string][2]int64{}
	for _, e := range h.loki.entries() {
		at := time.Unix(0, e.Time)
		assert.NotContains(t, e.Metadata, "late")
		if now.Sub(at) <= time.Hour {
			assert.Equal(t, `{service_name="a"}`, e.Stream)
			continue
		}
		assert.Equal(t, fmt.Sprintf(`{late="%s", service_name="a"}`, at.UTC().Truncate(time.Hour).Format(time.RFC3339)), e.Stream)
		s, ok := span[e.Stream]
		if !ok {
			s = [2]int64{e.Time, e.Time}
		}
		span[e.Stream] = [2]int64{min(s[0], e.Time), max(s[1], e.Time)}
	}
	for stream, s := range span {
		assert.LessOrEqual(t, s[1]-s[0], int64(time.Hour), stream)
	}
	assert.GreaterOrEqual(t, len(span), 2)
}

// Requests stay below limits.request_bytes, and a stream's entries stay in order across them.
func TestRequestSize(t *testing.T) {
	h := start(t, nil, func(cfg *Config) {
		cfg.Limits.RequestBytes, cfg.Limits.LineBytes, cfg.Limits.MetadataBytes = 64<<10, 32<<10, 32<<10
	})
	lines := make([]string, 500)
	want := make([]string, 500)
	for i := range lines {
		want[i] = fmt.Sprintf("%03d%s", i, strings.Repeat("x", 1000))
		lines[i] = "a/" + want[i]
	}
	require.NoError(t, h.ConsumeLogs(t.Context(), logs(lines...)))
	assert.Equal(t, want, h.loki.lines())
	for _, a := range h.loki.requests() {
		size := 0
		for _, e := range a.entries {
			size += len(e.Line)
		}
		assert.Less(t, size, 64<<10)
	}
}

func TestCancelledCallerGetsAnError(t *testing.T) {
	h := start(t, func(arrival) reply { return reply{status: 500, refused: true} }, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := h.ConsumeLogs(ctx, logs("a/1"))
	require.Error(t, err)
	assert.False(t, consumererror.IsPermanent(err))
}

func TestTLSAndHeaders(t *testing.T) {
	var seen atomic.Pointer[http.Request] // HTTP/2 runs handlers side by side
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r)
		w.WriteHeader(http.StatusNoContent)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	h := start(t, nil, func(cfg *Config) {
		cfg.ClientConfig.Endpoint = server.URL
		cfg.ClientConfig.TLS.InsecureSkipVerify = true
		cfg.ClientConfig.Headers.Set("Authorization", "Bearer secret")
	})
	require.NoError(t, h.ConsumeLogs(t.Context(), logs("a/1")))
	got := seen.Load()
	require.NotNil(t, got)
	assert.Equal(t, "Bearer secret", got.Header.Get("Authorization"))
	assert.Equal(t, "application/x-protobuf", got.Header.Get("Content-Type"))
	assert.Equal(t, 2, got.ProtoMajor)
}

// bearer is an auth extension.
type bearer struct {
	component.StartFunc
	component.ShutdownFunc
}

func (bearer) RoundTripper(base http.RoundTripper) (http.RoundTripper, error) {
	return withToken{base}, nil
}

type withToken struct{ base http.RoundTripper }

func (w withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer secret")
	return w.base.RoundTrip(r)
}

type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

func TestAuthExtension(t *testing.T) {
	got := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Authorization")
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	auth := component.MustNewID("bearertokenauth")
	cfg := createDefaultConfig().(*Config)
	cfg.ClientConfig.Endpoint = server.URL
	cfg.ClientConfig.Auth = configoptional.Some(configauth.Config{AuthenticatorID: auth})
	e, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	require.NoError(t, err)
	require.ErrorContains(t, e.Start(t.Context(), host{}), "bearertokenauth", "the extension is not there")
	require.NoError(t, e.Start(t.Context(), host{auth: bearer{}}))
	defer func() { require.NoError(t, e.Shutdown(context.Background())) }()
	require.NoError(t, e.ConsumeLogs(t.Context(), logs("a/1")))
	require.Len(t, got, 1)
	assert.Equal(t, "Bearer secret", <-got)
}

// TestRulesNameTests: every test named in push_api.md exists.
func TestRulesNameTests(t *testing.T) {
	page, err := os.ReadFile("push_api.md")
	require.NoError(t, err)
	var code []byte
	for _, pattern := range []string{"*_test.go", "internal/*/*_test.go", "../../testbed/backends/loki/*_test.go", "../../testbed/smoke/*_test.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, f := range files {
			text, err := os.ReadFile(f)
			require.NoError(t, err)
			code = append(code, text...)
		}
	}
	names := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(page, -1)
	require.Greater(t, len(names), 20)
	for _, n := range names {
		assert.True(t, bytes.Contains(code, []byte("func "+string(n[1])+"(")), "no test has the name %s", n[1])
	}
}

// With a queue the caller does not wait, and what is queued is sent before the end.
func TestQueue(t *testing.T) {
	loki := newFakeLoki(t, nil)
	cfg := createDefaultConfig().(*Config)
	cfg.ClientConfig.Endpoint = loki.server.URL
	conf := confmap.NewFromStringMap(map[string]any{"sending_queue": map[string]any{"queue_size": 100}})
	require.NoError(t, conf.Unmarshal(cfg))
	exporter, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	require.NoError(t, err)
	require.NoError(t, exporter.Start(t.Context(), componenttest.NewNopHost()))
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprint(i))
		require.NoError(t, exporter.ConsumeLogs(t.Context(), logs("a/"+want[i])))
	}
	require.NoError(t, exporter.Shutdown(t.Context()))
	assert.Equal(t, want, loki.lines())
}
