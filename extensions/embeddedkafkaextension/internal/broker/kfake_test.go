package broker_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/journal/cluster"
)

// A directory that an earlier version has written is taken over whole, whether its process was closed or killed in the middle of a
// transaction, and also when the taking over is cut off.
func TestADirectoryOfAnEarlierVersionIsTakenOver(t *testing.T) {
	const state = "p.metrics.state.tsdb"
	for _, how := range []string{"closed", "killed", "cut off"} {
		t.Run(how, func(t *testing.T) {
			set := settings(filepath.Join(t.TempDir(), "kafka"))
			from := how
			if how == "cut off" {
				from = "killed"
			}
			require.NoError(t, os.CopyFS(set.Directory, os.DirFS(filepath.Join("testdata", "kfake", from))))
			if how == "cut off" {
				require.NoError(t, os.MkdirAll(filepath.Join(set.Directory, "ledger.new"), 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(set.Directory, "ledger.new", "0.dat"), []byte("half"), 0o600))
			}
			var before int16
			for range 2 {
				r := open(t, set)
				assert.Equal(t, []string{"a", "b", "c"}, r.read(t))
				assert.Equal(t, int64(2), committed(t, r))
				c := r.client(t)
				var checkpoints []string
				require.NoError(t, cluster.ReadAll(t.Context(), c, state, 1, func(rec *kgo.Record) { checkpoints = append(checkpoints, string(rec.Value)) }))
				assert.Equal(t, []string{"first checkpoint", "second checkpoint"}, checkpoints)
				topics, err := kadm.NewClient(c).ListTopics(t.Context())
				require.NoError(t, err)
				assert.Len(t, topics[state].Partitions, 2)
				assert.Equal(t, "ofnRJheDAKlHNE17NeR99w==", topics[topic].ID.String())
				described, err := kadm.NewClient(c).DescribeTopicConfigs(t.Context(), state)
				require.NoError(t, err)
				for _, kv := range described[0].Configs {
					if kv.Key == "retention.ms" {
						assert.Equal(t, "-1", kv.MaybeValue())
					}
				}
				epoch := fence(t, r)
				assert.Greater(t, epoch, max(before, 1), "who was fenced stays so")
				before = epoch
				r.close()
			}
			r := open(t, set)
			assert.Empty(t, r.findings())
			produce(t, r.client(t), "d")
			assert.Equal(t, []string{"a", "b", "c", "d"}, r.read(t))
			_, err := os.Stat(filepath.Join(set.Directory, "topics.json"))
			require.ErrorIs(t, err, os.ErrNotExist)
		})
	}
}
