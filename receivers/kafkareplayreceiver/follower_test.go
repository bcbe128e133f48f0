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
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	kafkareplay "github.com/penstockhq/penstock/receivers/kafkareplayreceiver"
)

// world is a Kafka with a journal of logs in four partitions.
type world struct {
	kafka *kfake.Cluster
	c     *kgo.Client
}

func newWorld(t testing.TB) *world {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.GroupMinSessionTimeout(time.Second))
	require.NoError(t, err)
	t.Cleanup(k.Close)
	c, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.MetadataMinAge(20*time.Millisecond), kgo.ProducerLinger(0))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	topics := cluster.DefaultTopicsConfig()
	topics.Partitions = 4
	_, _, err = cluster.Ensure(t.Context(), c, "p", journal.Logs, topics)
	require.NoError(t, err)
	return &world{k, c}
}

// write appends a record for each body.
func (w *world) write(t *testing.T, tenant string, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		ld := plog.NewLogs()
		l := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		l.Body().SetStr(b)
		l.SetObservedTimestamp(1)
		value, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
		require.NoError(t, err)
		r := journal.Record{Tenant: tenant, Key: b, Value: value, Received: time.Now()}
		require.NoError(t, w.c.ProduceSync(t.Context(), r.Kafka("p.logs")).FirstErr())
	}
}

// sink counts bodies by tenant, and returns the result of fail.
type sink struct {
	mu    sync.Mutex
	seen  map[string]int
	marks map[string]int // values of penstock.replay.id
	fail  func(body string) error
	gate  func()                 // nil, or a filter for each batch
	drops func(body string) bool // nil, or the refused part of an accepted batch
}

func newSink() *sink { return &sink{seen: map[string]int{}, marks: map[string]int{}} }

func (s *sink) consumer(t *testing.T) consumer.Logs {
	t.Helper()
	c, err := consumer.NewLogs(func(ctx context.Context, ld plog.Logs) error {
		if s.gate != nil && ld.LogRecordCount() > 0 {
			s.gate()
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		tenant := client.FromContext(ctx).Metadata.Get("x-scope-orgid")
		for _, rl := range ld.ResourceLogs().All() {
			for _, l := range rl.ScopeLogs().At(0).LogRecords().All() {
				if s.fail != nil {
					if err := s.fail(l.Body().Str()); err != nil {
						return err
					}
				}
				if s.drops != nil && s.drops(l.Body().Str()) {
					delivery.Of(ctx).Outcome.Refuse("sink", "dropped", 1, delivery.UnitItem)
					continue
				}
				s.seen[fmt.Sprint(tenant, l.Body().Str())]++
				if id, ok := l.Attributes().Get("penstock.replay.id"); ok {
					s.marks[id.Str()]++
				}
			}
		}
		return nil
	})
	require.NoError(t, err)
	return c
}

func (s *sink) waitFor(t *testing.T, n int) map[string]int {
	t.Helper()
	require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.seen) >= n }, 30*time.Second, 5*time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for k, v := range s.seen {
		out[k] = v
	}
	return out
}

func (w *world) follow(t *testing.T, group string, s *sink) receiver.Logs {
	t.Helper()
	return w.followWith(t, group, s, componenttest.NewNopTelemetrySettings(), func(*kafkareplay.Config) {})
}

func (w *world) followWith(t *testing.T, group string, s *sink, telemetry component.TelemetrySettings, change func(*kafkareplay.Config)) receiver.Logs {
	t.Helper()
	factory := kafkareplay.NewFactory()
	cfg := factory.CreateDefaultConfig().(*kafkareplay.Config)
	cfg.Kafka.Brokers = w.kafka.ListenAddrs()
	cfg.Kafka.TopicPrefix = "p"
	cfg.Follow.Group = group
	change(cfg)
	require.NoError(t, confmap.Validate(cfg))
	set := receivertest.NewNopSettings(factory.Type())
	set.TelemetrySettings = telemetry
	r, err := factory.CreateLogs(t.Context(), set, cfg, s.consumer(t))
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })
	return r
}

func bodies(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(prefix, i))
	}
	return all
}

func TestEverythingIsDeliveredOnceAndARestartResumes(t *testing.T) {
	w := newWorld(t)
	w.write(t, "acme", bodies("a", 40)...)
	s := newSink()
	r := w.follow(t, "loki", s)
	w.write(t, "acme", bodies("b", 20)...)
	s.waitFor(t, 60)
	require.NoError(t, r.Shutdown(t.Context()))
	w.write(t, "other", bodies("c", 20)...)
	w.follow(t, "loki", s)
	seen := s.waitFor(t, 80)
	for body, n := range seen {
		assert.Equal(t, 1, n, body)
	}
	assert.Contains(t, seen, "[acme]a0")
	assert.Contains(t, seen, "[other]c0")
}

func TestARequestThatComesTwiceIsDeliveredOnce(t *testing.T) {
	w := newWorld(t)
	w.write(t, "acme", "same", "same", "same")
	w.write(t, "other", "same")
	s := newSink()
	w.follow(t, "loki", s)
	w.write(t, "acme", bodies("end", 20)...)
	assert.Equal(t, 1, s.waitFor(t, 22)["[acme]same"])
}

func TestTwoMembersShareAndALeavingOneHandsOver(t *testing.T) {
	w := newWorld(t)
	one, two := newSink(), newSink()
	first := w.follow(t, "loki", one)
	w.write(t, "t", bodies("a", 20)...)
	one.waitFor(t, 20)
	w.follow(t, "loki", two)
	n := 0
	require.Eventually(t, func() bool {
		n++
		w.write(t, "t", bodies(fmt.Sprint("b", n, "-"), 4)...)
		two.mu.Lock()
		defer two.mu.Unlock()
		return len(two.seen) > 0
	}, 30*time.Second, 50*time.Millisecond)
	require.NoError(t, first.Shutdown(t.Context()))
	w.write(t, "t", bodies("c", 20)...)
	require.Eventually(t, func() bool {
		one.mu.Lock()
		two.mu.Lock()
		defer one.mu.Unlock()
		defer two.mu.Unlock()
		return len(one.seen)+len(two.seen) >= 40+4*n
	}, 30*time.Second, 5*time.Millisecond)
	one.mu.Lock()
	defer one.mu.Unlock()
	two.mu.Lock()
	defer two.mu.Unlock()
	for body := range one.seen {
		assert.NotContains(t, two.seen, body)
	}
}

func TestASinkThatFailsGetsItAgainAndOthersDoNotWait(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 20)...)
	down, up := newSink(), newSink()
	failing := true
	down.fail = func(string) error {
		if failing {
			return errors.New("down")
		}
		return nil
	}
	w.follow(t, "down", down)
	w.follow(t, "up", up)
	up.waitFor(t, 20)
	down.mu.Lock()
	assert.Empty(t, down.seen)
	failing = false
	down.mu.Unlock()
	down.waitFor(t, 20)
}

func TestWhatCannotBeReadOrIsRefusedGoesToTheDeadLetter(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 10)...)
	require.NoError(t, w.c.ProduceSync(t.Context(), &kgo.Record{Topic: "p.logs", Key: []byte("k"), Value: []byte("not protobuf")}).FirstErr())
	w.write(t, "t", bodies("b", 10)...)
	s := newSink()
	s.fail = func(body string) error {
		if body == "b3" {
			return consumererror.NewPermanent(errors.New("never"))
		}
		return nil
	}
	w.follow(t, "loki", s)
	assert.NotContains(t, s.waitFor(t, 19), "[t]b3")
	// Ranges after the refused record pass before it is written to the dead letter topic.
	require.Eventually(t, func() bool {
		var letters []string
		err := cluster.ReadAll(t.Context(), w.c, "p.deadletter", 0, func(r *kgo.Record) {
			for _, h := range r.Headers {
				if h.Key == journal.HeaderReason {
					letters = append(letters, string(h.Value[:7]))
				}
			}
		})
		return err == nil && slices.Contains(letters, "decode:") && slices.Contains(letters, "refused")
	}, 30*time.Second, 5*time.Millisecond)
}

// A sink that is down: lag grows in records and seconds, although nothing is delivered; when the sink is back, repeated records are
// counted.
func TestLagGrowsWhileASinkIsDown(t *testing.T) {
	w := newWorld(t)
	tel := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.Background())) })
	s := newSink()
	down := true
	s.fail = func(body string) error {
		if down && body != "first" {
			return errors.New("down")
		}
		return nil
	}
	w.write(t, "t", "first")
	w.followWith(t, "loki", s, tel.NewTelemetrySettings(), func(*kafkareplay.Config) {})
	s.waitFor(t, 1)
	w.write(t, "t", bodies("a", 40)...)
	value := func(name string) (sum float64) {
		m, err := tel.GetMetric(name)
		if err != nil {
			return -1
		}
		switch data := m.Data.(type) {
		case metricdata.Gauge[int64]:
			for _, p := range data.DataPoints {
				sum += float64(p.Value)
			}
		case metricdata.Sum[int64]:
			for _, p := range data.DataPoints {
				sum += float64(p.Value)
			}
		case metricdata.Gauge[float64]:
			for _, p := range data.DataPoints {
				sum = max(sum, p.Value)
			}
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				sum += float64(p.Count)
			}
		}
		return sum
	}
	require.Eventually(t, func() bool { return value("otelcol_receiver_kafka_replay_lag") >= 40 }, 30*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool { return value("otelcol_receiver_kafka_replay_lag_duration") > 0.1 }, 30*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool { return value("otelcol_receiver_kafka_replay_redelivered_records") > 0 }, 30*time.Second, 10*time.Millisecond)
	s.mu.Lock()
	down = false
	s.mu.Unlock()
	s.waitFor(t, 41)
	for name, want := range map[string]float64{"lag": 0, "lag_duration": 0, "in_flight": 0} {
		require.Eventually(t, func() bool { return value("otelcol_receiver_kafka_replay_"+name) == want }, 30*time.Second, 10*time.Millisecond, name)
	}
	for _, name := range []string{"delivery_delay", "fetch_duration", "checkpoint_duration", "checkpoint_bytes", "failures"} {
		assert.Positive(t, value("otelcol_receiver_kafka_replay_"+name), name)
	}
}

// Logs are delivered several ranges at a time: the sink answers none of the first before it has more of them than there are partitions.
// All are delivered once.
func TestRangesOfLogsAreDeliveredTogether(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 200)...)
	s := newSink()
	const partitions, inFlight = 4, 3
	var mu sync.Mutex
	enough := sync.NewCond(&mu)
	together, most := 0, 0
	s.gate = func() {
		mu.Lock()
		defer mu.Unlock()
		together++
		most = max(most, together)
		for most <= partitions {
			enough.Wait()
		}
		enough.Broadcast()
		together--
	}
	w.followWith(t, "loki", s, componenttest.NewNopTelemetrySettings(), func(cfg *kafkareplay.Config) {
		cfg.Follow.Range.MaxRecords = 5
		cfg.Follow.InFlight = inFlight
	})
	for body, n := range s.waitFor(t, 200) {
		assert.Equal(t, 1, n, body)
	}
	mu.Lock()
	defer mu.Unlock()
	assert.LessOrEqual(t, most, partitions*inFlight)
}

// A worker that another one fences before its first checkpoint knows no offset: it confirms its membership, and commits nothing.
func TestAWorkerThatIsFencedEarlyDoesNotRewindTheGroup(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 40)...)
	first := newSink()
	r := w.follow(t, "loki", first)
	first.waitFor(t, 40)
	require.NoError(t, r.Shutdown(t.Context())) // The group's offsets are those of the last checkpoints.
	var mu sync.Mutex
	fenced, rewound := 0, false
	w.kafka.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		for _, topic := range req.(*kmsg.OffsetCommitRequest).Topics {
			for _, p := range topic.Partitions {
				rewound = rewound || p.Offset <= 0
			}
		}
		return nil, nil, false
	})
	w.kafka.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		if fenced++; fenced > 4 { // once for each partition
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ErrorCode = kerr.ProducerFenced.Code
		return resp, nil, true
	})
	w.write(t, "t", bodies("b", 40)...)
	second := newSink()
	w.follow(t, "loki", second)
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return fenced >= 8 // The later workers have saved checkpoints.
	}, 60*time.Second, 10*time.Millisecond)
	second.waitFor(t, 40)
	mu.Lock()
	defer mu.Unlock()
	assert.False(t, rewound)
}

// Other writers and earlier releases wrote invalid tenant names: such a record is delivered for the default tenant, and counted.
func TestARecordOfABadTenantIsDeliveredAsTheDefaultTenants(t *testing.T) {
	w := newWorld(t)
	tel := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.Background())) })
	w.write(t, "../etc", bodies("bad", 3)...)
	w.write(t, "acme", bodies("good", 3)...)
	s := newSink()
	w.followWith(t, "loki", s, tel.NewTelemetrySettings(), func(*kafkareplay.Config) {})
	seen := s.waitFor(t, 6)
	assert.Contains(t, seen, "[default]bad0")
	assert.Contains(t, seen, "[acme]good0")
	require.Eventually(t, func() bool {
		m, err := tel.GetMetric("otelcol_receiver_kafka_replay_changed_records")
		if err != nil {
			return false
		}
		sum := int64(0)
		for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
			if reason, _ := p.Attributes.Value("reason"); reason.AsString() == "tenant" {
				sum += p.Value
			}
		}
		return sum == 3
	}, 30*time.Second, 10*time.Millisecond)
}
