package kafkareplayprocessor_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Somebody deletes the journal's topic while a gateway runs, and may create it again. The gateway accepts requests again without a restart.
func TestATopicThatWasDeletedIsCreatedAgain(t *testing.T) {
	for name, byHand := range map[string]bool{"by nobody": false, "by somebody": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.metrics(t)
			require.NoError(t, p.ConsumeMetrics(t.Context(), gauges("before")))
			c, err := kgo.NewClient(kgo.SeedBrokers(w.kafka.ListenAddrs()...))
			require.NoError(t, err)
			defer c.Close()
			adm := kadm.NewClient(c)
			_, err = adm.DeleteTopic(t.Context(), "p.metrics")
			require.NoError(t, err)
			if byHand {
				_, err = adm.CreateTopic(t.Context(), 4, 3, map[string]*string{"min.insync.replicas": kadm.StringPtr("2")}, "p.metrics")
				require.NoError(t, err)
			}
			eventually(t, func() bool {
				err := p.ConsumeMetrics(t.Context(), gauges("after"))
				if err != nil {
					requireRetryable(t, err)
				}
				return err == nil
			})
			topics, err := adm.ListTopics(t.Context(), "p.metrics")
			require.NoError(t, err)
			assert.Len(t, topics["p.metrics"].Partitions, 4)
			assert.Len(t, w.read(t, "p.metrics"), 1)
		})
	}
}
