package embeddedtsdbextension

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/database"
	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/metadata"
	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/metadatatest"
	"github.com/penstockhq/penstock/internal/freeport"
)

// server is a started extension with a client.
type server struct {
	t   *testing.T
	ext *tsdbExtension
	url string
	tel *componenttest.Telemetry
}

func testConfig(t *testing.T, dir string) *Config {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	cfg.Directory = dir
	cfg.HTTP.NetAddr.Endpoint = freeport.One(t)
	return cfg
}

// launch starts the extension without waiting for its database.
func launch(t *testing.T, cfg *Config, prepare func(*tsdbExtension)) *server {
	t.Helper()
	return launchIn(t, cfg, componenttest.NewNopHost(), prepare)
}

func launchIn(t *testing.T, cfg *Config, host component.Host, prepare func(*tsdbExtension)) *server {
	t.Helper()
	require.NoError(t, cfg.Validate())
	tel := componenttest.NewTelemetry()
	set := extensiontest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = tel.NewTelemetrySettings()
	ext, err := NewFactory().Create(t.Context(), set, cfg)
	require.NoError(t, err)
	e := ext.(*tsdbExtension)
	if prepare != nil {
		prepare(e)
	}
	require.NoError(t, e.Start(t.Context(), host))
	s := &server{t: t, ext: e, url: "http://" + cfg.HTTP.NetAddr.Endpoint, tel: tel}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		require.NoError(t, e.Shutdown(context.Background())) // the test's own context has ended
		require.NoError(t, tel.Shutdown(context.Background()))
	})
	return s
}

func start(t *testing.T, cfg *Config) *server {
	t.Helper()
	s := launch(t, cfg, nil)
	<-s.ext.opened
	return s
}

// startIn starts the extension beside others.
func startIn(t *testing.T, cfg *Config, host component.Host) *server {
	t.Helper()
	s := launchIn(t, cfg, host, nil)
	<-s.ext.opened
	return s
}

func (s *server) do(method, path string, body io.Reader, header http.Header) (int, http.Header, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, body)
	require.NoError(s.t, err)
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return resp.StatusCode, resp.Header, string(text)
}

func (s *server) get(path string) string {
	s.t.Helper()
	code, _, text := s.do(http.MethodGet, path, nil, nil)
	require.Equal(s.t, http.StatusOK, code, text)
	return text
}

// values runs an instant query and returns each result's value by its labels.
func (s *server) values(query string, at time.Time) map[string]string {
	s.t.Helper()
	text := s.get("/api/v1/query?" + url.Values{"query": {query}, "time": {at.Format(time.RFC3339Nano)}}.Encode())
	var answer struct {
		Data struct {
			Result []struct {
				Metric labels.Labels
				Value  [2]any
			}
		}
	}
	require.NoError(s.t, json.Unmarshal([]byte(text), &answer))
	got := map[string]string{}
	for _, r := range answer.Data.Result {
		got[r.Metric.String()], _ = r.Value[1].(string)
	}
	return got
}

func (s *server) write(msg proto.Message, contentType string) (int, http.Header, string) {
	s.t.Helper()
	raw, err := proto.Marshal(msg)
	require.NoError(s.t, err)
	return s.do(http.MethodPost, "/api/v1/write", bytes.NewReader(snappy.Encode(nil, raw)), http.Header{
		"Content-Type": {contentType}, "Content-Encoding": {"snappy"},
	})
}

const (
	contentV1 = "application/x-protobuf"
	contentV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
)

func v1(t time.Time, samples map[string]float64) *prompb.WriteRequest {
	req := &prompb.WriteRequest{}
	for name, v := range samples {
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: "__name__", Value: name}, {Name: "job", Value: "shop"}},
			Samples: []prompb.Sample{{Value: v, Timestamp: t.UnixMilli()}},
		})
	}
	return req
}

func TestAnswers503WhileTheLogIsRead(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	s := start(t, testConfig(t, dir))
	many := map[string]float64{}
	for i := range 2000 {
		many[fmt.Sprintf("loaded_%d", i)] = float64(i)
	}
	code, _, text := s.write(v1(now, many), contentV1)
	require.Equal(t, http.StatusNoContent, code, text)
	require.NoError(t, s.ext.Shutdown(t.Context()))

	release := make(chan struct{})
	s = launch(t, testConfig(t, dir), func(e *tsdbExtension) {
		e.openDatabase = func(set database.Settings, l *database.Loading) (*database.DB, error) {
			<-release
			return database.Open(set, l)
		}
	})
	for _, path := range []string{"/api/v1/query?query=up", "/-/ready", "/metrics"} {
		code, header, text := s.do(http.MethodGet, path, nil, nil)
		assert.Equal(t, http.StatusServiceUnavailable, code, path)
		assert.Equal(t, "1", header.Get("Retry-After"), path)
		assert.Contains(t, text, "not ready")
	}
	code, _, _ = s.write(v1(now, many), contentV1)
	assert.Equal(t, http.StatusServiceUnavailable, code)
	assert.Contains(t, s.get("/-/healthy"), "alive")
	_, err := s.ext.Appender(t.Context())
	require.ErrorContains(t, err, "not ready")

	close(release)
	<-s.ext.opened
	assert.Contains(t, s.get("/-/ready"), "ready")
	assert.Equal(t, map[string]string{"{}": "2000"}, s.values(`count({__name__=~"loaded_.*"})`, now))
}

func TestRemoteWriteBothVersions(t *testing.T) {
	s := start(t, testConfig(t, t.TempDir()))
	now := time.Now()
	code, header, text := s.write(v1(now, map[string]float64{"old_style": 1.5}), contentV1)
	require.Equal(t, http.StatusNoContent, code, text)
	assert.Empty(t, header.Get("X-Prometheus-Remote-Write-Samples-Written"))

	symbols := writev2.NewSymbolTable()
	refs := func(pairs ...string) (r []uint32) {
		for _, p := range pairs {
			r = append(r, symbols.Symbolize(p))
		}
		return r
	}
	native := &histogram.Histogram{
		Schema: 0, Count: 7, Sum: 12, ZeroThreshold: 1e-9, ZeroCount: 1,
		PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []int64{2, 2},
	}
	custom := &histogram.Histogram{
		Schema: histogram.CustomBucketsSchema, Count: 3, Sum: 4, CustomValues: []float64{1, 2},
		PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []int64{1, 1},
	}
	req := &writev2.Request{Timeseries: []writev2.TimeSeries{
		{
			LabelsRefs: refs("__name__", "orders_total", "job", "shop"),
			Samples:    []writev2.Sample{{Value: 42, Timestamp: now.UnixMilli(), StartTimestamp: now.Add(-time.Minute).UnixMilli()}},
			Exemplars:  []writev2.Exemplar{{LabelsRefs: refs("trace_id", "abc"), Value: 3, Timestamp: now.UnixMilli()}},
			Metadata:   writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: symbols.Symbolize("Orders taken.")},
		},
		{
			LabelsRefs: refs("__name__", "latency", "job", "shop"),
			Histograms: []writev2.Histogram{writev2.FromIntHistogram(now.UnixMilli(), native)},
		},
		{
			LabelsRefs: refs("__name__", "sizes", "job", "shop"),
			Histograms: []writev2.Histogram{writev2.FromIntHistogram(now.UnixMilli(), custom)},
		},
		{ // no name: refused alone
			LabelsRefs: refs("job", "shop"),
			Samples:    []writev2.Sample{{Value: 1, Timestamp: now.UnixMilli()}},
		},
	}}
	req.Symbols = symbols.Symbols()
	code, header, text = s.write(req, contentV2)
	assert.Equal(t, http.StatusBadRequest, code)
	assert.Contains(t, text, "invalid metric name")
	assert.Equal(t, "1", header.Get("X-Prometheus-Remote-Write-Samples-Written"))
	assert.Equal(t, "2", header.Get("X-Prometheus-Remote-Write-Histograms-Written"))
	assert.Equal(t, "1", header.Get("X-Prometheus-Remote-Write-Exemplars-Written"))

	assert.Equal(t, map[string]string{`{__name__="old_style", job="shop"}`: "1.5"}, s.values("old_style", now))
	assert.Equal(t, map[string]string{`{job="shop"}`: "7"}, s.values("histogram_count(latency)", now))
	assert.Equal(t, map[string]string{`{job="shop"}`: "4"}, s.values("histogram_sum(sizes)", now))
	exemplars := s.get("/api/v1/query_exemplars?" + url.Values{
		"query": {"orders_total"}, "start": {strconv.FormatInt(now.Unix()-60, 10)}, "end": {strconv.FormatInt(now.Unix()+60, 10)},
	}.Encode())
	assert.Contains(t, exemplars, `"trace_id":"abc"`)
	// The requests of Grafana's data source.
	assert.Contains(t, s.get("/api/v1/metadata"), `"orders_total":[{"type":"counter","unit":"","help":"Orders taken."}]`)
	assert.Contains(t, s.get("/api/v1/status/buildinfo"), `"version":"3.`)
	assert.Contains(t, s.get("/api/v1/labels"), `"job"`)
	assert.Contains(t, s.get("/api/v1/label/__name__/values"), `"orders_total"`)
	assert.Contains(t, s.get("/api/v1/series?match[]=latency"), `"latency"`)
	assert.Contains(t, s.get("/api/v1/rules"), `"groups":[]`)
	assert.Contains(t, s.get("/api/v1/alerts"), `"alerts":[]`)
	for _, path := range []string{"runtimeinfo", "tsdb", "flags", "config", "walreplay"} {
		assert.Contains(t, s.get("/api/v1/status/"+path), `"success"`)
	}
	assert.Contains(t, s.get("/metrics"), "prometheus_tsdb_head_series")
	code, _, _ = s.do(http.MethodPost, "/api/v1/query_range", strings.NewReader(url.Values{
		"query": {"old_style"}, "start": {strconv.FormatInt(now.Unix()-60, 10)}, "end": {strconv.FormatInt(now.Unix()+60, 10)}, "step": {"15"},
	}.Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	assert.Equal(t, http.StatusOK, code)
	code, _, _ = s.do(http.MethodPost, "/api/v1/write", bytes.NewReader(snappy.Encode(nil, nil)), http.Header{"Content-Type": {"text/plain"}, "Content-Encoding": {"snappy"}})
	assert.Equal(t, http.StatusUnsupportedMediaType, code)
	code, _, text = s.write(v1(now, map[string]float64{"lost": 1}), contentV2)
	assert.Equal(t, http.StatusBadRequest, code)
	assert.Contains(t, text, "a message of remote write 1.0")
	code, _, _ = s.do(http.MethodPost, "/api/v1/write", strings.NewReader("x"), http.Header{"Content-Type": {contentV1}, "Content-Encoding": {"gzip"}})
	assert.Equal(t, http.StatusUnsupportedMediaType, code)
}

// refused is the samples that were refused, by reason.
func (s *server) refused() map[string]int64 {
	s.t.Helper()
	t := s.t
	refused, err := s.tel.GetMetric("otelcol_extension_embedded_tsdb_refused_samples")
	require.NoError(t, err)
	raw, err := json.Marshal(refused.Data)
	require.NoError(t, err)
	var data struct {
		DataPoints []struct {
			Attributes []struct{ Value struct{ Value string } }
			Value      int64
		}
	}
	require.NoError(t, json.Unmarshal(raw, &data))
	got := map[string]int64{}
	for _, p := range data.DataPoints {
		got[p.Attributes[0].Value.Value] = p.Value
	}
	return got
}

// Remote write refuses labels and times before the storage sees them: 1.0 with 204 for labels, 2.0 with 400 and the rest kept.
// Both are counted.
func TestWhatRemoteWriteRefusesIsCounted(t *testing.T) {
	s := start(t, testConfig(t, t.TempDir()))
	now := time.Now()
	bad := v1(now, map[string]float64{"good": 1})
	bad.Timeseries = append(bad.Timeseries,
		prompb.TimeSeries{Labels: []prompb.Label{{Name: "job", Value: "no name"}}, Samples: []prompb.Sample{{Value: 1, Timestamp: now.UnixMilli()}}},
		prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: "twice"}, {Name: "a", Value: "1"}, {Name: "a", Value: "2"}}, Samples: []prompb.Sample{{Value: 1, Timestamp: now.UnixMilli()}}})
	code, _, _ := s.write(bad, contentV1)
	assert.Equal(t, http.StatusNoContent, code)
	code, _, _ = s.write(v1(now.Add(time.Hour), map[string]float64{"ahead": 1}), contentV1)
	assert.Equal(t, http.StatusBadRequest, code)
	assert.EqualValues(t, 2, s.refused()["invalid"])
	assert.EqualValues(t, 1, s.refused()["future"])

	symbols := writev2.NewSymbolTable()
	series := func(at time.Time, pairs ...string) (ts writev2.TimeSeries) {
		for _, p := range pairs {
			ts.LabelsRefs = append(ts.LabelsRefs, symbols.Symbolize(p))
		}
		ts.Samples = []writev2.Sample{{Value: 1, Timestamp: at.UnixMilli()}}
		return ts
	}
	req := &writev2.Request{Timeseries: []writev2.TimeSeries{
		series(now, "job", "no name"), series(now.Add(time.Hour), "__name__", "ahead"), series(now.Add(2*time.Hour), "__name__", "further ahead"), series(now, "__name__", "kept"),
	}}
	req.Symbols = symbols.Symbols()
	code, _, _ = s.write(req, contentV2)
	assert.Equal(t, http.StatusBadRequest, code)
	assert.EqualValues(t, 3, s.refused()["invalid"])
	assert.EqualValues(t, 3, s.refused()["future"])
	assert.Len(t, s.values("{__name__=~\"good|kept\"}", now), 2)
}

func TestRefusedSamplesAreCountedByReason(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.MaxSeries = 2
	cfg.OutOfOrderWindow = time.Minute
	s := start(t, cfg)
	now := time.Now()
	app, err := s.ext.Appender(t.Context())
	require.NoError(t, err)
	add := func(name string, at time.Time, v float64) error {
		ls := labels.EmptyLabels()
		if name != "" {
			ls = labels.FromStrings("__name__", name)
		}
		_, err := app.Append(0, ls, 0, at.UnixMilli(), v, nil, nil, storage.AppendV2Options{})
		return err
	}
	require.NoError(t, add("a", now, 1))
	require.NoError(t, add("b", now, 1))
	require.NoError(t, app.Commit())
	app, err = s.ext.Appender(t.Context())
	require.NoError(t, err)
	require.NoError(t, add("a", now.Add(time.Second), 2), "a known series is not one too many")
	require.ErrorContains(t, add("c", now, 1), "max_series")
	require.ErrorContains(t, add("a", now.Add(11*time.Minute), 1), "future")
	require.ErrorContains(t, add("", now, 1), "invalid")
	require.ErrorIs(t, add("a", now, 3), storage.ErrDuplicateSampleForTimestamp)
	require.ErrorIs(t, add("a", now.Add(-3*time.Hour), 3), storage.ErrTooOldSample)
	require.NoError(t, app.Commit())
	code, _, text := s.write(v1(now, map[string]float64{"d": 1}), contentV1)
	assert.Equal(t, http.StatusBadRequest, code, "a client must not repeat it")
	assert.Contains(t, text, "max_series")

	got := s.refused()
	assert.Equal(t, map[string]int64{
		"duplicate": 1, "future": 1, "invalid": 1, "out_of_bounds": 0, "out_of_order": 0, "series_limit": 2, "too_old": 1,
	}, got)
	_, err = s.tel.GetMetric("otelcol_extension_embedded_tsdb_disk_size")
	require.NoError(t, err)
	metadatatest.AssertEqualExtensionEmbeddedTsdbSeries(t, s.tel, []metricdata.DataPoint[int64]{{Value: 2}}, metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExtensionEmbeddedTsdbReady(t, s.tel, []metricdata.DataPoint[int64]{{Value: 1}}, metricdatatest.IgnoreTimestamp())
}

func TestOutOfOrderWindow(t *testing.T) {
	s := start(t, testConfig(t, t.TempDir()))
	now := time.Now()
	for _, at := range []time.Time{now, now.Add(-20 * time.Minute), now.Add(-10 * time.Minute)} {
		code, _, text := s.write(v1(at, map[string]float64{"late": float64(at.Unix())}), contentV1)
		require.Equal(t, http.StatusNoContent, code, text)
	}
	assert.Equal(t, map[string]string{`{job="shop"}`: "3"}, s.values("count_over_time(late[1h])", now))
	code, _, _ := s.write(v1(now.Add(-50*time.Minute), map[string]float64{"late": 1}), contentV1)
	assert.Equal(t, http.StatusBadRequest, code)
}

func TestSecondOwnerOfTheDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	start(t, testConfig(t, dir))
	second, err := NewFactory().Create(t.Context(), extensiontest.NewNopSettings(metadata.Type), testConfig(t, dir))
	require.NoError(t, err)
	err = second.Start(t.Context(), componenttest.NewNopHost())
	require.ErrorIs(t, err, database.ErrInUse)
	require.ErrorContains(t, err, dir)
	require.NoError(t, second.Shutdown(t.Context()))
}

func TestBusyEndpointReleasesTheDirectory(t *testing.T) {
	first := start(t, testConfig(t, t.TempDir()))
	cfg := testConfig(t, t.TempDir())
	cfg.HTTP.NetAddr.Endpoint = first.ext.cfg.HTTP.NetAddr.Endpoint
	second, err := NewFactory().Create(t.Context(), extensiontest.NewNopSettings(metadata.Type), cfg)
	require.NoError(t, err)
	require.ErrorContains(t, second.Start(t.Context(), componenttest.NewNopHost()), "endpoint: listen on")
	require.NoError(t, second.Shutdown(t.Context()))
	unlock, err := database.Lock(cfg.Directory)
	require.NoError(t, err)
	require.NoError(t, unlock())
}

func TestAdminAPI(t *testing.T) {
	now := time.Now()
	remove := "/api/v1/admin/tsdb/delete_series?match[]=gone"
	for _, enabled := range []bool{false, true} {
		t.Run(strconv.FormatBool(enabled), func(t *testing.T) {
			cfg := testConfig(t, t.TempDir())
			cfg.AdminAPI = enabled
			s := startIn(t, cfg, adminHost)
			code, _, text := s.write(v1(now, map[string]float64{"gone": 1, "kept": 2}), contentV1)
			require.Equal(t, http.StatusNoContent, code, text)
			code, _, text = s.do(http.MethodPost, remove, nil, withToken)
			if !enabled {
				assert.Contains(t, text, "admin APIs disabled")
				assert.Len(t, s.values("gone", now), 1)
				return
			}
			assert.Equal(t, http.StatusNoContent, code)
			assert.Empty(t, s.values("gone", now))
			assert.Len(t, s.values("kept", now), 1)
		})
	}
}

// By the tombstones of a deletion in its head, Prometheus itself hides samples that are written there afterwards, and keeps out-of-order samples of
// the head.
func TestWhatIsWrittenAfterADeletionStays(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.AdminAPI, cfg.OutOfOrderWindow = true, 12*time.Hour
	s := startIn(t, cfg, adminHost)
	block := time.Now().Truncate(2 * time.Hour) // callers refuse newer ranges
	at := func(minutes int) time.Time { return block.Add(time.Duration(minutes) * time.Minute) }
	write := func(minutes int, value float64) {
		code, _, text := s.write(v1(at(minutes), map[string]float64{"wrong": value}), contentV1)
		require.Equal(t, http.StatusNoContent, code, text)
	}
	for m := -300; m <= 0; m += 10 {
		write(m, 1)
	}
	write(-95, 1) // out of order
	code, _, text := s.do(http.MethodPost, fmt.Sprintf("/api/v1/admin/tsdb/delete_series?match[]=wrong&start=%d&end=%d", at(-200).Unix(), at(-10).Unix()), nil, withToken)
	require.Equal(t, http.StatusNoContent, code, text)
	assert.Empty(t, s.values("count_over_time(wrong[191m])", at(-10)))
	for m := -200; m <= -10; m += 2 { // enough for chunks on disk
		write(m, 2)
	}
	right := func() {
		t.Helper()
		assert.Equal(t, []string{"192"}, slices.Collect(maps.Values(s.values("sum_over_time(wrong[191m])", at(-10)))))
		assert.Equal(t, []string{"203"}, slices.Collect(maps.Values(s.values("sum_over_time(wrong[301m])", at(0)))))
	}
	right()
	require.NoError(t, s.ext.Shutdown(t.Context()))
	s = start(t, cfg)
	right()
}

func TestTheAPITellsWhatAReplayAsks(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.AdminAPI, cfg.OutOfOrderWindow = true, 50*time.Hour
	s := start(t, cfg)
	assert.Contains(t, s.get("/api/v1/status/config"), "out_of_order_time_window: 2d2h")
	assert.Contains(t, s.get("/api/v1/status/flags"), `"web.enable-admin-api":"true"`)
}

func TestRulesRecordAndAlert(t *testing.T) {
	alerts := make(chan string, 16)
	am := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			alerts <- r.URL.Path + " " + string(body)
		}
	}))
	defer am.Close()
	file := filepath.Join(t.TempDir(), "rules.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
groups:
  - name: test
    interval: 100ms
    rules:
      - {record: doubled, expr: input * 2}
      - {alert: TooMuch, expr: input > 1, labels: {severity: page}}
`), 0o600))
	cfg := testConfig(t, t.TempDir())
	cfg.RuleFiles = []string{file}
	cfg.Alertmanagers = []string{am.URL + "/prefix"}
	s := start(t, cfg)
	code, _, text := s.write(v1(time.Now().Add(-time.Minute), map[string]float64{"input": 21}), contentV1)
	require.Equal(t, http.StatusNoContent, code, text)
	got := <-alerts
	assert.Contains(t, got, "/prefix/api/v2/alerts ")
	assert.Contains(t, got, `"alertname":"TooMuch"`)
	assert.Equal(t, map[string]string{`{__name__="doubled", job="shop"}`: "42"}, s.values("doubled", time.Now()))
	assert.Contains(t, s.get("/api/v1/rules"), `"TooMuch"`)
}

func TestQueryLimits(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.Query.MaxSamples = 10
	s := start(t, cfg)
	now := time.Now()
	many := map[string]float64{}
	for i := range 11 {
		many[fmt.Sprintf("m%d", i)] = 1
	}
	code, _, _ := s.write(v1(now, many), contentV1)
	require.Equal(t, http.StatusNoContent, code)
	code, _, text := s.do(http.MethodGet, "/api/v1/query?query="+url.QueryEscape(`{__name__=~"m.*"}`), nil, nil)
	assert.Equal(t, http.StatusUnprocessableEntity, code)
	assert.Contains(t, text, "too many samples")
}

// TestKilled is the child of TestSurvivesKill: it answers one line, then waits to be killed.
func TestKilled(t *testing.T) {
	dir := os.Getenv("EMBEDDED_TSDB_TEST_DIR")
	if dir == "" {
		t.Skip("only as the child of TestSurvivesKill")
	}
	s := start(t, testConfig(t, dir))
	many := map[string]float64{}
	for i := range 500 {
		many[fmt.Sprintf("acknowledged_%d", i)] = math.Pi
	}
	code, _, _ := s.write(v1(time.Now(), many), contentV1)
	fmt.Printf("\nanswered %d\n", code)
	select {}
}

func TestSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$", "-test.v")
	cmd.Env = append(os.Environ(), "EMBEDDED_TSDB_TEST_DIR="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	answered := false
	for !answered && lines.Scan() {
		answered = lines.Text() == "answered 204"
	}
	require.True(t, answered, "the child ended before it acknowledged")
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait(), "it ends by the signal")
	s := start(t, testConfig(t, dir))
	assert.Equal(t, map[string]string{"{}": "500"}, s.values(`count({__name__=~"acknowledged_.*"})`, time.Now()))
}
