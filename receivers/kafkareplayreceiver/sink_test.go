package kafkareplayreceiver_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal"
	kafkareplay "github.com/penstockhq/penstock/receivers/kafkareplayreceiver"
)

// limited is an extension that holds a journal of limited size.
type limited struct {
	component.StartFunc
	component.ShutdownFunc
	mu   sync.Mutex
	room journal.Room // guarded by mu
}

func (l *limited) JournalRoom(string) journal.Room {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.room
}

func (l *limited) set(r journal.Room) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.room = r
}

// seeing is a host that remembers the last status in words.
type seeing struct {
	component.Host
	extensions map[component.ID]component.Component
	mu         sync.Mutex
	status     string // guarded by mu
}

func (h *seeing) GetExtensions() map[component.ID]component.Component { return h.extensions }

func (h *seeing) Report(e *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = e.Status().String()
	if e.Err() != nil {
		h.status += ": " + e.Err().Error()
	}
}

func (h *seeing) reported() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status
}

// watched is a follower whose log, status and counters are recorded.
type watched struct {
	receiver.Logs
	journal *limited
	host    *seeing
	log     *observer.ObservedLogs
	tel     *componenttest.Telemetry
}

func (w *world) watched(t *testing.T, embedded bool, next consumer.Logs, change func(*kafkareplay.Config)) *watched {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	x := &watched{host: &seeing{Host: componenttest.NewNopHost()}, journal: &limited{}, log: logs, tel: componenttest.NewTelemetry()}
	t.Cleanup(func() { require.NoError(t, x.tel.Shutdown(context.Background())) })
	if embedded {
		x.host.extensions = map[component.ID]component.Component{component.MustNewID("embedded_kafka"): x.journal}
	}
	factory := kafkareplay.NewFactory()
	cfg := factory.CreateDefaultConfig().(*kafkareplay.Config)
	cfg.Kafka.Brokers, cfg.Kafka.TopicPrefix = w.kafka.ListenAddrs(), "p"
	cfg.Follow.Group, cfg.Follow.OutageAfter = "loki", 100*time.Millisecond
	change(cfg)
	set := receivertest.NewNopSettings(factory.Type())
	set.TelemetrySettings = x.tel.NewTelemetrySettings()
	set.Logger = zap.New(core)
	var err error
	x.Logs, err = factory.CreateLogs(t.Context(), set, cfg, next)
	require.NoError(t, err)
	require.NoError(t, x.Start(t.Context(), x.host))
	t.Cleanup(func() { require.NoError(t, x.Shutdown(context.Background())) })
	return x
}

// errors returns the log's errors.
func (x *watched) errors() (lines []string) {
	for _, e := range x.log.FilterLevelExact(zap.ErrorLevel).All() {
		lines = append(lines, e.Message)
	}
	return lines
}

// lost returns the value of lost_records for a reason.
func (x *watched) lost(reason string) int64 {
	m, err := x.tel.GetMetric("otelcol_receiver_kafka_replay_lost_records")
	if err != nil {
		return 0
	}
	for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
		if v, ok := p.Attributes.Value("reason"); ok && v.AsString() == reason {
			return p.Value
		}
	}
	return 0
}

// gauge returns the largest value of a gauge.
func (x *watched) gauge(name string) (value float64) {
	m, err := x.tel.GetMetric("otelcol_receiver_kafka_replay_" + name)
	if err != nil {
		return -1
	}
	switch data := m.Data.(type) {
	case metricdata.Gauge[int64]:
		for _, p := range data.DataPoints {
			value = max(value, float64(p.Value))
		}
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			value = max(value, p.Value)
		}
	}
	return value
}

func oneLine(t *testing.T, body string) []byte {
	t.Helper()
	ld := plog.NewLogs()
	l := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	l.Body().SetStr(body)
	l.SetObservedTimestamp(1)
	value, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	require.NoError(t, err)
	return value
}

func eventually(t *testing.T, ok func() bool, about ...any) {
	t.Helper()
	require.Eventually(t, ok, 40*time.Second, 5*time.Millisecond, about...)
}

// exporter retries without end, as ours do: it returns when its sink is back or its context ends.
type exporter struct {
	tells bool // it reports its attempts
	mu    sync.Mutex
	up    chan struct{}  // guarded by mu; closed: the sink is available
	seen  map[string]int // guarded by mu; by body
}

func newExporter(tells bool) *exporter {
	return &exporter{tells: tells, up: make(chan struct{}), seen: map[string]int{}}
}

// open and shut make the sink available and unavailable.
func (e *exporter) open() {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.up)
}

func (e *exporter) shut() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.up = make(chan struct{})
}

func (e *exporter) there() chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.up
}

func (e *exporter) consumer(t *testing.T) consumer.Logs {
	t.Helper()
	c, err := consumer.NewLogs(func(ctx context.Context, ld plog.Logs) error {
		if ld.LogRecordCount() == 0 {
			return nil
		}
		for waiting := true; waiting; {
			if e.tells {
				delivery.Of(ctx).Attempted("loki/main", errors.New("dial tcp 127.0.0.1:3100: connect: connection refused"))
			}
			select {
			case <-e.there():
				waiting = false
			case <-ctx.Done():
				return errors.New("request is cancelled or timed out")
			case <-time.After(20 * time.Millisecond):
			}
		}
		if e.tells {
			delivery.Of(ctx).Attempted("loki/main", nil)
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, rl := range ld.ResourceLogs().All() {
			for _, l := range rl.ScopeLogs().At(0).LogRecords().All() {
				e.seen[l.Body().Str()]++
			}
		}
		return nil
	})
	require.NoError(t, err)
	return c
}

func (e *exporter) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.seen)
}

func TestASinkThatIsAwayIsNamedWithCauseAndRoom(t *testing.T) {
	for name, c := range map[string]struct {
		tells  bool
		status string
		line   string
	}{
		"its exporter tells why": {true, "loki (exporter loki/main) does not accept logs: dial tcp 127.0.0.1:3100: connect: connection refused", "loki (exporter loki/main) has accepted no logs for "},
		"its exporter is silent": {false, "loki does not accept logs: its exporter has not returned", "loki has accepted no logs for "},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write(t, "t", "one")
			e := newExporter(c.tells)
			x := w.watched(t, true, e.consumer(t), func(*kafkareplay.Config) {})
			x.journal.set(journal.Room{UsedBytes: 400 << 20, LimitBytes: 512 << 20, LeftBytes: 60 << 20, BytesPerSecond: 1 << 19})
			eventually(t, func() bool { return len(x.errors()) >= 2 }, "a line, and one in each interval")
			line := x.errors()[0]
			assert.True(t, strings.HasPrefix(line, c.line), line)
			assert.Contains(t, line, "the journal has space for 60 more MiB of p.logs, 2 m at the present rate, then clients are refused")
			eventually(t, func() bool { return x.host.reported() == "StatusRecoverableError: "+c.status })

			e.open()
			eventually(t, func() bool { return x.host.reported() == "StatusOK" && e.count() == 1 })
			lines := x.errors()
			assert.Contains(t, lines[len(lines)-1], "accepts logs again")
		})
	}
}

// An exporter without retries returns errors, and its partitions restart again and again: that is one warning in each interval.
func TestAPartitionThatBeginsAgainIsOneLineInEachInterval(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 40)...)
	s := newSink()
	var mu sync.Mutex
	tries := 0
	s.fail = func(string) error {
		mu.Lock()
		defer mu.Unlock()
		tries++
		return errors.New("down")
	}
	x := w.watched(t, false, s.consumer(t), func(cfg *kafkareplay.Config) { cfg.Follow.OutageAfter = time.Hour })
	eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return tries > 12 })
	assert.Len(t, x.log.FilterLevelExact(zap.WarnLevel).FilterMessageSnippet("restarts from its checkpoint").All(), 1)
	eventually(t, func() bool { return x.host.reported() == "StatusRecoverableError: loki does not accept logs: down" })
	assert.Empty(t, x.errors(), "it is not away for an hour yet")
}

// Followers of an unreachable Kafka share one line in each interval.
func TestAKafkaThatIsAwayIsOneLine(t *testing.T) {
	began := time.Now()
	core, logs := observer.New(zap.InfoLevel)
	factory := kafkareplay.NewFactory()
	hosts := []*seeing{{Host: componenttest.NewNopHost()}, {Host: componenttest.NewNopHost()}}
	for i, group := range []string{"loki", "lake"} {
		cfg := factory.CreateDefaultConfig().(*kafkareplay.Config)
		cfg.Kafka.Brokers, cfg.Follow.Group, cfg.Follow.OutageAfter = []string{"127.0.0.1:1"}, group, 2*time.Second
		set := receivertest.NewNopSettings(factory.Type())
		set.Logger = zap.New(core)
		r, err := factory.CreateLogs(t.Context(), set, cfg, newExporter(false).consumer(t))
		require.NoError(t, err)
		require.NoError(t, r.Start(t.Context(), hosts[i]))
		t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })
	}
	for _, h := range hosts {
		eventually(t, func() bool {
			return strings.HasPrefix(h.reported(), "StatusRecoverableError: the journal can't be followed: ")
		})
	}
	all := logs.FilterLevelExact(zap.ErrorLevel).All()
	require.NotEmpty(t, all)
	assert.LessOrEqual(t, len(all), 1+int(time.Since(began)/(2*time.Second)), "at most one in each interval, of both")
	for _, e := range all {
		assert.Contains(t, e.Message, "The journal has not been followed for ")
	}
	assert.Equal(t, 1, logs.FilterMessageSnippet("The components downstream of the journal are not checked").Len(), "one warning of both")
}
