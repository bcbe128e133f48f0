package parquetexporter

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/metadatatest"
	"github.com/penstockhq/penstock/internal/delivery"
)

// resumed is a partition's session that resumes at next, with one range that was begun there if begun is above 0.
func resumed(t *testing.T, next, begun int64, generation uint32) *delivery.Session {
	t.Helper()
	set := delivery.Settings{Label: "penstock.logs-3", Next: next, Generation: generation}
	if begun > 0 {
		set.Ranges = []delivery.Bounds{{First: next, Next: begun}}
	}
	s, err := delivery.NewSession(set)
	require.NoError(t, err)
	return s
}

// After its log was cut a partition gives offsets to other records: their files must not replace those of the first.
func TestAReusedOffsetReplacesNoFile(t *testing.T) {
	h := newHarness(t)
	e := h.logs()
	deliver(t, e, resumed(t, 100, 0, 0), 100)
	first := h.files()
	deliver(t, e, resumed(t, 100, 0, 1), 100)
	both := h.files()
	assert.Len(t, both, 2*len(first))
	assert.Subset(t, both, first)
	deliver(t, e, resumed(t, 100, 0, 1), 100) // within a generation a range comes again
	assert.Equal(t, both, h.files())
}

func TestRowsOfALostCheckpointAreNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		next, begun int64
		generation  uint32
		noticed     int64
	}{
		"all is on record":              {next: 300},
		"the last range was begun":      {next: 200, begun: 300},
		"an older checkpoint":           {next: 200, noticed: 100},
		"none":                          {next: 0, noticed: 300},
		"another generation of the log": {next: 0, generation: 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			before := h.logs()
			s := resumed(t, 100, 0, 0)
			deliver(t, before, s, 100)
			deliver(t, before, s, 200)
			require.NoError(t, before.Shutdown(context.Background()))
			after := h.logs()
			restored := resumed(t, c.next, c.begun, c.generation)
			for range 3 { // it is said once
				require.NoError(t, after.ConsumeLogs(delivery.With(t.Context(), restored), plog.NewLogs()))
			}
			if c.noticed == 0 {
				_, err := h.tel.GetMetric("otelcol_exporter_parquet_repeated_offsets")
				require.Error(t, err, "nothing was counted")
				return
			}
			metadatatest.AssertEqualExporterParquetRepeatedOffsets(t, h.tel, sum("logs", "", c.noticed), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
		})
	}
}
