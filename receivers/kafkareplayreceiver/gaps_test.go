package kafkareplayreceiver_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	kafkareplay "github.com/penstockhq/penstock/receivers/kafkareplayreceiver"
)

// statusHost remembers what a component reports.
type statusHost struct {
	component.Host
	mu  sync.Mutex
	all []componentstatus.Status // guarded by mu
}

func (h *statusHost) Report(e *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, e.Status())
}

// reported returns the statuses without repetitions.
func (h *statusHost) reported() []componentstatus.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Compact(slices.Clone(h.all))
}

// passRetention deletes the first records of partition 0.
func (w *world) passRetention(t *testing.T, offset int64) {
	t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset("p.logs", 0, offset, -1)
	deleted, err := kadm.NewClient(w.c).DeleteRecords(t.Context(), offsets)
	require.NoError(t, err)
	require.NoError(t, deleted.Error())
}

// end returns where partition 0 ends.
func (w *world) end(t *testing.T) int64 {
	t.Helper()
	listed, err := kadm.NewClient(w.c).ListEndOffsets(t.Context(), "p.logs")
	require.NoError(t, err)
	o, ok := listed.Lookup("p.logs", 0)
	require.True(t, ok)
	return o.Offset
}

// A gap makes the status bad until the remaining records are delivered, or none remain. It is counted once, however often the worker
// restarts before it.
func TestTheStatusRecoversBehindAGap(t *testing.T) {
	for name, left := range map[string]int64{"something is left": 1, "nothing is left": 0} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write(t, "t", bodies("a", 40)...)
			s := newSink()
			r := w.follow(t, "loki", s)
			s.waitFor(t, 40)
			require.NoError(t, r.Shutdown(t.Context()), "with checkpoints")
			begin, last := w.end(t), ""
			for i := 0; w.end(t) < begin+3; i++ {
				last = fmt.Sprint("b", i)
				w.write(t, "t", last)
			}
			w.passRetention(t, begin+3-left)

			var mu sync.Mutex
			tries, down := 0, true
			s.fail = func(body string) error {
				mu.Lock()
				defer mu.Unlock()
				if body != last {
					return nil
				}
				if tries++; down {
					return errors.New("down")
				}
				return nil
			}
			tel := componenttest.NewTelemetry()
			t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.Background())) })
			host := &statusHost{Host: componenttest.NewNopHost()}
			w.reportTo(t, host, s, tel.NewTelemetrySettings())
			bad := []componentstatus.Status{componentstatus.StatusOK, componentstatus.StatusRecoverableError}
			if left > 0 {
				// The sink refuses the remaining records, so the worker restarts before the gap.
				require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return tries > 2 }, 30*time.Second, 5*time.Millisecond)
				assert.Equal(t, bad, host.reported())
				mu.Lock()
				down = false
				mu.Unlock()
			}
			require.Eventually(t, func() bool {
				return slices.Equal(append(bad, componentstatus.StatusOK), host.reported())
			}, 30*time.Second, 5*time.Millisecond)
			m, err := tel.GetMetric("otelcol_receiver_kafka_replay_lost_records")
			require.NoError(t, err)
			assert.Equal(t, 3-left, m.Data.(metricdata.Sum[int64]).DataPoints[0].Value)
		})
	}
}

// reportTo follows with a host that records the status.
func (w *world) reportTo(t *testing.T, host component.Host, s *sink, telemetry component.TelemetrySettings) receiver.Logs {
	t.Helper()
	factory := kafkareplay.NewFactory()
	cfg := factory.CreateDefaultConfig().(*kafkareplay.Config)
	cfg.Kafka.Brokers, cfg.Kafka.TopicPrefix, cfg.Follow.Group = w.kafka.ListenAddrs(), "p", "loki"
	set := receivertest.NewNopSettings(factory.Type())
	set.TelemetrySettings = telemetry
	r, err := factory.CreateLogs(t.Context(), set, cfg, s.consumer(t))
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), host))
	t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })
	return r
}
