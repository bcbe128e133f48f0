package parquetexporter

import (
	"context"
	"encoding/json"
	"path"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/metadatatest"
	"github.com/penstockhq/penstock/internal/lakestore"
)

// mergeAll lets one file take the place of all that the lake has in a partition, as compaction does.
func mergeAll(t *testing.T, root, partition string) {
	t.Helper()
	s, _, err := lakestore.Open(root)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	c := lakestore.Change{Partition: partition, Sequence: 1, Add: []lakestore.File{{Path: path.Join(partition, "z1.parquet")}}}
	require.NoError(t, s.List(t.Context(), partition, func(f lakestore.File) error {
		c.Remove = append(c.Remove, f)
		return nil
	}))
	content, err := json.Marshal(c)
	require.NoError(t, err)
	made, err := s.Create(t.Context(), lakestore.ChangePath(partition, 1), content)
	require.NoError(t, err)
	require.True(t, made)
	require.NoError(t, s.Move(t.Context(), c.Remove[0].Path, c.Add[0].Path))
	for _, f := range c.Remove {
		require.NoError(t, s.Remove(t.Context(), f.Path))
	}
}

// What compaction has merged is not written again when its range is: the rows would be there twice until the next pass. And the lake's offsets are known all the same.
func TestAMergedRangeThatComesAgain(t *testing.T) {
	h := newHarness(t)
	e := h.logs()
	s := resumed(t, 100, 0, 0)
	deliver(t, e, s, 100)
	deliver(t, e, s, 200)
	files := h.files()
	require.Len(t, files, 4, "two hours each")
	mergeAll(t, h.root, lakestore.PartitionDir("logs", noon, "default"))
	merged := h.files()
	require.Len(t, merged, 3)
	require.NoError(t, e.Shutdown(context.Background()))

	after := h.logs()
	again := resumed(t, 0, 0, 0)
	again.Deliver(time.Now(), true)
	deliver(t, after, again, 100)
	assert.Equal(t, merged, h.files())
	metadatatest.AssertEqualExporterParquetMergedBefore(t, h.tel, sum("logs", "", 1), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	metadatatest.AssertEqualExporterParquetRepeatedOffsets(t, h.tel, sum("logs", "", 300), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	deliver(t, after, again, 300)
	assert.Len(t, h.files(), 5, "what was not merged is written")
}
