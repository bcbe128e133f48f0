package cluster_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/journal/cluster"
)

// Somebody gives the journal's topic more partitions while a gateway runs. Nobody follows the new ones, and a key that moved would leave its state behind.
func TestAKeyStaysInItsPartitionWhenTheTopicGetsMore(t *testing.T) {
	config, c := kafka(t)
	adm := kadm.NewClient(c)
	_, err := adm.CreateTopic(t.Context(), 2, 1, nil, "p.logs")
	require.NoError(t, err)
	opts, err := config.Options(t.Context())
	require.NoError(t, err)
	p, err := cluster.NewProducer(append(opts, kgo.MetadataMinAge(10*time.Millisecond), kgo.MetadataMaxAge(20*time.Millisecond)), 1<<20, 1<<20, map[string]int32{"p.logs": 2})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	write := func() (partitions []int32) {
		for i := range 50 {
			r := &kgo.Record{Topic: "p.logs", Partition: -1, Key: fmt.Append(nil, "key", i), Value: []byte("v")}
			_, err := p.Write(t.Context(), []*kgo.Record{r})
			require.NoError(t, err)
			partitions = append(partitions, r.Partition)
		}
		return partitions
	}
	before := write()
	require.Contains(t, before, int32(1))
	_, err = adm.CreatePartitions(t.Context(), 6, "p.logs")
	require.NoError(t, err)
	// The producer's client knows of them when it writes to one.
	require.Eventually(t, func() bool {
		_, err := p.Write(t.Context(), []*kgo.Record{{Topic: "p.logs", Partition: 7, Value: []byte("v")}})
		return err == nil
	}, 30*time.Second, 10*time.Millisecond)
	assert.Equal(t, before, write())
}

// A dead letter topic that was deleted and created again meanwhile is found.
func TestARecreatedDeadLetterTopicIsFound(t *testing.T) {
	config, c := kafka(t)
	adm := kadm.NewClient(c)
	create := func() {
		_, err := adm.CreateTopic(t.Context(), 1, 1, nil, "p.deadletter")
		require.NoError(t, err)
	}
	create()
	opts, err := config.Options(t.Context())
	require.NoError(t, err)
	p, err := cluster.NewProducer(opts, 1<<20, 1<<20, nil)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	write := func() error {
		return p.WriteLarge(t.Context(), &kgo.Record{Topic: "p.deadletter", Partition: -1, Value: []byte("v")})
	}
	require.NoError(t, write())
	_, err = adm.DeleteTopic(t.Context(), "p.deadletter")
	require.NoError(t, err)
	create()
	require.Eventually(t, func() bool { return write() == nil }, 30*time.Second, 10*time.Millisecond)
}
