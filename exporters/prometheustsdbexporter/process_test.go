package prometheustsdbexporter

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/metadata"
)

// counters are a request of so many counters, at one time.
func counters(series int, at time.Time) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("shop.requests")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for i := range series {
		p := sum.DataPoints().AppendEmpty()
		p.Attributes().PutStr("http.route", fmt.Sprint("/r", i%50))
		p.Attributes().PutStr("pod", fmt.Sprint("p", i/50))
		p.SetTimestamp(pcommon.NewTimestampFromTime(at))
		p.SetStartTimestamp(1)
		p.SetDoubleValue(float64(at.UnixNano()))
	}
	return md
}

// rangeOf is a range of a journal: requests of the same counters, one behind the other in time.
func rangeOf(series, requests int, begin time.Time, step time.Duration) pmetric.Metrics {
	all := pmetric.NewMetrics()
	for i := range requests {
		counters(series, begin.Add(time.Duration(i)*step)).ResourceMetrics().MoveAndAppendTo(all.ResourceMetrics())
	}
	return all
}

// looks counts how often the storage looks a series up by its labels, and the transactions.
type looks struct {
	*database
	series, transactions atomic.Int64
}

func (l *looks) Appender(ctx context.Context) (storage.AppenderV2, error) {
	l.transactions.Add(1)
	app, err := l.database.Appender(ctx)
	return &lookingAppender{app, l}, err
}

type lookingAppender struct {
	storage.AppenderV2
	looks *looks
}

func (a *lookingAppender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AppendV2Options) (storage.SeriesRef, error) {
	if ref == 0 {
		a.looks.series.Add(1)
	}
	return a.AppenderV2.Append(ref, ls, st, t, v, h, fh, o)
}

// In a range with many samples per series the storage looks each series up once per transaction, every sample arrives, in order, and a
// refused one does not affect others.
func TestASeriesIsLookedForOnce(t *testing.T) {
	const series, requests = 300, 40
	db := &looks{database: newDatabase(t)}
	cfg := noQueue(func(cfg *Config) { cfg.TSDB = component.MustNewID("embedded_tsdb") })
	begin := time.Now().Add(-time.Hour).Truncate(time.Second)
	md := rangeOf(series, requests, begin, time.Second)
	md.ResourceMetrics().At(20).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(7).SetTimestamp(pcommon.NewTimestampFromTime(begin.Add(-time.Minute)))
	_, err := export(t, cfg, host{cfg.TSDB: db}, md)
	require.NoError(t, err)
	got := db.values(`count_over_time(shop_requests_total[1h])`, begin.Add(requests*time.Second))
	require.Len(t, got, series)
	less := 0
	for _, n := range got {
		if n != fmt.Sprint(requests) {
			assert.Equal(t, fmt.Sprint(requests-1), n)
			less++
		}
	}
	assert.Equal(t, 1, less, "series without the sample that is too old")
	transactions := db.transactions.Load()
	assert.LessOrEqual(t, transactions, int64((series*requests+transactionSamples-1)/transactionSamples+maxWriters), "each writer may have one that isn't full")
	assert.LessOrEqual(t, db.series.Load(), series+transactions+2, "once each, and again where a transaction tears one, or behind a refusal")
}

// A range that spans days loses nothing, although the samples of each series are written together: no series makes the storage too new for
// the next.
func TestARangeOfDaysIsWrittenWhole(t *testing.T) {
	const series, requests = 300, 48
	db := newDatabase(t)
	cfg := noQueue(func(cfg *Config) { cfg.TSDB = component.MustNewID("embedded_tsdb") })
	begin := time.Now().Add(-(requests + 1) * time.Hour).Truncate(time.Second)
	_, err := export(t, cfg, host{cfg.TSDB: db}, rangeOf(series, requests, begin, time.Hour))
	require.NoError(t, err)
	got := db.values(`count_over_time(shop_requests_total[60h])`, begin.Add(requests*time.Hour))
	require.Len(t, got, series)
	for _, n := range got {
		require.Equal(t, fmt.Sprint(requests), n)
	}
}

// A range of a replay, older than what the storage has, through translation into the storage.
func BenchmarkReplayedRange(b *testing.B) {
	const series, requests, step = 2000, 23, time.Second
	opts := tsdb.DefaultOptions()
	opts.OutOfOrderTimeWindow = (100 * time.Hour).Milliseconds()
	db, err := tsdb.Open(b.TempDir(), promslog.NewNopLogger(), nil, opts, nil)
	require.NoError(b, err)
	defer func() { require.NoError(b, db.Close()) }()
	cfg := noQueue(func(cfg *Config) { cfg.TSDB = component.MustNewID("embedded_tsdb") })
	e, err := NewFactory().CreateMetrics(b.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	require.NoError(b, err)
	require.NoError(b, e.Start(b.Context(), host{cfg.TSDB: &database{db: db}}))
	defer func() { require.NoError(b, e.Shutdown(context.Background())) }()
	now := time.Now()
	require.NoError(b, e.ConsumeMetrics(b.Context(), counters(series, now)))
	at := now.Add(-90 * time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		md := rangeOf(series, requests, at, step)
		at = at.Add(requests * step)
		b.StartTimer()
		require.NoError(b, e.ConsumeMetrics(b.Context(), md))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*series*requests), "ns/sample")
}
