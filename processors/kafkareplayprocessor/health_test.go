package kafkareplayprocessor_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/internal/journal"
	kafkareplay "github.com/penstockhq/penstock/processors/kafkareplayprocessor"
	"github.com/penstockhq/penstock/processors/kafkareplayprocessor/internal/metadatatest"
)

// limited is an extension that holds a journal of limited size.
type limited struct {
	component.StartFunc
	component.ShutdownFunc
	mu    sync.Mutex
	rooms map[string]journal.Room // guarded by mu
}

func (l *limited) JournalRoom(topic string) journal.Room {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rooms[topic]
}

func (l *limited) set(topic string, r journal.Room) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rooms[topic] = r
}

// host has that extension, and remembers the status that a component reports.
type host struct {
	component.Host
	extensions map[component.ID]component.Component
	mu         sync.Mutex
	status     string // guarded by mu; of the last event
}

func (h *host) GetExtensions() map[component.ID]component.Component { return h.extensions }

func (h *host) Report(e *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = e.Status().String()
	if e.Err() != nil {
		h.status += ": " + e.Err().Error()
	}
}

func (h *host) reported() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status
}

// watched is a processor whose log and status are seen.
type watched struct {
	processor.Metrics
	journal *limited
	host    *host
	log     *observer.ObservedLogs
}

func (w *world) watched(t *testing.T, embedded bool) *watched {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	x := &watched{host: &host{Host: componenttest.NewNopHost()}, journal: &limited{rooms: map[string]journal.Room{}}, log: logs}
	if embedded {
		x.host.extensions = map[component.ID]component.Component{component.MustNewID("embedded_kafka"): x.journal}
	}
	set := w.settings()
	set.Logger = zap.New(core)
	var err error
	x.Metrics, err = kafkareplay.NewFactory().CreateMetrics(t.Context(), set, w.cfg, w.sinkM)
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

func eventually(t *testing.T, ok func() bool, about ...any) {
	t.Helper()
	require.Eventually(t, ok, 30*time.Second, 5*time.Millisecond, about...)
}

var fullRoom = journal.Room{Full: true, UsedBytes: 338 << 20, LimitBytes: 512 << 20, Holder: "p.metrics.tsdb", Behind: 8 * time.Minute}

// The timeout of a write is an hour, so only the journal's room can have ended the request.
func TestAFullJournalRefusesAtOnceAndSaysWhy(t *testing.T) {
	w := newWorld(t)
	w.cfg.Timeout, w.cfg.OutageAfter = time.Hour, 50*time.Millisecond
	p := w.watched(t, true)
	p.journal.set("p.logs", fullRoom)
	require.NoError(t, p.ConsumeMetrics(t.Context(), gauges("a")), "the topic of another signal is full")

	p.journal.set("p.metrics", fullRoom)
	err := p.ConsumeMetrics(t.Context(), gauges("a"))
	s, ok := status.FromError(err)
	require.True(t, ok)
	assert.Equal(t, codes.Unavailable, s.Code())
	assert.Equal(t, "journal full (338 of 512 MiB): tsdb is 8 m behind", s.Message())
	require.Len(t, s.Details(), 1)
	assert.Positive(t, s.Details()[0].(*errdetails.RetryInfo).RetryDelay.AsDuration())
	metadatatest.AssertEqualProcessorKafkaReplayRefusedRequests(t, w.tel, []metricdata.DataPoint[int64]{
		{Attributes: attribute.NewSet(attribute.String("signal", "metrics"), attribute.String("reason", "full")), Value: 1}}, metricdatatest.IgnoreTimestamp())

	eventually(t, func() bool { return len(p.errors()) >= 3 }, "a line at once and one in each interval")
	assert.Contains(t, p.errors()[0], "journal full (338 of 512 MiB): tsdb is 8 m behind: metrics are refused")
	assert.Contains(t, p.errors()[0], "best_effort")
	eventually(t, func() bool {
		return p.host.reported() == "StatusRecoverableError: metrics are refused: journal full (338 of 512 MiB): tsdb is 8 m behind"
	})

	p.journal.set("p.metrics", journal.Room{UsedBytes: 1 << 20, LimitBytes: 512 << 20})
	eventually(t, func() bool { return p.host.reported() == "StatusOK" })
	eventually(t, func() bool {
		lines := p.errors()
		return lines[len(lines)-1] == "The journal has room again: metrics are accepted"
	})
	require.NoError(t, p.ConsumeMetrics(t.Context(), gauges("a")))
}

// A broker delays writes for which it has no room. The client gets an error as soon as the journal is known to be full, and the
// write is cancelled: it does not happen later.
func TestARequestUnderWayIsRefusedWhenTheJournalIsFull(t *testing.T) {
	w := newWorld(t)
	w.cfg.Timeout = time.Hour
	p := w.watched(t, true)
	full := true
	var mu sync.Mutex
	w.kafka.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		if !full {
			return nil, nil, false
		}
		p.journal.set("p.metrics", fullRoom)
		return refuseProduce(req.(*kmsg.ProduceRequest), kerr.ThrottlingQuotaExceeded.Code), nil, true
	})
	err := p.ConsumeMetrics(t.Context(), gauges("first"))
	assert.ErrorContains(t, err, "journal full (338 of 512 MiB): tsdb is 8 m behind")
	mu.Lock()
	full = false
	mu.Unlock()
	p.journal.set("p.metrics", journal.Room{})
	eventually(t, func() bool { return p.ConsumeMetrics(t.Context(), gauges("second")) == nil })
	for _, r := range w.read(t, "p.metrics") {
		assert.NotContains(t, string(r.Key), "first")
	}
}

func refuseProduce(req *kmsg.ProduceRequest, code int16) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, rt := range req.Topics {
		st := kmsg.NewProduceResponseTopic()
		st.Topic, st.TopicID = rt.Topic, rt.TopicID
		for _, rp := range rt.Partitions {
			sp := kmsg.NewProduceResponseTopicPartition()
			sp.Partition, sp.ErrorCode = rp.Partition, code
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp
}

// With a real Kafka nobody knows its room: the answer names the brokers and what to look at.
func TestAKafkaThatDoesNotConfirmIsNamed(t *testing.T) {
	w := newWorld(t)
	w.cfg.Timeout, w.cfg.OutageAfter = 100*time.Millisecond, 50*time.Millisecond
	p := w.watched(t, false)
	var mu sync.Mutex
	down := true
	w.kafka.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		if !down {
			return nil, nil, false
		}
		return refuseProduce(req.(*kmsg.ProduceRequest), kerr.NotEnoughReplicas.Code), nil, true
	})
	err := p.ConsumeMetrics(t.Context(), gauges("a"))
	brokers := strings.Join(w.kafka.ListenAddrs(), ", ")
	require.ErrorContains(t, err, "Kafka ("+brokers+") has not confirmed 1 records of p.metrics within 100ms")
	require.ErrorContains(t, err, "under-replicated partitions")
	eventually(t, func() bool { return len(p.errors()) >= 2 }, "one line in each interval, requests or not")
	line := p.log.FilterLevelExact(zap.ErrorLevel).All()[0]
	assert.Contains(t, line.Message, "Kafka can't be reached")
	assert.Equal(t, brokers, line.ContextMap()["brokers"])
	eventually(t, func() bool {
		return strings.Contains(p.host.reported(), "Kafka ("+brokers+") can't be reached, metrics are refused")
	})

	mu.Lock()
	down = false
	mu.Unlock()
	eventually(t, func() bool { return p.ConsumeMetrics(t.Context(), gauges("a")) == nil })
	eventually(t, func() bool { return p.host.reported() == "StatusOK" })
	lines := p.errors()
	assert.Equal(t, "Kafka answers again: requests are accepted", lines[len(lines)-1])
}
