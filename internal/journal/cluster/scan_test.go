package cluster_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/journal/cluster"
)

// Retention can delete the records that a scan is about to read, and more: they never arrive.
func TestAScanEndsWhereNothingIsLeft(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "scanned"))
	require.NoError(t, err)
	t.Cleanup(k.Close)
	c, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	for range 10 {
		require.NoError(t, c.ProduceSync(t.Context(), &kgo.Record{Topic: "scanned", Value: []byte("v")}).FirstErr())
	}
	scan := func(first, next int64) (offsets []int64) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, cluster.Scan(ctx, c, "scanned", 0, first, next, func(r *kgo.Record) bool {
			offsets = append(offsets, r.Offset)
			return true
		}))
		return offsets
	}
	assert.Equal(t, []int64{7, 8}, scan(7, 9))
	assert.Equal(t, []int64{8, 9}, scan(8, 100), "the log ends before")
	assert.Empty(t, scan(50, 100))
	trim := func(to int64) {
		offsets := kadm.Offsets{}
		offsets.AddOffset("scanned", 0, to, -1)
		deleted, err := kadm.NewClient(c).DeleteRecords(t.Context(), offsets)
		require.NoError(t, err)
		require.NoError(t, deleted.Error())
	}
	trim(6)
	assert.Equal(t, []int64{6, 7}, scan(0, 8))
	assert.Empty(t, scan(0, 4), "all of it is gone")
	trim(10)
	assert.Empty(t, scan(0, 10), "the partition is empty")
}
