package kafkareplayprocessor_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/internal/partial"
	kafkareplay "github.com/penstockhq/penstock/processors/kafkareplayprocessor"
	"github.com/penstockhq/penstock/processors/kafkareplayprocessor/internal/metadatatest"
)

const prefix = "p"

// world is a Kafka and a processor's environment.
type world struct {
	kafka *kfake.Cluster
	tel   *componenttest.Telemetry
	cfg   *kafkareplay.Config
	sinkM *consumertest.MetricsSink
	sinkL *consumertest.LogsSink
	sinkT *consumertest.TracesSink
}

func newWorld(t *testing.T, opts ...kfake.Opt) *world {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(k.Close)
	w := &world{kafka: k, tel: componenttest.NewTelemetry(), sinkM: new(consumertest.MetricsSink), sinkL: new(consumertest.LogsSink), sinkT: new(consumertest.TracesSink)}
	t.Cleanup(func() { require.NoError(t, w.tel.Shutdown(context.Background())) })
	w.cfg = kafkareplay.NewFactory().CreateDefaultConfig().(*kafkareplay.Config)
	w.cfg.Kafka.Brokers = k.ListenAddrs()
	w.cfg.Kafka.TopicPrefix = prefix
	w.cfg.Topics.Partitions = 4
	w.cfg.MetadataKeys = []string{"X-Team"}
	return w
}

func (w *world) settings() processor.Settings {
	set := processor.Settings{ID: component.MustNewID("kafka_replay"), TelemetrySettings: w.tel.NewTelemetrySettings()}
	return set
}

func (w *world) metrics(t *testing.T) processor.Metrics {
	t.Helper()
	require.NoError(t, confmap.Validate(w.cfg))
	p, err := kafkareplay.NewFactory().CreateMetrics(t.Context(), w.settings(), w.cfg, w.sinkM)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, p.Shutdown(context.Background())) })
	return p
}

func (w *world) logs(t *testing.T) processor.Logs {
	t.Helper()
	p, err := kafkareplay.NewFactory().CreateLogs(t.Context(), w.settings(), w.cfg, w.sinkL)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, p.Shutdown(context.Background())) })
	return p
}

// read returns the content of a topic.
func (w *world) read(t *testing.T, topic string) (records []*kgo.Record) {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(w.kafka.ListenAddrs()...))
	require.NoError(t, err)
	defer c.Close()
	topics, err := kadm.NewClient(c).ListTopics(t.Context(), topic)
	require.NoError(t, err)
	for p := range topics[topic].Partitions {
		require.NoError(t, cluster.ReadAll(t.Context(), c, topic, p, func(r *kgo.Record) { records = append(records, r) }))
	}
	return records
}

func gauges(services ...string) pmetric.Metrics {
	md := pmetric.NewMetrics()
	for i, s := range services {
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", s)
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("m")
		m.SetEmptyGauge().DataPoints().AppendEmpty().SetIntValue(int64(i))
	}
	return md
}

func from(kv ...string) context.Context {
	m := map[string][]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = append(m[kv[i]], kv[i+1])
	}
	return client.NewContext(context.Background(), client.Info{Metadata: client.NewMetadata(m)})
}

func TestAppendWritesAndEnds(t *testing.T) {
	w := newWorld(t)
	p := w.metrics(t)
	require.NoError(t, p.ConsumeMetrics(from("x-scope-orgid", "acme", "x-team", "red", "authorization", "secret"), gauges("a", "b", "a")))
	assert.Empty(t, w.sinkM.AllMetrics())

	records := w.read(t, "p.metrics")
	require.Len(t, records, 3, "one for each resource")
	for _, k := range records {
		r, err := journal.FromKafka(k)
		require.NoError(t, err)
		assert.Equal(t, "acme", r.Tenant)
		assert.Equal(t, map[string][]string{"x-team": {"red"}}, r.Metadata, "only what is configured is kept")
		md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(r.Value)
		require.NoError(t, err)
		service, _ := md.ResourceMetrics().At(0).Resource().Attributes().Get("service.name")
		assert.Equal(t, "acme\x00\x00"+service.Str(), r.Key)
	}
	metadatatest.AssertEqualProcessorKafkaReplayAppendedItems(t, w.tel, []metricdata.DataPoint[int64]{
		{Attributes: attribute.NewSet(attribute.String("signal", "metrics")), Value: 3}}, metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualProcessorKafkaReplayAppendedRecords(t, w.tel, []metricdata.DataPoint[int64]{
		{Attributes: attribute.NewSet(attribute.String("signal", "metrics")), Value: 3}}, metricdatatest.IgnoreTimestamp())
}

func TestInlinePassesOnWhatIsWritten(t *testing.T) {
	w := newWorld(t)
	w.cfg.Delivery = "inline"
	md := gauges("a", "b")
	require.NoError(t, w.metrics(t).ConsumeMetrics(t.Context(), md))
	assert.Equal(t, []pmetric.Metrics{md}, w.sinkM.AllMetrics())
	assert.Len(t, w.read(t, "p.metrics"), 2)
}

func TestEverySignalHasItsTopic(t *testing.T) {
	w := newWorld(t)
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("line")
	require.NoError(t, w.logs(t).ConsumeLogs(t.Context(), ld))
	traces, err := kafkareplay.NewFactory().CreateTraces(t.Context(), w.settings(), w.cfg, w.sinkT)
	require.NoError(t, err)
	require.NoError(t, traces.Start(t.Context(), componenttest.NewNopHost()))
	td := ptrace.NewTraces()
	td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty().SetName("span")
	require.NoError(t, traces.ConsumeTraces(t.Context(), td))
	require.NoError(t, traces.Shutdown(t.Context()))

	logs := w.read(t, "p.logs")
	require.Len(t, logs, 1)
	got, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(logs[0].Value)
	require.NoError(t, err)
	assert.Equal(t, ld, got)
	spans := w.read(t, "p.traces")
	require.Len(t, spans, 1)
	gotSpans, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(spans[0].Value)
	require.NoError(t, err)
	assert.Equal(t, td, gotSpans)
}

func TestEmptyRequestsLeaveNoRecord(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.metrics(t).ConsumeMetrics(t.Context(), pmetric.NewMetrics()))
	assert.Empty(t, w.read(t, "p.metrics"))
}

// lengths returns the lengths of the bodies in a topic, record by record.
func (w *world) lengths(t *testing.T, topic string) (lengths []int) {
	t.Helper()
	for _, k := range w.read(t, topic) {
		got, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(k.Value)
		require.NoError(t, err)
		for _, l := range got.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			lengths = append(lengths, len(l.Body().Str()))
		}
	}
	return lengths
}

func bodiesOf(lengths ...int) plog.Logs {
	ld := plog.NewLogs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, n := range lengths {
		records.AppendEmpty().Body().SetStr(strings.Repeat("0123456789", n/10))
	}
	return ld
}

// An item can't be divided: up to the size limit of a request it has a record of its own in the journal, beside its neighbours.
func TestLargeItemsAreInTheJournal(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.logs(t).ConsumeLogs(t.Context(), bodiesOf(10, 1200_000, 20, 24<<20/10*10, 30)))
	assert.ElementsMatch(t, []int{10, 20, 30, 1200_000, 24 << 20 / 10 * 10}, w.lengths(t, "p.logs"))
	logs := attribute.NewSet(attribute.String("signal", "logs"))
	metadatatest.AssertEqualProcessorKafkaReplayAppendedItems(t, w.tel, []metricdata.DataPoint[int64]{{Attributes: logs, Value: 5}}, metricdatatest.IgnoreTimestamp())
}

// The limit of a topic of an older release is raised at the start; a topic that we may not change keeps its limit.
func TestWhatDoesNotFitIsKeptInTheDeadLetter(t *testing.T) {
	for _, allowed := range []bool{true, false} {
		w := newWorld(t)
		c, err := kgo.NewClient(kgo.SeedBrokers(w.kafka.ListenAddrs()...))
		require.NoError(t, err)
		_, err = kadm.NewClient(c).CreateTopic(t.Context(), 4, 3, map[string]*string{"max.message.bytes": kadm.StringPtr("30000"),
			"cleanup.policy": kadm.StringPtr("delete"), "min.insync.replicas": kadm.StringPtr("2")}, "p.logs")
		require.NoError(t, err)
		c.Close()
		if !allowed {
			w.kafka.ControlKey(int16(kmsg.IncrementalAlterConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
				w.kafka.KeepControl()
				resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
				for _, r := range req.(*kmsg.IncrementalAlterConfigsRequest).Resources {
					one := kmsg.NewIncrementalAlterConfigsResponseResource()
					one.ResourceType, one.ResourceName, one.ErrorCode = r.ResourceType, r.ResourceName, kerr.TopicAuthorizationFailed.Code
					resp.Resources = append(resp.Resources, one)
				}
				return resp, nil, true
			})
		}
		require.NoError(t, w.logs(t).ConsumeLogs(t.Context(), bodiesOf(10, 20000, 9000, 9000)))
		if allowed {
			assert.ElementsMatch(t, []int{10, 20000, 9000, 9000}, w.lengths(t, "p.logs"))
			continue
		}
		assert.ElementsMatch(t, []int{10, 9000, 9000}, w.lengths(t, "p.logs"))
		assert.Equal(t, []int{20000}, w.lengths(t, "p.deadletter"))
		logs := attribute.NewSet(attribute.String("signal", "logs"))
		metadatatest.AssertEqualProcessorKafkaReplayDeadLetters(t, w.tel, []metricdata.DataPoint[int64]{{Attributes: logs, Value: 1}}, metricdatatest.IgnoreTimestamp())
		metadatatest.AssertEqualProcessorKafkaReplayDeadLetterItems(t, w.tel, []metricdata.DataPoint[int64]{{Attributes: logs, Value: 1}}, metricdatatest.IgnoreTimestamp())
		metadatatest.AssertEqualProcessorKafkaReplayAppendedItems(t, w.tel, []metricdata.DataPoint[int64]{{Attributes: logs, Value: 3}}, metricdatatest.IgnoreTimestamp())
	}
}

// Records that the broker finds too large hold many items: they are counted as items too, and none of them as appended.
func TestItemsOfRecordsThatTheBrokerRefuses(t *testing.T) {
	w := newWorld(t)
	p := w.logs(t)
	w.kafka.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) { // the first one, for the journal
		produce := req.(*kmsg.ProduceRequest)
		resp := produce.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range produce.Topics {
			answer := kmsg.NewProduceResponseTopic()
			answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
			for _, partition := range topic.Partitions {
				one := kmsg.NewProduceResponseTopicPartition()
				one.Partition, one.ErrorCode = partition.Partition, kerr.MessageTooLarge.Code
				answer.Partitions = append(answer.Partitions, one)
			}
			resp.Topics = append(resp.Topics, answer)
		}
		return resp, nil, true
	})
	ld := plog.NewLogs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for range 5 {
		records.AppendEmpty().Body().SetStr("x")
	}
	require.NoError(t, p.ConsumeLogs(t.Context(), ld))
	logs := attribute.NewSet(attribute.String("signal", "logs"))
	metadatatest.AssertEqualProcessorKafkaReplayDeadLetters(t, w.tel, []metricdata.DataPoint[int64]{{Attributes: logs, Value: 1}}, metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualProcessorKafkaReplayDeadLetterItems(t, w.tel, []metricdata.DataPoint[int64]{{Attributes: logs, Value: 5}}, metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualProcessorKafkaReplayAppendedItems(t, w.tel, []metricdata.DataPoint[int64]{{Attributes: logs, Value: 0}}, metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualProcessorKafkaReplayAppendedBytes(t, w.tel, []metricdata.DataPoint[int64]{{Attributes: logs, Value: 0}}, metricdatatest.IgnoreTimestamp())
}

// A tenant name that could be a path, break a header or is too long is refused here: with the whole request if metadata names it, alone if
// a resource does.
func TestImpossibleTenantsAreRefused(t *testing.T) {
	w := newWorld(t)
	p := w.metrics(t)
	err := p.ConsumeMetrics(from("x-scope-orgid", "a/b"), gauges("a", "b"))
	assert.Equal(t, codes.InvalidArgument, status.Code(err))
	assert.ErrorContains(t, err, `x-scope-orgid: not a tenant's name: "a/b" has a slash`)

	md := gauges("a", "b", "c")
	md.ResourceMetrics().At(0).Resource().Attributes().PutInt("tenant.id", 42)
	md.ResourceMetrics().At(1).Resource().Attributes().PutStr("tenant.id", strings.Repeat("x", 151))
	var answer partial.Answer
	require.NoError(t, p.ConsumeMetrics(partial.With(t.Context(), &answer), md), "the others are taken")
	left, why := answer.Rejected()
	assert.Equal(t, 1, left, "the client hears of the one that is not")
	assert.Contains(t, why, "resource attribute tenant.id: not a tenant's name: \"xxx")

	md = gauges("d")
	md.ResourceMetrics().At(0).Resource().Attributes().PutStr("tenant.id", "..")
	err = p.ConsumeMetrics(t.Context(), md)
	assert.Equal(t, codes.InvalidArgument, status.Code(err), "nothing of it was taken")
	assert.ErrorContains(t, err, "tenant.id")

	var tenants []string
	for _, k := range w.read(t, "p.metrics") {
		r, err := journal.FromKafka(k)
		require.NoError(t, err)
		tenants = append(tenants, r.Tenant)
	}
	assert.ElementsMatch(t, []string{"42", "default"}, tenants)
	metrics := attribute.String("signal", "metrics")
	metadatatest.AssertEqualProcessorKafkaReplayRefusedItems(t, w.tel, []metricdata.DataPoint[int64]{
		{Attributes: attribute.NewSet(metrics, attribute.String("reason", "tenant")), Value: 4}}, metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualProcessorKafkaReplayAppendedItems(t, w.tel, []metricdata.DataPoint[int64]{
		{Attributes: attribute.NewSet(metrics), Value: 2}}, metricdatatest.IgnoreTimestamp())
}

// requireRetryable checks what makes the OTLP receiver answer 503 with Retry-After, or UNAVAILABLE with RetryInfo.
func requireRetryable(t *testing.T, err error) {
	t.Helper()
	s, ok := status.FromError(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, codes.Unavailable, s.Code())
	require.Len(t, s.Details(), 1)
	require.Equal(t, time.Second, s.Details()[0].(*errdetails.RetryInfo).RetryDelay.AsDuration())
}

func TestKafkaThatLosesItsReplicasIsARetryableError(t *testing.T) {
	w := newWorld(t)
	w.cfg.Timeout = 300 * time.Millisecond
	p := w.metrics(t)
	var down atomic.Bool
	down.Store(true)
	w.kafka.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.KeepControl()
		if !down.Load() {
			return nil, nil, false
		}
		produce := req.(*kmsg.ProduceRequest)
		resp := produce.ResponseKind().(*kmsg.ProduceResponse)
		for _, rt := range produce.Topics {
			st := kmsg.NewProduceResponseTopic()
			st.Topic, st.TopicID = rt.Topic, rt.TopicID
			for _, rp := range rt.Partitions {
				sp := kmsg.NewProduceResponseTopicPartition()
				sp.Partition, sp.ErrorCode = rp.Partition, kerr.NotEnoughReplicas.Code
				st.Partitions = append(st.Partitions, sp)
			}
			resp.Topics = append(resp.Topics, st)
		}
		return resp, nil, true
	})
	requireRetryable(t, p.ConsumeMetrics(t.Context(), gauges("a")))
	metadatatest.AssertEqualProcessorKafkaReplayRefusedRequests(t, w.tel, []metricdata.DataPoint[int64]{
		{Attributes: attribute.NewSet(attribute.String("signal", "metrics"), attribute.String("reason", "timeout")), Value: 1}}, metricdatatest.IgnoreTimestamp())
	down.Store(false)
	// The first is still on its way, and what comes behind waits for it.
	require.Eventually(t, func() bool { return p.ConsumeMetrics(t.Context(), gauges("a")) == nil }, 30*time.Second, 20*time.Millisecond)
}

// A broker that does not answer holds up nobody for longer than the timeout, though it may have the record already.
func TestKafkaThatDoesNotAnswerIsARetryableError(t *testing.T) {
	w := newWorld(t)
	w.cfg.Timeout = 300 * time.Millisecond
	p := w.metrics(t)
	silent := make(chan struct{})
	w.kafka.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.SleepControl(func() { <-silent })
		return nil, nil, false
	})
	requireRetryable(t, p.ConsumeMetrics(t.Context(), gauges("a"))) // while the broker is silent
	close(silent)
	require.Eventually(t, func() bool { return p.ConsumeMetrics(t.Context(), gauges("a")) == nil }, 30*time.Second, 20*time.Millisecond)
}

func TestAStartWithoutKafkaRefusesRequestsUntilItIsThere(t *testing.T) {
	w := newWorld(t)
	w.cfg.Kafka.Brokers = []string{"127.0.0.1:1"}
	p := w.metrics(t)
	requireRetryable(t, p.ConsumeMetrics(t.Context(), gauges("a")))
	metadatatest.AssertEqualProcessorKafkaReplayRefusedRequests(t, w.tel, []metricdata.DataPoint[int64]{
		{Attributes: attribute.NewSet(attribute.String("signal", "metrics"), attribute.String("reason", "not_ready")), Value: 1}}, metricdatatest.IgnoreTimestamp())
	w.cfg.Kafka.Brokers = w.kafka.ListenAddrs()
	require.Eventually(t, func() bool { return p.ConsumeMetrics(t.Context(), gauges("a")) == nil }, 30*time.Second, 20*time.Millisecond)
}

func TestTopicsThatBreakThePromiseStopTheStart(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(4, "p.metrics")) // min.insync.replicas=1
	p, err := kafkareplay.NewFactory().CreateMetrics(t.Context(), w.settings(), w.cfg, w.sinkM)
	require.NoError(t, err)
	err = p.Start(t.Context(), componenttest.NewNopHost())
	require.ErrorIs(t, err, cluster.ErrRefused)
	require.ErrorContains(t, err, "allow_weak_durability")
	require.NoError(t, p.Shutdown(t.Context()))
}

func TestShutdownWithoutStart(t *testing.T) {
	w := newWorld(t)
	p, err := kafkareplay.NewFactory().CreateLogs(t.Context(), w.settings(), w.cfg, w.sinkL)
	require.NoError(t, err)
	require.NoError(t, p.Shutdown(t.Context()))
	require.NoError(t, p.Shutdown(t.Context()))
}

func TestConfig(t *testing.T) {
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	for name, want := range map[string]string{
		"kafka_replay":           "",
		"kafka_replay/whole":     "",
		"kafka_replay/nothing":   "brokers: must name at least one",
		"kafka_replay/delivery":  `delivery: "twice" must be append or inline`,
		"kafka_replay/weak":      "topics: min_insync_replicas: with 1 the loss of one broker",
		"kafka_replay/timeout":   "timeout: 0s must be positive",
		"kafka_replay/in_flight": "max_in_flight: 5 is below 1 MiB",
		"kafka_replay/outage":    "outage_after: 0s must be positive",
		"kafka_replay/record":    "max_record_size: 1 must be between",
		"kafka_replay/sasl":      `sasl: mechanism: "NTLM" is not one of`,
		"kafka_replay/prefix":    `topic_prefix: "a b" must be`,
	} {
		t.Run(name, func(t *testing.T) {
			sub, err := conf.Sub(name)
			require.NoError(t, err)
			cfg := kafkareplay.NewFactory().CreateDefaultConfig()
			require.NoError(t, sub.Unmarshal(cfg))
			err = confmap.Validate(cfg)
			if want == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1))
	require.NoError(b, err)
	defer k.Close()
	cfg := kafkareplay.NewFactory().CreateDefaultConfig().(*kafkareplay.Config)
	cfg.Kafka.Brokers = k.ListenAddrs()
	cfg.Topics.ReplicationFactor, cfg.Topics.MinInsyncReplicas, cfg.Topics.AllowWeakDurability = 1, 1, true
	set := processor.Settings{ID: component.MustNewID("kafka_replay"), TelemetrySettings: componenttest.NewNopTelemetrySettings()}
	p, err := kafkareplay.NewFactory().CreateMetrics(b.Context(), set, cfg, consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, p.Start(b.Context(), componenttest.NewNopHost()))
	defer func() { require.NoError(b, p.Shutdown(b.Context())) }()
	for _, points := range []int{100, 1000} {
		b.Run(fmt.Sprintf("points=%d", points), func(b *testing.B) {
			names := make([]string, points)
			md := gauges(names...)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := p.ConsumeMetrics(context.Background(), md); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N*points)/b.Elapsed().Seconds(), "points/s")
		})
	}
}
