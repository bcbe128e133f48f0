//go:build full

package loki_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/penstockhq/penstock/testbed/backends/loki"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const tenant = "default"

// config is OTLP in, Loki out; the exporter's keys but endpoint come from the test.
const config = `
receivers:
  otlp:
    protocols:
      http: {endpoint: "${env:PENSTOCK_OTLP_HTTP_ENDPOINT}", include_metadata: true}
exporters:
  loki:
    endpoint: %s
    retry_on_failure: {initial_interval: 100ms, max_interval: 500ms}
%s
extensions:
  health_check: {endpoint: "${env:PENSTOCK_HEALTH_ENDPOINT}"}
service:
  extensions: [health_check]
  telemetry:
    metrics:
      level: normal
      readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: "${env:PENSTOCK_TELEMETRY_PORT}"}}}}]
  pipelines:
    logs: {receivers: [otlp], exporters: [loki]}
`

// exporter starts the built binary in front of server. keys are YAML lines of the exporter.
func exporter(t *testing.T, server *loki.Server, keys ...string) *process.Process {
	t.Helper()
	return exporterTo(t, server.URL(), keys...)
}

func exporterTo(t *testing.T, endpoint string, keys ...string) *process.Process {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf(config, endpoint, "    "+strings.Join(keys, "\n    "))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return process.Start(t, process.Settings{Configs: []string{"file:" + file}})
}

func accepted(t *testing.T, p *process.Process, ld plog.Logs) {
	t.Helper()
	answer, err := send.Logs(p.HTTP(), ld)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
}

// record appends a record of service to ld, which begins a resource where service is new.
func record(ld plog.Logs, service string, at time.Time, body string) plog.LogRecord {
	rls := ld.ResourceLogs()
	if n := rls.Len(); n > 0 {
		if v, _ := rls.At(n - 1).Resource().Attributes().Get("service.name"); v.Str() == service {
			return fill(rls.At(n-1).ScopeLogs().At(0).LogRecords().AppendEmpty(), at, body)
		}
	}
	rl := rls.AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", service)
	return fill(rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty(), at, body)
}

func fill(lr plog.LogRecord, at time.Time, body string) plog.LogRecord {
	lr.SetTimestamp(pcommon.NewTimestampFromTime(at))
	lr.Body().SetStr(body)
	return lr
}

func query(t *testing.T, s *loki.Server, logql string) []loki.Entry {
	t.Helper()
	entries, err := s.Query(t.Context(), tenant, logql, time.Now().Add(-24*time.Hour), time.Now().Add(time.Hour))
	require.NoError(t, err)
	return entries
}

// Every type of body and attribute: LogQL returns what was sent, within five seconds, in both encodings.
func TestLogQLAnswersWhatWasSent(t *testing.T) {
	server := loki.Start(t, loki.Settings{})
	for _, encoding := range []string{"protobuf", "json"} {
		t.Run(encoding, func(t *testing.T) {
			p := exporter(t, server, "encoding: "+encoding)
			ld := plog.NewLogs()
			rl := ld.ResourceLogs().AppendEmpty()
			resource := rl.Resource().Attributes()
			resource.PutStr("service.name", "checkout-"+encoding)
			resource.PutStr("service.namespace", "shop")
			resource.PutStr("deployment.environment.name", "test")
			resource.PutStr("k8s.pod.name", "pod-1")
			sl := rl.ScopeLogs().AppendEmpty()
			sl.Scope().SetName("lib")
			sl.Scope().SetVersion("1.2.3")
			base := time.Now().Add(-time.Minute).Truncate(time.Millisecond)
			bodies := map[string]func(pcommon.Value){
				"text":                    func(v pcommon.Value) { v.SetStr("text") },
				"grüße \"quoted\"\nlines": func(v pcommon.Value) { v.SetStr("grüße \"quoted\"\nlines") },
				"42":                      func(v pcommon.Value) { v.SetInt(42) },
				"1.5":                     func(v pcommon.Value) { v.SetDouble(1.5) },
				"true":                    func(v pcommon.Value) { v.SetBool(true) },
				"aGk=":                    func(v pcommon.Value) { v.SetEmptyBytes().FromRaw([]byte("hi")) },
				`{"a":{"b":[1,"x"]}}`: func(v pcommon.Value) {
					_ = v.SetEmptyMap().FromRaw(map[string]any{"a": map[string]any{"b": []any{1, "x"}}})
				},
				`[1,"x"]`: func(v pcommon.Value) { _ = v.SetEmptySlice().FromRaw([]any{1, "x"}) },
				"":        func(pcommon.Value) {},
			}
			i := 0
			times := map[string]int64{}
			for line, set := range bodies {
				lr := sl.LogRecords().AppendEmpty()
				at := base.Add(time.Duration(i) * time.Millisecond)
				i++
				times[line] = at.UnixNano()
				lr.SetTimestamp(pcommon.NewTimestampFromTime(at))
				lr.SetObservedTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Second)))
				lr.SetSeverityNumber(plog.SeverityNumberError2)
				lr.SetSeverityText("ERROR2")
				lr.SetTraceID([16]byte{1, 2, 3})
				lr.SetSpanID([8]byte{4, 5, 6})
				lr.SetEventName("order.failed")
				set(lr.Body())
				_ = lr.Attributes().FromRaw(map[string]any{
					"text": "a b", "int": 7, "double": 0.25, "bool": true, "bytes": []byte("hi"),
					"slice": []any{"x", 1}, "map": map[string]any{"inner.key": map[string]any{"deep": "v"}},
				})
			}
			begin := time.Now()
			accepted(t, p, ld)

			var got []loki.Entry
			ask.Eventually(t, func() error {
				got = query(t, server, `{service_name="checkout-`+encoding+`", level="error"} | trace_id="01020300000000000000000000000000"`)
				if len(got) != len(bodies) {
					return fmt.Errorf("%d lines", len(got))
				}
				return nil
			})
			t.Logf("searchable %s after the request", time.Since(begin))
			for _, e := range got {
				at, sent := times[e.Line]
				require.True(t, sent, "%q was not sent", e.Line)
				assert.Equal(t, at, e.Nanos, e.Line)
				assert.Equal(t, map[string]string{
					"service_name": "checkout-" + encoding, "service_namespace": "shop", "deployment_environment": "test", "level": "error",
					"k8s_pod_name": "pod-1", "scope_name": "lib", "scope_version": "1.2.3",
					"trace_id": "01020300000000000000000000000000", "span_id": "0405060000000000",
					"severity_number": "18", "severity_text": "ERROR2", "event_name": "order.failed",
					"observed_timestamp": fmt.Sprint(at + int64(time.Second)),
					"text":               "a b", "int": "7", "double": "0.25", "bool": "true", "bytes": "aGk=", "slice": `["x",1]`, "map_inner_key_deep": "v",
					"detected_level": "error", // Loki's own
				}, e.Labels)
			}
			streams, err := server.Streams(t.Context(), tenant, base.Add(-time.Hour), time.Now())
			require.NoError(t, err)
			assert.Contains(t, streams, map[string]string{
				"service_name": "checkout-" + encoding, "service_namespace": "shop", "deployment_environment": "test", "level": "error",
			})
		})
	}
}

// Loki limits the rate and is killed and started again meanwhile: every record is there once, and Loki took the
// records of each stream in the order in which they were sent. The order is looked at on the way, because Loki itself
// does not keep that of equal times across its blocks.
func TestNothingLostOrReordered(t *testing.T) {
	const batches, size, services = 60, 500, 3
	server := loki.Start(t, loki.Settings{Limits: "{ingestion_rate_mb: 0.5, ingestion_burst_size_mb: 0.6, per_stream_rate_limit: 150KB, per_stream_rate_limit_burst: 300KB}"})
	way := watch(t, server.URL())
	p := exporterTo(t, way.URL)
	base := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	filler := strings.Repeat("x", 200)

	for b := range batches {
		var restarted chan struct{}
		if b == batches/3 || b == 2*batches/3 {
			server.Kill()
			restarted = make(chan struct{})
			aborted := way.count(0)
			go func() { // only when the exporter has met the closed door
				defer close(restarted)
				for way.count(0) == aborted && t.Context().Err() == nil {
					<-way.seen
				}
				server.Run(t)
			}()
		}
		ld := plog.NewLogs()
		for i := range size {
			n := b*size + i
			// A second's worth of records has one time: their order is all that tells them apart.
			record(ld, fmt.Sprint("service-", i*services/size), base.Add(time.Duration(n/1000)*time.Second), fmt.Sprintf("%06d %s", n, filler))
		}
		accepted(t, p, ld)
		if restarted != nil {
			<-restarted
		}
	}

	lines := map[string]int{}
	for _, e := range query(t, server, `{service_name=~"service-.*"}`) {
		lines[e.Line]++
	}
	require.Len(t, lines, batches*size)
	for line, n := range lines {
		require.Equal(t, 1, n, "%.6s", line)
	}
	for stream, taken := range way.taken() {
		assert.True(t, slices.IsSorted(taken), "%s was reordered", stream)
	}
	refused, err := ask.Metric(p.Telemetry(), "otelcol_exporter_loki_refused_entries")
	require.NoError(t, err)
	assert.Zero(t, refused)
	t.Logf("answers: %d taken, %d limited, %d without an answer", way.count(204), way.count(429), way.count(0))
	assert.NotZero(t, way.count(http.StatusTooManyRequests), "Loki never limited the rate: the test shows less than it says")
}

// watcher passes requests on to Loki and records accepted lines, and each status; 0 means no answer.
type watcher struct {
	*httptest.Server
	seen chan struct{}

	mu       sync.Mutex
	statuses map[int]int
	lines    map[string][]string
}

func watch(t *testing.T, target string) *watcher {
	to, err := url.Parse(target)
	require.NoError(t, err)
	w := &watcher{seen: make(chan struct{}, 1), statuses: map[int]int{}, lines: map[string][]string{}}
	forward := httputil.NewSingleHostReverseProxy(to)
	forward.ErrorLog = log.New(io.Discard, "", 0)
	forward.ModifyResponse = func(r *http.Response) error {
		w.note(r.StatusCode, r.Request.Context().Value(w).([]byte))
		return nil
	}
	forward.ErrorHandler = func(http.ResponseWriter, *http.Request, error) {
		w.note(0, nil)
		panic(http.ErrAbortHandler)
	}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		forward.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), w, body)))
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *watcher) note(status int, body []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.statuses[status]++
	if status == http.StatusNoContent {
		var request push.PushRequest
		plain, err := snappy.Decode(nil, body)
		if err == nil {
			err = request.Unmarshal(plain)
		}
		if err != nil {
			w.lines["undecodable"] = []string{"b", "a"} // fails as reordered
		}
		for _, s := range request.Streams {
			for _, e := range s.Entries {
				w.lines[s.Labels] = append(w.lines[s.Labels], e.Line)
			}
		}
	}
	select {
	case w.seen <- struct{}{}:
	default:
	}
}

func (w *watcher) count(status int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.statuses[status]
}

func (w *watcher) taken() map[string][]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines
}

// If Loki is stricter than the exporter knows, its answer names the entries that are not stored: they are counted, and the rest is stored.
func TestRefusalsAreCounted(t *testing.T) {
	server := loki.Start(t, loki.Settings{Limits: "{max_line_size: 100B, reject_old_samples_max_age: 2h, max_label_value_length: 30, max_structured_metadata_entries_count: 5}"})
	p := exporter(t, server, "labels: [{name: service_name, resource: [service.name]}]")
	now := time.Now()
	ld := plog.NewLogs()
	for i := range 10 {
		record(ld, "a", now.Add(time.Duration(i)), fmt.Sprint("good ", i))
	}
	record(ld, "a", now, strings.Repeat("x", 101))
	record(ld, "a", now, strings.Repeat("y", 300))
	record(ld, "a", now.Add(-3*time.Hour), "old")
	many := record(ld, "a", now, "metadata")
	for i := range 6 {
		many.Attributes().PutInt(fmt.Sprint("a", i), 1)
	}
	for i := range 4 {
		record(ld, strings.Repeat("long", 10), now, fmt.Sprint("of a refused stream ", i))
	}
	record(ld, "b", now, "good too")
	accepted(t, p, ld)

	assert.Len(t, query(t, server, `{service_name=~".+"}`), 11)
	for reason, want := range map[string]float64{"line_too_long": 2, "too_old": 1, "metadata": 1, "labels": 4} {
		got, err := ask.Metric(p.Telemetry(), "otelcol_exporter_loki_refused_entries", `reason="`+reason+`"`)
		require.NoError(t, err)
		assert.Equal(t, want, got, reason)
	}
	got, err := ask.Metric(p.Telemetry(), "otelcol_exporter_loki_accepted_entries")
	require.NoError(t, err)
	assert.Equal(t, 11.0, got)
}

// Behind the journal exactly the entries that Loki refuses are in the dead letter: a job that reads it has the same entries refused, and no others.
func TestRefusedEntriesAreInTheDeadLetter(t *testing.T) {
	narrow := loki.Start(t, loki.Settings{Limits: "{max_line_size: 100B, max_structured_metadata_entries_count: 12}"})
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_LOKI_URL": narrow.URL(), "PENSTOCK_LAKE_URL": "off"}})
	now := time.Now()
	ld := plog.NewLogs()
	for i := range 40 {
		lr := record(ld, fmt.Sprint("service-", i%2), now.Add(time.Duration(i)), fmt.Sprint("good ", i))
		switch i % 10 {
		case 3:
			lr.Body().SetStr(fmt.Sprint("long ", i, strings.Repeat("x", 100+i)))
		case 7:
			lr.Body().SetStr(fmt.Sprint("wide ", i))
			for n := range 20 { // past the limit
				lr.Attributes().PutInt(fmt.Sprint("a", n), 1)
			}
		}
	}
	accepted(t, p, ld)
	refused := func(reason string, want float64) {
		ask.Eventually(t, func() error {
			n, err := ask.Metric(p.Telemetry(), "otelcol_exporter_loki_refused_entries", `reason="`+reason+`"`)
			if err == nil && n != want {
				err = fmt.Errorf("%v entries: %s", n, reason)
			}
			return err
		})
	}
	refused("line_too_long", 4)
	refused("metadata", 4)
	assert.Len(t, query(t, narrow, `{service_name=~"service-.*"}`), 32)

	letters, err := ask.Metric(p.Telemetry(), "otelcol_receiver_kafka_replay_dead_letters")
	require.NoError(t, err)
	assert.Positive(t, letters)
	resp, err := http.Post("http://"+p.Admin()+"/v1/replays", "application/json", strings.NewReader(`{"id":"letters","signal":"logs","from":"-1h","source":"deadletter"}`))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	refused("line_too_long", 8) // once more each, and nothing else
	refused("metadata", 8)
	assert.Len(t, query(t, narrow, `{service_name=~"service-.*"}`), 32)
}

// Loki answers 204 to a request although it refused one of its streams. The exporter never lets that happen to it.
func TestHiddenRefusal(t *testing.T) {
	server := loki.Start(t, loki.Settings{})
	now := time.Now()
	old := now.Add(-2 * time.Hour)

	// The trap itself, with a plain request. The order of streams inside Loki is the request's.
	stream := func(service string, at time.Time, line string) push.Stream {
		return push.Stream{Labels: `{service_name="` + service + `"}`, Entries: []push.Entry{{Timestamp: at, Line: line}}}
	}
	require.Equal(t, http.StatusNoContent, pushRaw(t, server, stream("trap", now, "new")))
	require.Equal(t, http.StatusNoContent, pushRaw(t, server, stream("trap", old, "lost"), stream("other", now, "fine")),
		"Loki reports the refusal now: sending streams alone could end")
	require.Len(t, query(t, server, `{service_name="trap"}`), 1)

	p := exporter(t, server, `late_label: ""`)
	first := plog.NewLogs()
	record(first, "late", now, "new")
	record(first, "calm", now, "new")
	accepted(t, p, first)
	second := plog.NewLogs()
	record(second, "late", old, "lost")
	record(second, "calm", now.Add(time.Second), "fine")
	accepted(t, p, second)
	got, err := ask.Metric(p.Telemetry(), "otelcol_exporter_loki_refused_entries", `reason="too_far_behind"`)
	require.NoError(t, err)
	assert.Equal(t, 1.0, got)
	assert.Len(t, query(t, server, `{service_name="late"}`), 1)
	assert.Len(t, query(t, server, `{service_name="calm"}`), 2)
}

// Two days are sent again, newest first, into streams that have newer entries already: Loki refuses none.
func TestReplayOfOldData(t *testing.T) {
	server := loki.Start(t, loki.Settings{})
	p := exporter(t, server)
	now := time.Now()
	const hours, perHour = 48, 20
	for h := range hours {
		ld := plog.NewLogs()
		for i := range perHour {
			age := time.Duration(h)*time.Hour + time.Duration((i*7)%perHour)*3*time.Minute
			record(ld, "a", now.Add(-age), fmt.Sprintf("%d/%d", h, i))
		}
		accepted(t, p, ld)
	}
	entries, err := server.Query(t.Context(), tenant, `{service_name="a"}`, now.Add(-(hours+1)*time.Hour), now.Add(time.Minute))
	require.NoError(t, err)
	assert.Equal(t, hours*perHour, len(entries))
	refused, err := ask.Metric(p.Telemetry(), "otelcol_exporter_loki_refused_entries")
	require.NoError(t, err)
	assert.Zero(t, refused)
}

func pushRaw(t *testing.T, server *loki.Server, streams ...push.Stream) int {
	t.Helper()
	body, err := (&push.PushRequest{Streams: streams}).Marshal()
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL()+"/loki/api/v1/push", bytes.NewReader(snappy.Encode(nil, body)))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("X-Scope-OrgID", tenant)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

// A label that explodes does not meet Loki's stream limit: its values are metadata, and every line is found by them.
func TestExplodingLabel(t *testing.T) {
	server := loki.Start(t, loki.Settings{Limits: "{max_global_streams_per_user: 60}"})
	p := exporter(t, server,
		"labels: [{name: service_name, resource: [service.name]}, {name: user, record: [user.id]}]",
		"stream_limit: {max_streams: 50}")
	now := time.Now().Add(-time.Minute)
	for b := range 10 {
		ld := plog.NewLogs()
		for i := range 50 {
			record(ld, "a", now.Add(time.Duration(b*50+i)*time.Millisecond), "x").Attributes().PutStr("user.id", fmt.Sprint("u", b*50+i))
		}
		accepted(t, p, ld)
	}
	streams, err := server.Streams(t.Context(), tenant, now.Add(-time.Hour), time.Now())
	require.NoError(t, err)
	assert.LessOrEqual(t, len(streams), 60)
	assert.Len(t, query(t, server, `{service_name="a"}`), 500)
	for _, user := range []string{"u0", "u77", "u499"} {
		assert.Len(t, query(t, server, `{service_name="a"} | user="`+user+`"`), 1, user)
	}
	moves, err := ask.Metric(p.Telemetry(), "otelcol_exporter_loki_label_moves")
	require.NoError(t, err)
	assert.Equal(t, 1.0, moves)
	assert.Contains(t, p.Log(), "A label has too many values")
}

// Tenants do not see each other, and one that is limited does not hold up another for good.
func TestTenants(t *testing.T) {
	server := loki.Start(t, loki.Settings{})
	p := exporter(t, server)
	ld := plog.NewLogs()
	record(ld, "a", time.Now(), "from an attribute")
	ld.ResourceLogs().At(0).Resource().Attributes().PutStr("tenant.id", "team-a")
	accepted(t, p, ld)
	body, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	require.NoError(t, err)
	answer, err := send.Post(p.HTTP(), "/v1/logs", body, "Content-Type", "application/x-protobuf", "X-Scope-OrgID", "team-b")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status)
	for who, want := range map[string]int{"team-a": 1, "team-b": 1, tenant: 0} {
		entries, err := server.Query(context.Background(), who, `{service_name="a"}`, time.Now().Add(-time.Hour), time.Now().Add(time.Minute))
		require.NoError(t, err)
		assert.Len(t, entries, want, who)
	}
}

// A long line comes in parts that give it back; equal lines of one time are all kept.
func TestLongAndIdenticalLines(t *testing.T) {
	server := loki.Start(t, loki.Settings{})
	p := exporter(t, server)
	at := time.Now().Add(-time.Second)
	long := strings.Repeat("0123456789abcdef", 40_000) // 640 kB, Loki takes 256 KiB
	ld := plog.NewLogs()
	record(ld, "long", at, long)
	for range 5 {
		record(ld, "same", at, "connection refused")
	}
	accepted(t, p, ld)
	var joined strings.Builder
	parts := query(t, server, `{service_name="long"}`)
	for i, part := range parts {
		assert.Equal(t, fmt.Sprintf("%d/%d", i+1, len(parts)), part.Labels["line_part"])
		joined.WriteString(part.Line)
	}
	assert.True(t, joined.String() == long, "%d parts of %d bytes", len(parts), joined.Len())
	assert.Len(t, query(t, server, `{service_name="same"}`), 5)
}

// The journal of the standalone profile drives Loki. Both are killed in the middle: every acknowledged line exists, and lines that were read and
// sent again are stored once.
func TestLogsThroughTheJournal(t *testing.T) {
	const batches, size = 40, 250
	server := loki.Start(t, loki.Settings{})
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_LOKI_URL": server.URL(), "PENSTOCK_LAKE_URL": "off"}})
	base := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	for b := range batches {
		switch b {
		case batches / 4, batches / 2:
			p.Kill()
			p.Restart(t)
		case 3 * batches / 4:
			server.Kill()
			server.Run(t)
		}
		ld := plog.NewLogs()
		for i := range size {
			n := b*size + i
			record(ld, fmt.Sprint("service-", n%3), base.Add(time.Duration(n)*time.Millisecond), fmt.Sprintf("%06d", n))
		}
		ask.Eventually(t, func() error { // as a client does that wasn't answered
			answer, err := send.Logs(p.HTTP(), ld)
			if err == nil && answer.Status != http.StatusOK {
				err = fmt.Errorf("status %d: %s", answer.Status, answer.Body)
			}
			return err
		})
	}
	lines := map[string]int{}
	ask.Eventually(t, func() error {
		clear(lines)
		entries, err := server.Query(t.Context(), tenant, `{service_name=~"service-.*"}`, base.Add(-time.Hour), time.Now())
		for _, e := range entries {
			lines[e.Line]++
		}
		if err == nil && len(lines) != batches*size {
			err = fmt.Errorf("%d lines", len(lines))
		}
		return err
	})
	for line, n := range lines {
		require.Equal(t, 1, n, line)
	}
	refused, err := ask.Metric(p.Telemetry(), "otelcol_exporter_loki_refused_entries")
	require.NoError(t, err)
	assert.Zero(t, refused)
}
