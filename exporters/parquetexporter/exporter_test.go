package parquetexporter

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/metadata"
	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/metadatatest"
	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/rows"
	"github.com/penstockhq/penstock/internal/delivery"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// harness is a started exporter on a temporary lake.
type harness struct {
	t    *testing.T
	root string
	tel  *componenttest.Telemetry
	set  exporter.Settings
	cfg  *Config
}

func newHarness(t *testing.T) *harness {
	h := &harness{t: t, root: t.TempDir(), tel: componenttest.NewTelemetry()}
	t.Cleanup(func() { require.NoError(t, h.tel.Shutdown(context.Background())) })
	h.set = exportertest.NewNopSettings(metadata.Type)
	h.set.TelemetrySettings = h.tel.NewTelemetrySettings()
	h.cfg = createDefaultConfig().(*Config)
	h.cfg.URL = "file://" + h.root
	h.cfg.Retry.Enabled = false
	return h
}

func (h *harness) logs() exporter.Logs {
	e, err := NewFactory().CreateLogs(context.Background(), h.set, h.cfg)
	require.NoError(h.t, err)
	require.NoError(h.t, e.Start(context.Background(), componenttest.NewNopHost()))
	h.t.Cleanup(func() { require.NoError(h.t, e.Shutdown(context.Background())) })
	return e
}

// files lists what a reader sees, without the names of the files.
func (h *harness) files() (dirs []string) {
	h.t.Helper()
	require.NoError(h.t, filepath.WalkDir(h.root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".parquet") {
			rel, _ := filepath.Rel(h.root, filepath.Dir(path))
			dirs = append(dirs, rel)
		}
		return err
	}))
	return dirs
}

func (h *harness) temporary() (names []string) {
	h.t.Helper()
	names, err := filepath.Glob(filepath.Join(h.root, "_tmp", "*", "*"))
	require.NoError(h.t, err)
	return names
}

func sum(signal, reason string, n int64) []metricdata.DataPoint[int64] {
	attrs := []attribute.KeyValue{attribute.String("signal", signal)}
	if reason != "" {
		attrs = append(attrs, attribute.String("reason", reason))
	}
	return []metricdata.DataPoint[int64]{{Attributes: attribute.NewSet(attrs...), Value: n}}
}

// logsAt makes one record for each time, of the tenant that the resource names.
func logsAt(tenant string, times ...uint64) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	if tenant != "" {
		rl.Resource().Attributes().PutStr("tenant.id", tenant)
	}
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	for _, t := range times {
		records.AppendEmpty().SetTimestamp(pcommon.Timestamp(t))
	}
	return ld
}

func at(t time.Time) uint64 { return uint64(t.UnixNano()) }

func TestLayoutIsByEventHourAndTenant(t *testing.T) {
	h := newHarness(t)
	e := h.logs()
	require.NoError(t, e.ConsumeLogs(context.Background(), logsAt("", at(noon), at(noon.Add(time.Minute)), at(noon.Add(time.Hour)))))
	require.NoError(t, e.ConsumeLogs(context.Background(), logsAt("acme", at(noon))))
	ctx := client.NewContext(context.Background(), client.Info{
		Metadata: client.NewMetadata(map[string][]string{"X-Scope-OrgID": {"from-client"}}),
	})
	require.NoError(t, e.ConsumeLogs(ctx, logsAt("acme", at(noon))))
	require.NoError(t, e.ConsumeLogs(context.Background(), logsAt("..%etc pass wd", at(noon))))
	require.Equal(t, []string{
		"logs/date=2026-11-24/hour=12/tenant=%2E.%25etc%20pass%20wd",
		"logs/date=2026-11-24/hour=12/tenant=acme",
		"logs/date=2026-11-24/hour=12/tenant=default",
		"logs/date=2026-11-24/hour=12/tenant=from-client",
		"logs/date=2026-11-24/hour=13/tenant=default",
	}, h.files())
	assert.Empty(t, h.temporary())
	metadatatest.AssertEqualExporterParquetFiles(t, h.tel, sum("logs", "", 5), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	metadatatest.AssertEqualExporterParquetRows(t, h.tel, sum("logs", "", 6), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
}

func TestRepeatedBatchReplacesItself(t *testing.T) {
	h := newHarness(t)
	e := h.logs()
	for range 3 {
		require.NoError(t, e.ConsumeLogs(context.Background(), logsAt("", at(noon), at(noon.Add(time.Hour)))))
	}
	require.Len(t, h.files(), 2)
	require.NoError(t, e.ConsumeLogs(context.Background(), logsAt("", at(noon)+1)))
	require.Len(t, h.files(), 3)
}

// A range of the journal that is delivered twice (another process died in the middle) replaces its files, even where the writer's
// version has made other bytes of it; other ranges, and other batches of the range, stand beside it.
func TestARangeDeliveredTwiceReplacesItsFiles(t *testing.T) {
	h := newHarness(t)
	e := h.logs()
	session, err := delivery.NewSession(delivery.Settings{Label: "penstock.logs-3"})
	require.NoError(t, err)
	deliver := func(first, next int64, index int, times ...uint64) {
		ctx := delivery.Delivery{Session: session, Part: &delivery.RangePart{Bounds: delivery.Bounds{First: first, Next: next}, Index: index}}.In(context.Background())
		require.NoError(t, e.ConsumeLogs(ctx, logsAt("", times...)))
	}
	deliver(100, 200, 0, at(noon), at(noon.Add(time.Hour)))
	deliver(100, 200, 1, at(noon))
	deliver(200, 300, 0, at(noon))
	before := h.files()
	require.Len(t, before, 4)

	deliver(100, 200, 0, at(noon.Add(time.Second)), at(noon.Add(time.Hour)))
	assert.Equal(t, before, h.files())
	_, err = os.Stat(filepath.Join(h.root, "logs/date=2026-11-24/hour=12/tenant=default",
		"penstock.logs-3-00000000000000000100-00000000000000000200-0.parquet"))
	assert.NoError(t, err)
}

// Without recorded ranges there is no name to replace, and whoever set it up is told.
func TestAJournalWithoutRecordedRangesIsWarnedAbout(t *testing.T) {
	h := newHarness(t)
	core, logs := observer.New(zap.WarnLevel)
	h.set.Logger = zap.New(core)
	e := h.logs()
	session, err := delivery.NewSession(delivery.Settings{Label: "penstock.logs-3"})
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, e.ConsumeLogs(delivery.With(context.Background(), session), logsAt("", at(noon))))
	}
	assert.Len(t, h.files(), 1, "named by content")
	assert.Equal(t, 1, logs.FilterMessageSnippet("follow::range::recorded").Len())
}

func TestAbsurdTimesDoNotMakeDirectories(t *testing.T) {
	h := newHarness(t)
	h.cfg.MaxPartitions = 2
	e := h.logs()
	times := []uint64{0, 1, at(time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)), math.MaxUint64}
	for i := range 3 { // of three plausible hours the smallest is folded
		for range 3 - i {
			times = append(times, at(noon.Add(time.Duration(i)*time.Hour)))
		}
	}
	require.NoError(t, e.ConsumeLogs(context.Background(), logsAt("", times...)))
	require.Equal(t, []string{
		"logs/date=1970-01-01/hour=00/tenant=default",
		"logs/date=2026-11-24/hour=12/tenant=default",
		"logs/date=2026-11-24/hour=13/tenant=default",
	}, h.files())
	metadatatest.AssertEqualExporterParquetUndated(t, h.tel,
		append(sum("logs", "implausible_time", 4), sum("logs", "too_many_partitions", 1)...), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	metadatatest.AssertEqualExporterParquetRows(t, h.tel, sum("logs", "", int64(len(times))), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
}

// Without a journal nobody has looked at the tenants before: names that can't be one are the default tenant's, and counted by where they stand.
func TestNamesThatCannotBeTenantsAreCounted(t *testing.T) {
	h := newHarness(t)
	e := h.logs()
	ld := plog.NewLogs()
	for i, name := range []string{"a/b", "", "acme", strings.Repeat("x", 151), "a/b"} {
		logsAt(name, slices.Repeat([]uint64{at(noon)}, i+1)...).ResourceLogs().MoveAndAppendTo(ld.ResourceLogs())
	}
	require.NoError(t, e.ConsumeLogs(t.Context(), ld))
	assert.Equal(t, []string{"logs/date=2026-11-24/hour=12/tenant=acme", "logs/date=2026-11-24/hour=12/tenant=default"}, h.files())
	metadatatest.AssertEqualExporterParquetMisnamed(t, h.tel, sum("logs", "resource", 1+4+5), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())

	header := client.NewContext(t.Context(), client.Info{Metadata: client.NewMetadata(map[string][]string{"x-scope-orgid": {".."}})})
	require.NoError(t, e.ConsumeLogs(header, logsAt("acme", at(noon), at(noon))))
	metadatatest.AssertEqualExporterParquetMisnamed(t, h.tel, append(sum("logs", "resource", 10), sum("logs", "metadata", 2)...),
		metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
}

func TestMetricsWithoutPointsAreCounted(t *testing.T) {
	h := newHarness(t)
	e, err := NewFactory().CreateMetrics(context.Background(), h.set, h.cfg)
	require.NoError(t, err)
	require.NoError(t, e.Start(context.Background(), componenttest.NewNopHost()))
	md := pmetric.NewMetrics()
	metrics := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
	metrics.AppendEmpty().SetName("no type")
	metrics.AppendEmpty().SetEmptyGauge()
	metrics.AppendEmpty().SetEmptySum().DataPoints().AppendEmpty().SetTimestamp(pcommon.NewTimestampFromTime(noon))
	require.NoError(t, e.ConsumeMetrics(context.Background(), md))
	require.NoError(t, e.Shutdown(context.Background()))
	require.Equal(t, []string{"metrics/date=2026-11-24/hour=12/tenant=default"}, h.files())
	metadatatest.AssertEqualExporterParquetRefused(t, h.tel, sum("metrics", "no_points", 2), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
}

func TestTracesAreWritten(t *testing.T) {
	h := newHarness(t)
	e, err := NewFactory().CreateTraces(context.Background(), h.set, h.cfg)
	require.NoError(t, err)
	require.NoError(t, e.Start(context.Background(), componenttest.NewNopHost()))
	td := ptrace.NewTraces()
	td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty().SetStartTimestamp(pcommon.NewTimestampFromTime(noon))
	require.NoError(t, e.ConsumeTraces(context.Background(), td))
	require.NoError(t, e.Shutdown(context.Background()))
	require.Equal(t, []string{"traces/date=2026-11-24/hour=12/tenant=default"}, h.files())
	left, err := os.ReadDir(filepath.Join(h.root, "_tmp"))
	require.NoError(t, err)
	require.Len(t, left, 1, "only the gate's lock file stays")
}

func TestStorageErrorIsRetriedUntilItPasses(t *testing.T) {
	h := newHarness(t)
	h.cfg.Retry.Enabled = true
	h.cfg.Retry.InitialInterval = time.Millisecond
	h.cfg.Retry.MaxInterval = time.Millisecond
	e := h.logs()
	// A file where the directory of the signal should be: no rename can succeed.
	blocker := filepath.Join(h.root, "logs")
	require.NoError(t, os.WriteFile(blocker, nil, 0o600))
	done := make(chan error, 1)
	go func() { done <- e.ConsumeLogs(context.Background(), logsAt("", at(noon))) }()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorContains(t, e.ConsumeLogs(ctx, logsAt("", at(noon))), "context canceled")
	require.Empty(t, h.files())
	require.NoError(t, os.Remove(blocker))
	require.NoError(t, <-done)
	require.Len(t, h.files(), 1)
	require.Empty(t, h.temporary())
}

func TestConcurrentBatches(t *testing.T) {
	h := newHarness(t)
	e := h.logs()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 25 {
				assert.NoError(t, e.ConsumeLogs(context.Background(), logsAt("", at(noon)+uint64(g*100+i))))
			}
		})
	}
	wg.Wait()
	require.Len(t, h.files(), 100)
	metadatatest.AssertEqualExporterParquetRows(t, h.tel, sum("logs", "", 100), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
}

// failingEncoder can't encode the rows of some tenants.
type failingEncoder struct {
	*rows.Logs
	refuse func(tenant string) bool
}

func (f failingEncoder) Write(w io.Writer, p rows.Partition) error {
	if f.refuse(p.Tenant) {
		return errors.New("no way")
	}
	return f.Logs.Write(w, p)
}

func TestRowsThatCannotBeEncodedAreCountedAndTheOthersLive(t *testing.T) {
	h := newHarness(t)
	refuse := func(tenant string) bool { return tenant == "bad" }
	e, err := newExporter(h.set, h.cfg, "logs", func() failingEncoder { return failingEncoder{rows.NewLogs(), refuse} })
	require.NoError(t, err)
	require.NoError(t, e.Start(context.Background(), componenttest.NewNopHost()))
	batch := logsAt("bad", at(noon), at(noon)+1)
	logsAt("good", at(noon)).ResourceLogs().MoveAndAppendTo(batch.ResourceLogs())
	require.NoError(t, e.push(context.Background(), batch))
	require.Equal(t, []string{"logs/date=2026-11-24/hour=12/tenant=good"}, h.files())
	require.True(t, consumererror.IsPermanent(e.push(context.Background(), logsAt("bad", at(noon)))))
	metadatatest.AssertEqualExporterParquetRefused(t, h.tel, sum("logs", "encode", 3), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	require.NoError(t, e.Shutdown(context.Background()))
	require.NoError(t, e.Shutdown(context.Background()), "repeated")
}

func TestStartNamesTheKeyWhenTheLakeCannotBeMade(t *testing.T) {
	h := newHarness(t)
	file := filepath.Join(h.root, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	h.cfg.URL = filepath.Join(file, "lake")
	e, err := NewFactory().CreateLogs(context.Background(), h.set, h.cfg)
	require.NoError(t, err)
	require.ErrorContains(t, e.Start(context.Background(), componenttest.NewNopHost()), "url: ")
	require.NoError(t, e.Shutdown(context.Background()))
}
