package parquetexporter

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/metadatatest"
	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/storetest"

	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
)

const day = 24 * time.Hour

func TestRetentionIsBySignalAndTenant(t *testing.T) {
	c := RetentionConfig{Keep: 30 * day, Overrides: []RetentionOverride{
		{Signal: "logs", Tenant: "acme*", Keep: 90 * day}, {Tenant: "audit"}, {Signal: "traces", Keep: 7 * day},
	}}
	assert.False(t, c.empty())
	for _, is := range []struct {
		signal, tenant string
		days           int
	}{{"logs", "acme-eu", 90}, {"logs", "beta", 30}, {"traces", "acme-eu", 7}, {"traces", "audit", 0}, {"metrics", "acme-eu", 30}} {
		assert.Equal(t, time.Duration(is.days)*day, c.keep(is.signal, is.tenant), is)
	}
	expired := c.expired("logs", noon)
	assert.True(t, expired(lakestore.Partition{Tenant: "beta"}, noon.Add(-30*day)))
	assert.False(t, expired(lakestore.Partition{Tenant: "beta"}, noon.Add(-30*day+time.Nanosecond)))
	assert.False(t, c.expired("traces", noon)(lakestore.Partition{Tenant: "audit"}, time.Time{}), "for ever")
	assert.True(t, (&RetentionConfig{Overrides: []RetentionOverride{{Tenant: "a"}}}).empty())
}

// expiredFiles waits for the end of a sweep that has removed one file.
func expiredFiles(h *harness) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		_, err := h.tel.GetMetric("otelcol_exporter_parquet_expired_files")
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	metadatatest.AssertEqualExporterParquetExpiredFiles(h.t, h.tel, sum("logs", "", 1), metricdatatest.IgnoreTimestamp())
}

// What is too old goes with the first sweep after a start, from a disk and from an object store; the rest stays.
func TestOldPartitionsAreRemoved(t *testing.T) {
	old, recent := at(time.Now().Add(-40*day)), at(time.Now().Add(-day))
	t.Run("disk", func(t *testing.T) {
		h := newHarness(t)
		require.NoError(t, h.logs().ConsumeLogs(context.Background(), logsAt("", old, recent, 0)))
		require.Len(t, h.files(), 3)
		h.cfg.Retention.Keep = 30 * day
		h.logs()
		expiredFiles(h)
		require.Len(t, h.files(), 2)
		assert.Contains(t, h.files()[0], "1970-01-01", "the undated are kept as long after they were written")
	})
	t.Run("object store", func(t *testing.T) {
		s := storetest.New(t)
		h := inStore(t, s)
		require.NoError(t, h.logs().ConsumeLogs(context.Background(), logsAt("", old, recent)))
		require.Equal(t, int64(2), rowsIn(t, s, ""))
		h.cfg.Retention.Keep = 30 * day
		h.logs()
		expiredFiles(h)
		assert.Equal(t, int64(1), rowsIn(t, s, ""))
	})
}
