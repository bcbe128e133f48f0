package e2e

import (
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	rollupInstances = 3
	rollupRoutes    = 3
	rollupEvery     = 30 * time.Second // between two points of a stream
)

// rolledUp is OTLP in, the processors named, and the embedded TSDB.
const rolledUp = `
receivers:
  otlp: {protocols: {http: {endpoint: "${env:PENSTOCK_OTLP_HTTP_ENDPOINT}"}}}
processors:
  window_rollup:
    storage: file_storage
    temporality: gauge
    rules:
      - match: {metric: "shop.*"}
        windows: [{size: 1m}, {size: 1h}]
        by: [service.name, http.route]
        aggregates: [increase, avg, max, p99]
        keep_raw: false
exporters:
  prometheus_tsdb: {tsdb: embedded_tsdb, sending_queue: {enabled: false}, retry_on_failure: {max_elapsed_time: 0}}
extensions:
  health_check: {endpoint: "${env:PENSTOCK_HEALTH_ENDPOINT}"}
  admin: {endpoint: "${env:PENSTOCK_ADMIN_ENDPOINT}"}
  file_storage: {directory: "${env:PENSTOCK_DATA_DIR}/state", create_directory: true}
  embedded_tsdb: {endpoint: "${env:PENSTOCK_TSDB_ENDPOINT}", directory: "${env:PENSTOCK_DATA_DIR}/tsdb", retention: {time: 2400h}}
service:
  extensions: [health_check, admin, file_storage, embedded_tsdb]
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: "${env:PENSTOCK_TELEMETRY_PORT}"}}}}]}}
  pipelines:
    metrics: {receivers: [otlp], processors: [%s], exporters: [prometheus_tsdb]}
`

func TestRollupsAgreeWithRaw(t *testing.T) { rollUp(t, 2) }

// rollUp loads a number of days, in order of time, into one TSDB as raw points and into another as rollups, and queries both. Half way the one with
// the rollups is restarted, which must make no difference.
func rollUp(t *testing.T, days int) {
	raw, rolled := startRolledUp(t, ""), startRolledUp(t, "window_rollup")
	hours := days * 24
	begin := time.Now().Truncate(time.Hour).Add(-time.Duration(hours+1) * time.Hour)
	end := begin.Add(time.Duration(hours) * time.Hour)
	shop := newShop(begin)
	for hour := range hours {
		if hour == hours/2 {
			rolled.Terminate(t)
			rolled.Restart(t)
		}
		batch := shop.hour(int(time.Hour / rollupEvery))
		for _, p := range []*process.Process{raw, rolled} {
			sendAll(t, p, batch)
		}
	}
	sendAll(t, rolled, shop.hour(3)) // a minute further, so that the watermark passes the end
	lastHour := func() error {
		got, err := valueAt(rolled.TSDB(), `sum(shop_requests_increase{rollup_window="1h"})`, end)
		if err == nil && math.IsNaN(got) {
			err = fmt.Errorf("the last hour is not there")
		}
		return err
	}
	ask.Eventually(t, lastHour)
	lost, err := ask.Metric(rolled.Telemetry(), "otelcol_processor_window_rollup_lost_points", `reason="late"`)
	require.NoError(t, err)
	assert.Zero(t, lost, "late points")

	// Each hour of a dashboard over the whole time. A window [start, end) has the points up to just before its end.
	same := map[string]string{
		`sum(shop_requests_increase{rollup_window="1h"})`:                    `sum(shop_requests_total) - (sum(shop_requests_total offset 1h) or vector(0))`,
		`sum(sum_over_time(shop_requests_increase{rollup_window="1m"}[1h]))`: `sum(shop_requests_total) - (sum(shop_requests_total offset 1h) or vector(0))`,
		`sum(shop_requests_increase{rollup_window="1h",http_route="/1"})`:    `sum(shop_requests_total{http_route="/1"}) - (sum(shop_requests_total{http_route="/1"} offset 1h) or vector(0))`,
		`shop_queue_avg{rollup_window="1h"}`:                                 `avg(avg_over_time(shop_queue[1h]))`,
		`max_over_time(shop_queue_max{rollup_window="1m"}[1h])`:              `max(max_over_time(shop_queue[1h]))`,
		`shop_duration_increase{rollup_window="1h"}`:                         `sum(shop_duration_seconds_count) - (sum(shop_duration_seconds_count offset 1h) or vector(0))`,
		`shop_duration_p99_seconds{rollup_window="1h"}`:                      `histogram_quantile(0.99, sum by (le) (shop_duration_seconds_bucket) - (sum by (le) (shop_duration_seconds_bucket offset 1h) or 0 * sum by (le) (shop_duration_seconds_bucket)))`,
	}
	for hour := 1; hour <= hours; hour += max(1, hours/40) {
		at := begin.Add(time.Duration(hour) * time.Hour)
		for ours, theirs := range same {
			got, err := valueAt(rolled.TSDB(), ours, at)
			require.NoError(t, err)
			want, err := valueAt(raw.TSDB(), theirs, at.Add(-time.Millisecond))
			require.NoError(t, err)
			assert.InEpsilon(t, want, got, 1e-9, "hour %d: %s", hour, ours)
		}
		got, err := valueAt(rolled.TSDB(), `shop_queue_p99{rollup_window="1h"}`, at)
		require.NoError(t, err)
		assert.InEpsilon(t, shop.p99[at], got, 0.01, "hour %d: p99 of a gauge", hour)
	}

	// The whole time in one number.
	span := fmt.Sprintf("[%dh]", hours)
	for _, q := range []struct{ ours, theirs string }{
		{`sum(sum_over_time(shop_requests_increase{rollup_window="1h"}` + span + `))`, `sum(shop_requests_total)`},
		{`avg_over_time(shop_queue_avg{rollup_window="1h"}` + span + `)`, `avg(avg_over_time(shop_queue` + span + `))`},
		{`max_over_time(shop_queue_max{rollup_window="1h"}` + span + `)`, `max(max_over_time(shop_queue` + span + `))`},
	} {
		began := time.Now()
		got, err := valueAt(rolled.TSDB(), q.ours, end)
		ours := time.Since(began)
		require.NoError(t, err)
		began = time.Now()
		want, err := valueAt(raw.TSDB(), q.theirs, end.Add(-time.Millisecond))
		theirs := time.Since(began)
		require.NoError(t, err)
		assert.InEpsilon(t, want, got, 1e-9, q.ours)
		t.Logf("%d days: %s in %s; raw: %s in %s", days, q.ours, ours.Round(time.Millisecond), q.theirs, theirs.Round(time.Millisecond))
	}
	report(t, raw, rolled, end, span)
}

// report prints what is stored.
func report(t *testing.T, raw, rolled *process.Process, end time.Time, span string) {
	t.Helper()
	stored := func(p *process.Process, selector string, names ...string) (n float64) {
		for _, name := range names {
			v, err := valueAt(p.TSDB(), "sum(count_over_time("+name+selector+span+"))", end)
			require.NoError(t, err)
			n += v
		}
		return n
	}
	rollups := []string{"shop_requests_increase", "shop_queue_avg", "shop_queue_max", "shop_queue_p99",
		"shop_duration_increase", "shop_duration_avg_seconds", "shop_duration_p99_seconds"}
	samples := map[string]float64{
		"raw": stored(raw, "", "shop_requests_total", "shop_queue", "shop_duration_seconds_bucket", "shop_duration_seconds_count", "shop_duration_seconds_sum"),
		"1m":  stored(rolled, `{rollup_window="1m"}`, rollups...),
		"1h":  stored(rolled, `{rollup_window="1h"}`, rollups...),
	}
	raw.Terminate(t)
	rolled.Terminate(t)
	before, after := size(t, raw.DataDir()), size(t, rolled.DataDir())
	t.Logf("samples: raw %.0f, 1m %.0f (1/%.0f), 1h %.0f (1/%.0f); bytes of the TSDB: raw %.1f MB, both rollups %.1f MB (1/%.0f)",
		samples["raw"], samples["1m"], samples["raw"]/samples["1m"], samples["1h"], samples["raw"]/samples["1h"],
		before/1e6, after/1e6, before/after)
	assert.Greater(t, samples["raw"], 5*samples["1m"])
	assert.Greater(t, samples["raw"], 300*samples["1h"])
	assert.Greater(t, before, after)
}

func startRolledUp(t *testing.T, processors string) *process.Process {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rollup.yaml")
	text := fmt.Sprintf(rolledUp, processors)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return process.Start(t, process.Settings{Configs: []string{path}})
}

func sendAll(t *testing.T, p *process.Process, md pmetric.Metrics) {
	t.Helper()
	answer, err := send.Metrics(p.HTTP(), md)
	require.NoError(t, err)
	require.Equal(t, 200, answer.Status)
}

// valueAt returns the one value of query, NaN if there is none.
func valueAt(tsdb, query string, at time.Time) (float64, error) {
	series, err := ask.PromQL(tsdb, query, at)
	switch {
	case err != nil:
		return 0, err
	case len(series) == 0:
		return math.NaN(), nil
	case len(series) > 1:
		return 0, fmt.Errorf("%q: %d series", query, len(series))
	default:
		return series[0].Value, nil
	}
}

// size returns the bytes of the TSDB's files.
func size(t *testing.T, dir string) (n float64) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(filepath.Join(dir, "tsdb"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += float64(info.Size())
		}
		return err
	}))
	return n
}

// shop is a service with a few instances: requests by route, a histogram of their duration, and the length of a queue.
type shop struct {
	rnd      *rand.Rand
	begin    time.Time
	now      time.Time
	requests [rollupInstances][rollupRoutes]int64
	buckets  [rollupInstances][]uint64
	sum      [rollupInstances]float64
	p99      map[time.Time]float64 // of the queue, exact, by the end of the hour
}

var shopBounds = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

func newShop(begin time.Time) *shop {
	s := &shop{rnd: rand.New(rand.NewPCG(1, 2)), begin: begin, now: begin, p99: map[time.Time]float64{}}
	for i := range s.buckets {
		s.buckets[i] = make([]uint64, len(shopBounds)+1)
	}
	return s
}

// hour returns the next points of all streams. The first point of each is zero.
func (s *shop) hour(points int) pmetric.Metrics {
	md := pmetric.NewMetrics()
	var requests [rollupInstances]pmetric.NumberDataPointSlice
	var queue [rollupInstances]pmetric.NumberDataPointSlice
	var duration [rollupInstances]pmetric.HistogramDataPointSlice
	for i := range rollupInstances {
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", "shop")
		rm.Resource().Attributes().PutStr("service.instance.id", fmt.Sprint("shop-", i))
		metrics := rm.ScopeMetrics().AppendEmpty().Metrics()
		m := metrics.AppendEmpty()
		m.SetName("shop.requests")
		m.SetUnit("{request}")
		m.SetEmptySum().SetIsMonotonic(true)
		m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		requests[i] = m.Sum().DataPoints()
		m = metrics.AppendEmpty()
		m.SetName("shop.queue")
		queue[i] = m.SetEmptyGauge().DataPoints()
		m = metrics.AppendEmpty()
		m.SetName("shop.duration")
		m.SetUnit("s")
		m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		duration[i] = m.Histogram().DataPoints()
	}
	var lengths []float64
	for range points {
		first := s.now.Equal(s.begin)
		ts, start := pcommon.NewTimestampFromTime(s.now), pcommon.NewTimestampFromTime(s.begin.Add(-time.Minute))
		for i := range rollupInstances {
			for route := range rollupRoutes {
				if !first {
					s.requests[i][route] += int64(1 + s.rnd.IntN(50))
				}
				dp := requests[i].AppendEmpty()
				dp.SetTimestamp(ts)
				dp.SetStartTimestamp(start)
				dp.SetIntValue(s.requests[i][route])
				dp.Attributes().PutStr("http.route", fmt.Sprint("/", route))
			}
			length := float64(1 + s.rnd.IntN(1000))
			lengths = append(lengths, length)
			dp := queue[i].AppendEmpty()
			dp.SetTimestamp(ts)
			dp.SetDoubleValue(length)
			for range 20 {
				if first {
					break
				}
				took := math.Exp(s.rnd.NormFloat64() - 3)
				bucket := 0
				for bucket < len(shopBounds) && took > shopBounds[bucket] {
					bucket++
				}
				s.buckets[i][bucket]++
				s.sum[i] += took
			}
			h := duration[i].AppendEmpty()
			h.SetTimestamp(ts)
			h.SetStartTimestamp(start)
			h.ExplicitBounds().FromRaw(shopBounds)
			h.BucketCounts().FromRaw(s.buckets[i])
			var count uint64
			for _, n := range s.buckets[i] {
				count += n
			}
			h.SetCount(count)
			h.SetSum(s.sum[i])
		}
		s.now = s.now.Add(rollupEvery)
	}
	if s.now.Equal(s.now.Truncate(time.Hour)) {
		s.p99[s.now] = exactQuantile(lengths, 0.99)
	}
	return md
}

// exactQuantile is the value of which a share q of all is not above it.
func exactQuantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1))]
}

// A newcomer sends requests with an SDK's defaults and finds them by the minute, with nothing configured. Raw points stay.
func TestStandaloneRollsUp(t *testing.T) {
	p := process.Start(t, process.Settings{})
	begin := time.Now().Truncate(time.Minute).Add(-3 * time.Minute)
	const perPoint = 7
	for step := range 18 { // three minutes, and a start of the fourth so that the third is complete
		at := begin.Add(time.Duration(step) * 12 * time.Second)
		if at.After(time.Now()) {
			break
		}
		md := pmetric.NewMetrics()
		for instance := range 2 {
			rm := md.ResourceMetrics().AppendEmpty()
			rm.Resource().Attributes().PutStr("service.name", "checkout")
			rm.Resource().Attributes().PutStr("service.instance.id", fmt.Sprint(instance))
			m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
			m.SetName("http.server.request.duration")
			m.SetUnit("s")
			m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
			dp := m.Histogram().DataPoints().AppendEmpty()
			dp.SetStartTimestamp(pcommon.NewTimestampFromTime(at.Add(-12 * time.Second)))
			dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
			dp.ExplicitBounds().FromRaw([]float64{0.1, 0.2})
			dp.BucketCounts().FromRaw([]uint64{0, perPoint, 0})
			dp.SetCount(perPoint)
			dp.SetSum(perPoint * 0.15)
			dp.Attributes().PutStr("http.route", "/pay")
			dp.Attributes().PutStr("network.peer.address", fmt.Sprint("10.0.0.", step))
		}
		sendAll(t, p, md)
	}
	end := begin.Add(time.Minute)
	want := map[string]float64{
		`http_server_request_duration_increase{job="checkout",http_route="/pay",rollup_window="1m"}`:    2 * 5 * perPoint,
		`http_server_request_duration_p50_seconds{job="checkout",http_route="/pay",rollup_window="1m"}`: 0.15,
		`http_server_request_duration_avg_seconds{job="checkout",http_route="/pay",rollup_window="1m"}`: 0.15,
		`count(http_server_request_duration_seconds_count{job="checkout"})`:                             2 * 6, // an instant includes its end
		// A gateway that writes into the same store has partitions of the same names: its series have no such label.
		`count(http_server_request_duration_increase{job="checkout",rollup_window="1m",penstock_instance!=""})`: 1,
	}
	ask.Eventually(t, func() error {
		for query, v := range want {
			got, err := valueAt(p.TSDB(), query, end)
			if err != nil {
				return err
			}
			if !(math.Abs(got-v) < 1e-9) {
				return fmt.Errorf("%s is %v, want %v", query, got, v)
			}
		}
		return nil
	})
	_, page, err := process.Fetch(t.Context(), "http://"+p.Admin()+"/window_rollup/tsdb/report.json")
	require.NoError(t, err)
	assert.Contains(t, page, `"partition":"penstock.metrics-`)
}

// Killed again and again, between what was acknowledged and what was closed, the standalone profile counts every request once:
// by the minute, delta points included, and no window has two values.
func TestRollupsCountOnceOverKills(t *testing.T) {
	p := process.Start(t, process.Settings{})
	rnd := rand.New(rand.NewPCG(3, 4))
	const steps, kills = 60, 6
	begin := time.Now().Truncate(time.Minute).Add(-time.Duration(steps) * 20 * time.Second)
	want := map[time.Time]float64{}
	for step := range steps {
		at := begin.Add(time.Duration(step) * 20 * time.Second)
		md := pmetric.NewMetrics()
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", "kiosk")
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("tickets")
		m.SetEmptySum().SetIsMonotonic(true)
		m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		for counter := range 5 {
			n := int64(1 + rnd.IntN(9))
			dp := m.Sum().DataPoints().AppendEmpty()
			dp.SetTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Duration(rnd.IntN(1e9)))))
			dp.SetIntValue(n)
			dp.Attributes().PutInt("counter", int64(counter))
			want[at.Truncate(time.Minute).Add(time.Minute)] += float64(n)
		}
		sendAll(t, p, md)
		if step%(steps/kills) == steps/kills-1 {
			p.Kill()
			p.Restart(t)
		}
	}
	last := begin.Add(time.Duration(steps-1) * 20 * time.Second).Truncate(time.Minute) // the end of the last whole minute
	ask.Eventually(t, func() error {
		for at := begin.Truncate(time.Minute).Add(time.Minute); !at.After(last); at = at.Add(time.Minute) {
			got, err := valueAt(p.TSDB(), `tickets_increase{job="kiosk",rollup_window="1m"}`, at)
			if err != nil {
				return err
			}
			if got != want[at] {
				return fmt.Errorf("%s: %v, sent %v", at.Format(time.TimeOnly), got, want[at])
			}
		}
		return nil
	})
	refused, err := ask.Metric(p.Telemetry(), "otelcol_extension_embedded_tsdb_refused_samples", `reason="duplicate"`)
	require.NoError(t, err)
	assert.Zero(t, refused, "two values for one window")
}
