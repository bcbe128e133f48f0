package kafkareplayreceiver_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
)

// total adds up a counter's data points with value under key; an empty key means all.
func total(t *testing.T, tel *componenttest.Telemetry, name, key, value string) (n int64) {
	t.Helper()
	m, err := tel.GetMetric(name)
	if err != nil {
		return 0
	}
	for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
		for _, a := range p.Attributes.ToSlice() {
			if key == "" || (string(a.Key) == key && a.Value.AsString() == value) {
				n += p.Value
				break
			}
		}
	}
	return n
}

// remove deletes a topic. A client remembers its id, so a new topic then has another one.
func (w *world) remove(t *testing.T, topic string) {
	t.Helper()
	_, err := kadm.NewClient(w.c).DeleteTopic(t.Context(), topic)
	require.NoError(t, err)
	w.c, err = kgo.NewClient(w.c.Opts()...)
	require.NoError(t, err)
	t.Cleanup(w.c.Close)
}

func telemetry(t *testing.T) *componenttest.Telemetry {
	t.Helper()
	tel := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.Background())) })
	return tel
}

// A recreated topic gives the offsets of delivered records to new ones. They are delivered, and the lost ones are counted.
func TestAJournalThatWasMadeAnewHidesNoRecord(t *testing.T) {
	for name, n := range map[string]int{"shorter": 5, "longer": 200} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write(t, "t", bodies("old", 60)...)
			s := newSink()
			r := w.follow(t, "loki", s)
			s.waitFor(t, 60)
			require.NoError(t, r.Shutdown(t.Context()), "with checkpoints")
			w.remove(t, "p.logs")
			topics := cluster.DefaultTopicsConfig()
			topics.Partitions = 4
			_, _, err := cluster.Ensure(t.Context(), w.c, "p", journal.Logs, topics)
			require.NoError(t, err)
			w.write(t, "t", bodies("new", n)...)

			tel := telemetry(t)
			host := &statusHost{Host: componenttest.NewNopHost()}
			w.reportTo(t, host, s, tel.NewTelemetrySettings())
			seen := s.waitFor(t, 60+n)
			for body, times := range seen {
				assert.Equal(t, 1, times, body)
			}
			assert.EqualValues(t, 60, total(t, tel, "otelcol_receiver_kafka_replay_lost_records", "reason", "log_cut"))
			assert.Contains(t, host.reported(), componentstatus.StatusRecoverableError)
		})
	}
}

// The same while the receiver follows it: its clients remember the id of the deleted topic.
func TestAJournalThatIsMadeAnewMeanwhileIsFollowed(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("old", 20)...)
	s := newSink()
	tel := telemetry(t)
	host := &statusHost{Host: componenttest.NewNopHost()}
	w.reportTo(t, host, s, tel.NewTelemetrySettings())
	s.waitFor(t, 20)
	w.remove(t, "p.logs")
	topics := cluster.DefaultTopicsConfig()
	topics.Partitions = 4
	_, _, err := cluster.Ensure(t.Context(), w.c, "p", journal.Logs, topics)
	require.NoError(t, err)
	w.write(t, "t", bodies("new", 40)...)
	for body, times := range s.waitFor(t, 60) {
		assert.Equal(t, 1, times, body)
	}
}

// An emptied state topic would cause everything to be delivered again: the group's offsets say where the checkpoints were.
func TestAnEmptiedStateTopicRepeatsNothingOnRecord(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 60)...)
	s := newSink()
	r := w.follow(t, "loki", s)
	s.waitFor(t, 60)
	require.NoError(t, r.Shutdown(t.Context()), "with checkpoints, and the group's offsets behind them")
	w.remove(t, journal.Logs.StateTopic("p", "loki"))
	w.write(t, "t", bodies("b", 20)...)

	tel := telemetry(t)
	host := &statusHost{Host: componenttest.NewNopHost()}
	w.reportTo(t, host, s, tel.NewTelemetrySettings())
	seen := s.waitFor(t, 80)
	for body, times := range seen {
		assert.Equal(t, 1, times, body)
	}
	require.Eventually(t, func() bool { return total(t, tel, "otelcol_receiver_kafka_replay_missing_checkpoints", "", "") == 4 }, 30*time.Second, 5*time.Millisecond, "one for each partition")
	assert.Contains(t, host.reported(), componentstatus.StatusRecoverableError)
}
