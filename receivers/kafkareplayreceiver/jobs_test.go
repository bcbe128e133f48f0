package kafkareplayreceiver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	kafkareplay "github.com/penstockhq/penstock/receivers/kafkareplayreceiver"
)

// adminHost is a host with an extension on which components mount their pages.
type adminHost struct {
	component.Host
	mu     sync.Mutex
	mounts map[string]http.Handler // guarded by mu
}

func newAdminHost() *adminHost {
	return &adminHost{Host: componenttest.NewNopHost(), mounts: map[string]http.Handler{}}
}

func (h *adminHost) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("admin"): h}
}

func (h *adminHost) Start(context.Context, component.Host) error { return nil }
func (h *adminHost) Shutdown(context.Context) error              { return nil }

func (h *adminHost) Mount(id, _ string, handler http.Handler) (func(), error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mounts[id] != nil {
		return nil, errors.New("taken")
	}
	h.mounts[id] = handler
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.mounts, id)
	}, nil
}

// ask sends a request to the API as the admin extension would, and returns the decoded answer.
func (h *adminHost) ask(t testing.TB, method, path, body string) (int, map[string]any) {
	t.Helper()
	h.mu.Lock()
	handler := h.mounts["v1"]
	h.mu.Unlock()
	require.NotNil(t, handler)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	var out map[string]any
	if w.Body.Len() > 0 {
		require.NoError(t, json.NewDecoder(bytes.NewReader(w.Body.Bytes())).Decode(&out), w.Body.String())
	}
	return w.Code, out
}

// create posts a job as soon as the API is ready.
func (h *adminHost) create(t testing.TB, body string) (int, map[string]any) {
	t.Helper()
	var status int
	var out map[string]any
	require.Eventually(t, func() bool {
		status, out = h.ask(t, "POST", "/replays", body)
		return status != http.StatusServiceUnavailable
	}, 30*time.Second, 20*time.Millisecond)
	return status, out
}

func (h *adminHost) job(t testing.TB, id string) map[string]any {
	t.Helper()
	status, out := h.ask(t, "GET", "/replays/"+id, "")
	require.Equal(t, http.StatusOK, status, out)
	return out
}

func (h *adminHost) await(t testing.TB, id, phase string) map[string]any {
	t.Helper()
	var last map[string]any
	require.Eventually(t, func() bool {
		last = h.job(t, id)
		return last["status"].(map[string]any)["phase"] == phase
	}, 30*time.Second, 20*time.Millisecond, "%v", last)
	return last
}

func counts(job map[string]any) map[string]any {
	return job["status"].(map[string]any)["counts"].(map[string]any)
}

func jobsConfig(t testing.TB, w *world) *kafkareplay.Config {
	t.Helper()
	cfg := kafkareplay.NewFactory().CreateDefaultConfig().(*kafkareplay.Config)
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"jobs": map[string]any{}}).Unmarshal(cfg))
	cfg.Kafka.Brokers = w.kafka.ListenAddrs()
	cfg.Kafka.TopicPrefix = "p"
	return cfg
}

// replay starts a receiver with jobs for logs.
func (w *world) replay(t *testing.T, host component.Host, s *sink, change func(*kafkareplay.Config)) receiver.Logs {
	t.Helper()
	factory := kafkareplay.NewFactory()
	cfg := jobsConfig(t, w)
	if change != nil {
		change(cfg)
	}
	require.NoError(t, confmap.Validate(cfg))
	set := receivertest.NewNopSettings(factory.Type())
	set.ID = component.MustNewIDWithName("kafka_replay", "jobs")
	r, err := factory.CreateLogs(t.Context(), set, cfg, s.consumer(t))
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), host))
	t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })
	return r
}

func (w *world) writeAt(t *testing.T, tenant, key string, at time.Time, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		ld := plog.NewLogs()
		l := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		l.Body().SetStr(b)
		l.SetObservedTimestamp(1)
		value, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
		require.NoError(t, err)
		r := journal.Record{Tenant: tenant, Key: key, Value: value, Received: at}
		k := r.Kafka("p.logs")
		k.Timestamp = at
		require.NoError(t, w.c.ProduceSync(t.Context(), k).FirstErr())
	}
}

func TestAJobReplaysARangeOfTimeAndNothingElse(t *testing.T) {
	w := newWorld(t)
	base := time.Now().Add(-3 * time.Hour).Truncate(time.Second)
	w.writeAt(t, "acme", "acme\x00\x00shop", base, bodies("before", 5)...)
	w.writeAt(t, "acme", "acme\x00\x00shop", base.Add(time.Hour), bodies("in", 20)...)
	w.writeAt(t, "other", "other\x00\x00shop", base.Add(time.Hour), bodies("foreign", 5)...)
	w.writeAt(t, "acme", "acme\x00\x00shop", base.Add(2*time.Hour), bodies("after", 5)...)
	host, s := newAdminHost(), newSink()
	w.replay(t, host, s, nil)

	spec := fmt.Sprintf(`{"id":"tuesday","from":%q,"to":%q,"tenants":["acme"],"keys":["*/*/sh*"]`,
		base.Add(30*time.Minute).Format(time.RFC3339), base.Add(90*time.Minute).Format(time.RFC3339))
	status, dry := host.create(t, spec+`,"dry_run":true}`)
	require.Equal(t, http.StatusOK, status, dry)
	estimate := dry["estimate"].(map[string]any)
	assert.EqualValues(t, 20, estimate["records"])
	assert.Equal(t, true, estimate["exact"])
	assert.Len(t, estimate["sample"], 5)
	_, all := host.ask(t, "GET", "/replays", "")
	assert.Empty(t, all["replays"], "a dry run is no job")

	status, made := host.create(t, spec+`}`)
	require.Equal(t, http.StatusCreated, status, made)
	done := host.await(t, "tuesday", "done")
	assert.EqualValues(t, 20, counts(done)["records"])
	assert.EqualValues(t, 20, counts(done)["items"])
	assert.EqualValues(t, 1, done["progress"])
	want := map[string]int{}
	for _, b := range bodies("in", 20) {
		want["[acme]"+b] = 1
	}
	assert.Equal(t, want, s.waitFor(t, 20))

	require.Eventually(t, func() bool { // the state of a job is deleted at its end
		topics, err := kadm.NewClient(w.c).ListTopics(t.Context())
		return err == nil && !slices.Contains(topics.Names(), "p.logs.state.replay-tuesday")
	}, 30*time.Second, 20*time.Millisecond)
	status, again := host.create(t, spec+`}`)
	assert.Equal(t, http.StatusConflict, status, again)
	status, _ = host.ask(t, "DELETE", "/replays/tuesday", "")
	assert.Contains(t, []int{http.StatusAccepted, http.StatusNoContent}, status)
	require.Eventually(t, func() bool {
		status, _ := host.ask(t, "GET", "/replays/tuesday", "")
		return status == http.StatusNotFound
	}, 30*time.Second, 20*time.Millisecond)
}

func TestAJobGoesOnAfterARestart(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 200)...)
	host, s := newAdminHost(), newSink()
	r := w.replay(t, host, s, nil)
	status, made := host.create(t, `{"id":"slow","from":"-1h","records_per_second":60}`)
	require.Equal(t, http.StatusCreated, status, made)
	s.waitFor(t, 80)
	require.NoError(t, r.Shutdown(t.Context()))
	s.mu.Lock()
	before := len(s.seen)
	s.mu.Unlock()
	require.Less(t, before, 200)
	host = newAdminHost()
	w.replay(t, host, s, nil)
	for body, n := range s.waitFor(t, 200) {
		assert.Equal(t, 1, n, body)
	}
	require.Eventually(t, func() bool { // until the new one has read the log
		status, _ := host.ask(t, "GET", "/replays/slow", "")
		return status == http.StatusOK
	}, 30*time.Second, 20*time.Millisecond)
	assert.EqualValues(t, 200, counts(host.await(t, "slow", "done"))["records"])
}

func TestPauseResumeAndCancel(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 400)...)
	host, s := newAdminHost(), newSink()
	w.replay(t, host, s, nil)
	status, made := host.create(t, `{"id":"j","from":"-1h","records_per_second":50}`)
	require.Equal(t, http.StatusCreated, status, made)
	s.waitFor(t, 10)
	status, _ = host.ask(t, "POST", "/replays/j/pause", "")
	require.Equal(t, http.StatusAccepted, status)
	host.await(t, "j", "paused")
	s.mu.Lock()
	paused := len(s.seen)
	s.mu.Unlock()
	assert.Less(t, paused, 380)
	status, _ = host.ask(t, "POST", "/replays/j/resume", "")
	require.Equal(t, http.StatusAccepted, status)
	s.waitFor(t, paused+20)
	status, _ = host.ask(t, "POST", "/replays/j/cancel", "")
	require.Equal(t, http.StatusAccepted, status)
	host.await(t, "j", "cancelled")
	status, out := host.ask(t, "POST", "/replays/j/resume", "")
	assert.Equal(t, http.StatusConflict, status)
	assert.Equal(t, "the job is cancelled", out["error"])
}

func TestAConditionAndAMark(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 10)...)
	w.write(t, "t", bodies("b", 10)...)
	host, s := newAdminHost(), newSink()
	w.replay(t, host, s, nil)
	status, out := host.create(t, `{"from":"-1h","condition":"nonsense =="}`)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, out["error"], "condition:")
	status, out = host.create(t, `{"id":"b","from":"-1h","mark":true,"condition":"IsMatch(log.body, \"^b\")"}`)
	require.Equal(t, http.StatusCreated, status, out)
	done := host.await(t, "b", "done")
	assert.EqualValues(t, 10, counts(done)["records"])
	assert.EqualValues(t, 10, counts(done)["outside"])
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Len(t, s.seen, 10)
	assert.Contains(t, s.seen, "[t]b3")
	assert.Equal(t, map[string]int{"b": 10}, s.marks)
}

// A sink that accepts a batch, and refuses a part of it.
func TestWhatASinkRefusesIsNotCountedAsDelivered(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 40)...)
	host, s := newAdminHost(), newSink()
	s.drops = func(body string) bool { return body == "a3" || body == "a5" }
	w.replay(t, host, s, nil)
	status, out := host.create(t, `{"id":"j","from":"-1h"}`)
	require.Equal(t, http.StatusCreated, status, out)
	done := counts(host.await(t, "j", "done"))
	assert.EqualValues(t, 40, done["records"])
	assert.EqualValues(t, 38, done["items"])
	assert.EqualValues(t, 2, done["refused_items"])
	assert.Equal(t, map[string]any{"sink: dropped": 2.0}, done["refused_for"])
}

func TestOffsetsAndDeadLetters(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 40)...)
	failing := newSink()
	failing.fail = func(body string) error {
		if body == "a3" || body == "a5" {
			return consumererror.NewPermanent(errors.New("never"))
		}
		return nil
	}
	w.follow(t, "loki", failing)
	failing.waitFor(t, 38)
	host, s := newAdminHost(), newSink()
	w.replay(t, host, s, nil)
	status, out := host.create(t, `{"id":"letters","from":"-1h","source":"deadletter","headers":{"penstock-reason":"refused*"}}`)
	require.Equal(t, http.StatusCreated, status, out)
	host.await(t, "letters", "done")
	assert.Equal(t, map[string]int{"[t]a3": 1, "[t]a5": 1}, s.waitFor(t, 2))

	status, out = host.create(t, `{"id":"few","offsets":[{"partition":1,"first":2,"next":5}]}`)
	require.Equal(t, http.StatusCreated, status, out)
	assert.EqualValues(t, 3, counts(host.await(t, "few", "done"))["records"])
	status, out = host.create(t, `{"offsets":[{"partition":1,"first":2,"next":5000}]}`)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, out["error"], "offsets: partition 1 of p.logs ends at")
}

func TestThePreflightRefusesWhatRetentionHasTaken(t *testing.T) {
	w := newWorld(t)
	w.writeAt(t, "t", "k", time.Now().Add(-2*time.Hour), bodies("old", 10)...)
	w.writeAt(t, "t", "k", time.Now().Add(-time.Hour), bodies("new", 10)...)
	ends, err := kadm.NewClient(w.c).ListEndOffsets(t.Context(), "p.logs")
	require.NoError(t, err)
	trim := kadm.Offsets{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset == 20 {
			trim.AddOffset("p.logs", o.Partition, 10, -1)
		}
	})
	_, err = kadm.NewClient(w.c).DeleteRecords(t.Context(), trim)
	require.NoError(t, err)
	host, s := newAdminHost(), newSink()
	w.replay(t, host, s, nil)
	status, out := host.create(t, `{"id":"r","from":"-3h"}`)
	require.Equal(t, http.StatusConflict, status, out)
	assert.Contains(t, fmt.Sprint(out["problems"]), "retention: partition")
	status, out = host.create(t, `{"id":"r","from":"-3h","force":true}`)
	require.Equal(t, http.StatusCreated, status, out)
	assert.EqualValues(t, 10, counts(host.await(t, "r", "done"))["records"])
	assert.Contains(t, fmt.Sprint(host.job(t, "r")["warnings"]), "retention")
}

func TestAConfiguredJobRunsOnce(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 10)...)
	s := newSink()
	once := func(c *kafkareplay.Config) {
		require.NoError(t, confmap.NewFromStringMap(map[string]any{"jobs": map[string]any{
			"run": []any{map[string]any{"id": "once", "from": "-1h"}},
		}}).Unmarshal(c))
	}
	host := newAdminHost()
	r := w.replay(t, host, s, once)
	s.waitFor(t, 10)
	host.await(t, "once", "done")
	require.NoError(t, r.Shutdown(t.Context()))
	host = newAdminHost()
	w.replay(t, host, s, once)
	status, out := host.create(t, `{"id":"marker","from":"-1h","tenants":["nobody"]}`)
	require.Equal(t, http.StatusCreated, status, out)
	host.await(t, "marker", "done")
	for body, n := range s.waitFor(t, 10) {
		assert.Equal(t, 1, n, body)
	}
}

func TestAConfiguredJobHeedsThePreflightUnlessForced(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 10)...)
	host, s := newAdminHost(), newSink()
	w.replay(t, host, s, func(c *kafkareplay.Config) {
		require.NoError(t, confmap.NewFromStringMap(map[string]any{"jobs": map[string]any{
			"targets": []any{map[string]any{"type": "other", "signal": "logs", "max_age": "1m"}},
			"run":     []any{map[string]any{"id": "careful", "from": "-1h"}, map[string]any{"id": "forced", "from": "-1h", "force": true}},
		}}).Unmarshal(c))
	})
	s.waitFor(t, 10)
	assert.EqualValues(t, 10, counts(host.await(t, "forced", "done"))["records"])
	assert.Contains(t, fmt.Sprint(host.job(t, "forced")["warnings"]), "max_age is 1m0s")
	assert.Contains(t, fmt.Sprint(host.await(t, "careful", "failed")), "max_age is 1m0s")
}

func TestOldPagesLeadToTheConsole(t *testing.T) {
	w := newWorld(t)
	host, s := newAdminHost(), newSink()
	w.replay(t, host, s, nil)
	for _, path := range []string{"/", "/new", "/v1/"} {
		rec := httptest.NewRecorder()
		host.mounts["kafka_replay/jobs"].ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		assert.Equal(t, http.StatusFound, rec.Code, path)
		assert.Equal(t, "../../console/#/replay", rec.Header().Get("Location"), path)
	}
}

func TestWrongRequestsNameTheKey(t *testing.T) {
	w := newWorld(t)
	host, s := newAdminHost(), newSink()
	w.replay(t, host, s, nil)
	for body, want := range map[string]string{
		`{"from":"-1h","surprise":1}`:            "body: must be one job in JSON without unknown members",
		`{"from":"-1h"`:                          "body: must be one job in JSON",
		`{"from":1}`:                             "from: must be of type string",
		`{"from":"-1h","condition":"surprise("}`: "condition: must be an OTTL condition",
		`{}`:                                     "from: must be set",
		`{"from":"yesterday"}`:                   "from:",
		`{"from":"-1h","to":"-2h"}`:              "to:",
		`{"from":"-1h","signal":"traces"}`:       "signal: this receiver is in no pipeline for traces",
		`{"from":"-1h","replace":{}}`:            "replace: logs can't be replaced",
		`{"from":"-1h","id":"Not good"}`:         "id:",
		`{"from":"-1h","keys":["["]}`:            "keys:",
		`{"from":"-1h","source":"lake"}`:         "source:",
		`{"offsets":[{"partition":9,"next":1}]}`: "offsets: p.logs has no partition 9",
	} {
		status, out := host.create(t, body)
		assert.Equal(t, http.StatusBadRequest, status, body)
		assert.Contains(t, out["error"], want, body)
		assert.NotContains(t, out["error"], "surprise", "an answer repeats nothing of the request")
	}
	status, out := host.create(t, `{"id":"`+strings.Repeat("surprise", 10_000)+`"}`)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "body: is larger than 65536 bytes", out["error"])
}

// tsdbHost has an admin extension that knows a token, and a TSDB of this process that listens at tsdb.example:9090.
type tsdbHost struct {
	*adminHost
	deleted atomic.Int64
}

func (h *tsdbHost) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("admin"): h}
}

func (h *tsdbHost) Authorize(r *http.Request, _ string) (string, error) {
	if r.Header.Get("Authorization") != "Bearer right" {
		return "", errors.New("needs the admin token")
	}
	return "bob", nil
}

func (h *tsdbHost) LocalAPI(endpoint string) (http.Handler, bool) {
	mux := http.NewServeMux()
	for path, answer := range map[string]string{
		"/api/v1/status/config": `{"data":{"yaml":"storage: {tsdb: {out_of_order_time_window: 1w}}"}}`,
		"/api/v1/status/tsdb":   `{"data":{"headStats":{"minTime":9223372036854775807}}}`,
		"/api/v1/status/flags":  `{"data":{"web.enable-admin-api":"true","storage.tsdb.delete-compacts-head":"true"}}`,
		"/api/v1/query":         `{"data":{"result":[]}}`,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) })
	}
	mux.HandleFunc("POST /api/v1/admin/tsdb/delete_series", func(http.ResponseWriter, *http.Request) { h.deleted.Add(1) })
	mux.HandleFunc("POST /api/v1/admin/tsdb/clean_tombstones", func(http.ResponseWriter, *http.Request) {})
	return mux, endpoint == "http://tsdb.example:9090"
}

// A replay deletes in a TSDB of this process without a token or a connection; the client that requests it needs the token.
func TestReplaceNeedsTheAdminToken(t *testing.T) {
	w := newWorld(t)
	_, _, err := cluster.Ensure(t.Context(), w.c, "p", journal.Metrics, cluster.DefaultTopicsConfig())
	require.NoError(t, err)
	host := &tsdbHost{adminHost: newAdminHost()}
	factory := kafkareplay.NewFactory()
	cfg := factory.CreateDefaultConfig().(*kafkareplay.Config)
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"jobs": map[string]any{
		"targets": []any{map[string]any{"type": "prometheus", "endpoint": "http://tsdb.example:9090"}},
	}}).Unmarshal(cfg))
	cfg.Kafka.Brokers, cfg.Kafka.TopicPrefix = w.kafka.ListenAddrs(), "p"
	r, err := factory.CreateMetrics(t.Context(), receivertest.NewNopSettings(factory.Type()), cfg, consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), host))
	t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })

	const job = `{"id":"j","from":"-3h","to":"-1h","replace":{"match":["up"]}`
	status, dry := host.create(t, job+`,"dry_run":true}`)
	require.Equal(t, http.StatusOK, status, "it changes nothing: %v", dry)
	post := func(token string) int {
		request := httptest.NewRequest(http.MethodPost, "/replays", strings.NewReader(job+"}"))
		request.Header.Set("Authorization", token)
		answer := httptest.NewRecorder()
		host.mounts["v1"].ServeHTTP(answer, request)
		return answer.Code
	}
	assert.Equal(t, http.StatusUnauthorized, post(""))
	assert.Equal(t, http.StatusUnauthorized, post("Bearer wrong"))
	assert.Zero(t, host.deleted.Load())
	_, all := host.ask(t, http.MethodGet, "/replays", "")
	assert.Empty(t, all["replays"])

	require.Equal(t, http.StatusCreated, post("Bearer right"))
	done := host.await(t, "j", "done")
	assert.Contains(t, done["by"], "bob at ", "the name that was authorized")
	assert.Positive(t, host.deleted.Load())
}

func TestAJobGivesWayToALiveGroupThatLags(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 200)...)
	live := newSink()
	var down atomic.Bool
	down.Store(true)
	live.fail = func(string) error {
		if down.Load() {
			return errors.New("down")
		}
		return nil
	}
	w.follow(t, "loki", live)
	host, s := newAdminHost(), newSink()
	w.replay(t, host, s, func(c *kafkareplay.Config) { c.Jobs.Get().LiveLag = 50 })
	status, made := host.create(t, `{"id":"polite","from":"-1h","records_per_second":10}`)
	require.Equal(t, http.StatusCreated, status, made)
	yielding := func() string {
		text, _ := host.job(t, "polite")["status"].(map[string]any)["yielding"].(string)
		return text
	}
	require.Eventually(t, func() bool { return strings.Contains(yielding(), "p.logs.loki, 200 records behind") }, 30*time.Second, 20*time.Millisecond)
	down.Store(false)
	live.waitFor(t, 200)
	require.Eventually(t, func() bool { return yielding() == "" }, 30*time.Second, 20*time.Millisecond)
}

func TestSeveralReceiversHaveAddressesOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	host := newAdminHost()
	factory := kafkareplay.NewFactory()
	for _, name := range []string{"a", "b"} {
		cfg := factory.CreateDefaultConfig().(*kafkareplay.Config)
		require.NoError(t, confmap.NewFromStringMap(map[string]any{"jobs": map[string]any{}}).Unmarshal(cfg))
		cfg.Kafka.Brokers, cfg.Kafka.TopicPrefix = w.kafka.ListenAddrs(), "p"
		set := receivertest.NewNopSettings(factory.Type())
		set.ID = component.MustNewIDWithName("kafka_replay", name)
		r, err := factory.CreateLogs(t.Context(), set, cfg, newSink().consumer(t))
		require.NoError(t, err)
		require.NoError(t, r.Start(t.Context(), host))
		t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })
	}
	status, out := host.ask(t, "GET", "/replays", "")
	assert.Equal(t, http.StatusMultipleChoices, status)
	assert.Equal(t, []any{"/kafka_replay/a/v1/replays", "/kafka_replay/b/v1/replays"}, out["addresses"])
}

// Two instances know the same jobs; when the one that runs them stops, the other continues.
func TestAnotherInstanceTakesOver(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 300)...)
	one, two, s := newAdminHost(), newAdminHost(), newSink()
	first := w.replay(t, one, s, nil)
	status, made := one.create(t, `{"id":"j","from":"-1h","records_per_second":60}`)
	require.Equal(t, http.StatusCreated, status, made)
	w.replay(t, two, s, nil)
	s.waitFor(t, 20)
	require.NoError(t, first.Shutdown(t.Context()))
	for body, n := range s.waitFor(t, 300) {
		assert.Equal(t, 1, n, body)
	}
	assert.EqualValues(t, 300, counts(two.await(t, "j", "done"))["records"])
}

func TestAJobThatFindsNothingSaysSo(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 10)...)
	host, s := newAdminHost(), newSink()
	w.replay(t, host, s, nil)
	status, dry := host.create(t, `{"from":"-1h","tenants":["nobody"],"dry_run":true}`)
	require.Equal(t, http.StatusOK, status, dry)
	assert.Equal(t, []any{"nothing would be replayed: the range has 10 records, and the job selects none of those that were sampled"}, dry["problems"])
	status, dry = host.create(t, `{"from":"-3h","to":"-2h","dry_run":true}`)
	require.Equal(t, http.StatusOK, status, dry)
	assert.Equal(t, []any{"nothing would be replayed: the journal has no record in the range"}, dry["problems"])

	status, out := host.create(t, `{"id":"selects","from":"-1h","tenants":["nobody"]}`)
	require.Equal(t, http.StatusCreated, status, out)
	assert.Equal(t, "nothing was replayed: the job does not select 10 records of the range, and 0 can't be read", host.await(t, "selects", "done")["status"].(map[string]any)["reason"])
	status, out = host.create(t, `{"id":"empty","from":"-3h","to":"-2h"}`)
	require.Equal(t, http.StatusCreated, status, out)
	assert.Equal(t, "nothing was replayed: the journal has no record in the range", host.await(t, "empty", "done")["status"].(map[string]any)["reason"])
	status, out = host.create(t, `{"id":"finds","from":"-1h"}`)
	require.Equal(t, http.StatusCreated, status, out)
	assert.Nil(t, host.await(t, "finds", "done")["status"].(map[string]any)["reason"])
}
