//go:build linux

package embeddedkafkaextension_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/internal/journal/cluster"
)

// Nothing can be written at the start: the extension starts, says that the disk is full, and serves when it is not any more, with the records
// that it had. The last file of the ledger is /dev/full meanwhile, which answers writes as a full disk does.
func TestAStartOnAFullDiskWaitsForRoom(t *testing.T) {
	dir, endpoint := filepath.Join(t.TempDir(), "kafka"), freeport.One(t)
	ext := start(t, dir, endpoint)
	c, err := kgo.NewClient(kgo.SeedBrokers(endpoint), kgo.ProducerLinger(0))
	require.NoError(t, err)
	defer c.Close()
	_, err = kadm.NewClient(c).CreateTopic(t.Context(), 1, 1, nil, "t")
	require.NoError(t, err)
	require.NoError(t, c.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("kept")}).FirstErr())
	require.NoError(t, ext.Shutdown(t.Context()))

	tail := filepath.Join(dir, "ledger", "tail")
	require.NoError(t, os.Rename(tail, tail+".kept"))
	require.NoError(t, os.Symlink("/dev/full", tail))
	ext = start(t, dir, endpoint)
	defer func() { require.NoError(t, ext.Shutdown(context.Background())) }()
	room := ext.(cluster.Limited).JournalRoom("t")
	assert.True(t, room.Full)
	assert.True(t, room.DiskFull)
	assert.Equal(t, "the journal is not open: the disk is full", room.Describe("t"))

	require.NoError(t, os.Rename(tail+".kept", tail))
	require.Eventually(t, func() bool { return !ext.(cluster.Limited).JournalRoom("t").Full }, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, c.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("more")}).FirstErr())
	reader, err := kgo.NewClient(kgo.SeedBrokers(endpoint), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(t, err)
	defer reader.Close()
	var values []string
	for len(values) < 2 {
		fetches := reader.PollFetches(t.Context())
		require.NoError(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	assert.Equal(t, []string{"kept", "more"}, values)
}

// A process that waits for room stops at once. It does not log its size limit with each attempt.
func TestAStopWhileItWaitsForRoom(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kafka")
	require.NoError(t, start(t, dir, freeport.One(t)).Shutdown(t.Context()))
	tail := filepath.Join(dir, "ledger", "tail")
	require.NoError(t, os.Remove(tail))
	require.NoError(t, os.Symlink("/dev/full", tail))
	core, logs := observer.New(zap.InfoLevel)
	ext := startLogged(t, dir, freeport.One(t), zap.New(core))
	assert.True(t, ext.(cluster.Limited).JournalRoom("t").Full)
	require.NoError(t, ext.Shutdown(t.Context()))
	assert.Len(t, logs.All(), 1, "that the disk is full")
}
