package embeddedkafkaextension_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension"
	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
)

// The room of a topic says that it is full, which group holds the records, and for how long it has not read them; another
// topic has room.
func TestJournalRoomNamesTheGroupThatHoldsTheRecords(t *testing.T) {
	factory := embeddedkafkaextension.NewFactory()
	cfg := factory.CreateDefaultConfig().(*embeddedkafkaextension.Config)
	cfg.Directory, cfg.Endpoint, cfg.MaxSize, cfg.SegmentSize = t.TempDir(), freeport.One(t), 16<<20, 1<<20
	ext, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
	require.NoError(t, err)
	require.False(t, ext.(cluster.Limited).JournalRoom("p.logs").Full, "before the start nothing is known")
	require.NoError(t, ext.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, ext.Shutdown(context.Background())) })
	room := ext.(cluster.Limited).JournalRoom

	c, err := kgo.NewClient(kgo.SeedBrokers(cfg.Endpoint), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RecordRetries(0))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	adm := kadm.NewClient(c)
	for _, topic := range []string{"p.logs", "p.traces"} {
		_, err = adm.CreateTopic(t.Context(), 1, 1, nil, topic)
		require.NoError(t, err)
	}
	commit := func(group string, at int64) {
		offsets := kadm.Offsets{}
		offsets.AddOffset("p.logs", 0, at, -1)
		require.NoError(t, adm.CommitAllOffsets(t.Context(), group, offsets))
	}
	commit("p.logs.loki", 0)
	require.Eventually(t, func() bool { return room("p.traces").LeftBytes > 0 }, 30*time.Second, 10*time.Millisecond, "it has its reserve")
	began := time.Now()
	value := make([]byte, 200<<10)
	written := int64(0)
	fill := func() {
		for {
			err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "p.logs", Value: value}).FirstErr()
			if errors.Is(err, kerr.ThrottlingQuotaExceeded) {
				return
			}
			require.NoError(t, err)
			written++
		}
	}
	fill()
	commit("p.logs.lake", written)
	var full journal.Room
	require.Eventually(t, func() bool { // A request that was refused before a check may have space after the next.
		fill()
		full = room("p.logs")
		return full.Full && full.Holder != ""
	}, 30*time.Second, 10*time.Millisecond)
	assert.True(t, full.Full)
	assert.False(t, full.DiskFull)
	assert.Equal(t, "p.logs.loki", full.Holder)
	assert.Equal(t, "loki", full.Follower("p.logs"))
	assert.EqualValues(t, cfg.MaxSize, full.LimitBytes)
	assert.Positive(t, full.UsedBytes)
	assert.Positive(t, full.Behind)
	assert.LessOrEqual(t, full.Behind, time.Since(began)+time.Millisecond, "the age of the oldest record, whose time has no fractions of a millisecond")
	assert.Contains(t, full.Describe("p.logs"), fmt.Sprintf("of %d MiB): loki is ", cfg.MaxSize>>20))

	other := room("p.traces")
	assert.False(t, other.Full, "it has a reserve")
	assert.Positive(t, other.LeftBytes)

	// Appends that were taken have a rate.
	require.NoError(t, c.ProduceSync(t.Context(), &kgo.Record{Topic: "p.traces", Value: value}).FirstErr())
	require.Eventually(t, func() bool { return room("p.traces").BytesPerSecond > 0 }, 30*time.Second, 10*time.Millisecond)

	commit("p.logs.loki", written)
	commit("p.logs.lake", written)
	require.Eventually(t, func() bool { r := room("p.logs"); return !r.Full && r.Holder == "" }, 30*time.Second, 10*time.Millisecond)
}
