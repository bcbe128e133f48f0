package kafkareplayreceiver_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/journal"
	kafkareplay "github.com/penstockhq/penstock/receivers/kafkareplayreceiver"
)

// committed is the sum of the offsets that group loki has committed.
func (w *world) committed(t *testing.T) (sum int64) {
	t.Helper()
	all, err := kadm.NewClient(w.c).FetchOffsets(t.Context(), "p.logs.loki")
	require.NoError(t, err)
	all.Each(func(o kadm.OffsetResponse) {
		if o.Topic == "p.logs" {
			sum += o.At
		}
	})
	return sum
}

// The sink is unavailable and the journal full. Discarded records are recorded and counted once; the rest is delivered, once, when the
// sink is back, also by another process.
func TestBestEffortGivesUpTheOldestAndCountsThem(t *testing.T) {
	const records = 200
	for name, recorded := range map[string]bool{"ranges": false, "recorded ranges": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write(t, "t", bodies("a", records)...)
			e := newExporter(true)
			bestEffort := func(cfg *kafkareplay.Config) {
				cfg.Follow.OnFull = "best_effort"
				cfg.Follow.Range.MaxRecords, cfg.Follow.Range.Recorded = 5, recorded
			}
			x := w.watched(t, true, e.consumer(t), bestEffort)
			x.journal.set(journal.Room{Full: true, UsedBytes: 16 << 20, LimitBytes: 16 << 20, Holder: "p.logs.loki"})
			eventually(t, func() bool { return x.lost("best_effort") > 0 })
			eventually(t, func() bool {
				return strings.Contains(x.host.reported(), "loki loses its oldest logs: the journal is full, and on_full is best_effort")
			})
			eventually(t, func() bool { return w.committed(t) > 0 && w.committed(t) == x.lost("best_effort") }, "a checkpoint holds what is counted")
			assert.Zero(t, e.count())
			eventually(t, func() bool {
				for _, line := range x.errors() {
					if strings.HasPrefix(line, "loki loses its oldest logs, because on_full is best_effort: journal full (16 of 16 MiB): loki is ") {
						return true
					}
				}
				return false
			})

			x.journal.set(journal.Room{UsedBytes: 1 << 20, LimitBytes: 16 << 20, LeftBytes: 15 << 20})
			require.NoError(t, x.Shutdown(t.Context()))
			lost := x.lost("best_effort")
			require.Less(t, lost, int64(records))
			e.open()
			again := w.watched(t, true, e.consumer(t), bestEffort)
			again.journal.set(journal.Room{UsedBytes: 1 << 20, LimitBytes: 16 << 20, LeftBytes: 15 << 20})
			eventually(t, func() bool { return int64(e.count()) >= records-lost })
			require.NoError(t, again.Shutdown(t.Context()))
			assert.Equal(t, records-lost, int64(e.count()))
			assert.Zero(t, again.lost("best_effort"))
			for body, n := range e.seen {
				assert.Equal(t, 1, n, body)
			}
		})
	}
}

// No records of a sink are discarded because another one holds more, and none unless best_effort is configured.
func TestOnlyTheHolderGivesUp(t *testing.T) {
	for name, c := range map[string]struct{ onFull, holder string }{
		"another holds more": {"best_effort", "p.logs.lake"},
		"hold":               {"hold", "p.logs.loki"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write(t, "t", bodies("a", 40)...)
			e := newExporter(true)
			x := w.watched(t, true, e.consumer(t), func(cfg *kafkareplay.Config) { cfg.Follow.OnFull = c.onFull })
			x.journal.set(journal.Room{Full: true, UsedBytes: 16 << 20, LimitBytes: 16 << 20, Holder: c.holder})
			eventually(t, func() bool { return len(x.errors()) >= 4 }, "it looks once a second")
			assert.Contains(t, x.errors()[0], "Its records wait: journal full (16 of 16 MiB): ")
			e.open()
			eventually(t, func() bool { return e.count() == 40 })
			assert.Zero(t, x.lost("best_effort"))
		})
	}
}

func TestTheStatusRecoversWhenNothingIsGivenUpAnyMore(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 40)...)
	e := newExporter(true)
	x := w.watched(t, true, e.consumer(t), func(cfg *kafkareplay.Config) { cfg.Follow.OnFull = "best_effort" })
	x.journal.set(journal.Room{Full: true, UsedBytes: 16 << 20, LimitBytes: 16 << 20, Holder: "p.logs.loki"})
	eventually(t, func() bool { return x.lost("best_effort") > 0 })
	x.journal.set(journal.Room{})
	e.open()
	eventually(t, func() bool { return x.host.reported() == "StatusOK" })
	lines := x.errors()
	assert.Equal(t, "loki no longer loses records: the journal has room again", lines[len(lines)-1])
}

// A real Kafka does not report that it is full.
func TestBestEffortNeedsAJournalThatSaysWhenItIsFull(t *testing.T) {
	factory := kafkareplay.NewFactory()
	cfg := factory.CreateDefaultConfig().(*kafkareplay.Config)
	cfg.Kafka.Brokers, cfg.Follow.Group, cfg.Follow.OnFull = []string{"127.0.0.1:1"}, "loki", "best_effort"
	set := receivertest.NewNopSettings(factory.Type())
	set.Logger = zap.NewNop()
	r, err := factory.CreateLogs(t.Context(), set, cfg, newExporter(false).consumer(t))
	require.NoError(t, err)
	err = r.Start(t.Context(), componenttest.NewNopHost())
	require.ErrorContains(t, err, `follow: on_full: "best_effort" needs the journal in this process (extension embedded_kafka)`)
	require.NoError(t, r.Shutdown(context.Background()))
}

// The previous record was written an hour ago. The waiting one is new.
func TestLagDurationIsTheAgeOfTheOldestRecordThatWaits(t *testing.T) {
	w := newWorld(t)
	old := journal.Record{Tenant: "t", Key: "k", Value: oneLine(t, "old"), Received: time.Now()}
	k := old.Kafka("p.logs")
	k.Timestamp = time.Now().Add(-time.Hour)
	require.NoError(t, w.c.ProduceSync(t.Context(), k).FirstErr())
	e := newExporter(false)
	e.open()
	x := w.watched(t, false, e.consumer(t), func(cfg *kafkareplay.Config) { cfg.Follow.InFlight = 1 })
	eventually(t, func() bool { return e.count() == 1 })
	eventually(t, func() bool { return x.gauge("lag") == 0 })
	e.shut()
	old.Value = oneLine(t, "new")
	require.NoError(t, w.c.ProduceSync(t.Context(), old.Kafka("p.logs")).FirstErr())
	eventually(t, func() bool { return x.gauge("lag") == 1 && x.gauge("lag_duration") > 0 })
	assert.Less(t, x.gauge("lag_duration"), 600.0)
	e.open()
	eventually(t, func() bool { return x.gauge("lag_duration") == 0 })
}
