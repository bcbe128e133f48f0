package journal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/kafkaexporter"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/processors/kafkareplayprocessor"
	"github.com/penstockhq/penstock/testbed/backends/kafka"
	"github.com/penstockhq/penstock/testbed/internal/measure"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	manyCallers   = 256 // requests that wait for an answer at once
	writesOfMany  = 10240
	writesOfFewer = 5120
	writesOfOne   = 300
)

// BenchmarkWrite compares how many requests a second are in Kafka, on all in-sync replicas, before they are answered: our processor and
// contrib's exporter with acks=all, both without a queue.
func BenchmarkWrite(b *testing.B) {
	k := kafka.Start(b, 3)
	factory := kafkareplayprocessor.NewFactory()
	cfg := factory.CreateDefaultConfig()
	require.NoError(b, confmap.NewFromStringMap(map[string]any{"brokers": addresses(k)}).Unmarshal(cfg))
	ours, err := factory.CreateLogs(b.Context(), processortest.NewNopSettings(factory.Type()), cfg, consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, ours.Start(b.Context(), componenttest.NewNopHost()))
	b.Cleanup(func() { _ = ours.Shutdown(context.Background()) })

	peer := kafkaexporter.NewFactory()
	peerConfig := peer.CreateDefaultConfig()
	topic(b, k, "peer")
	require.NoError(b, confmap.NewFromStringMap(map[string]any{
		"brokers": addresses(k), "logs": map[string]any{"topic": "peer", "encoding": "otlp_proto"}, "sending_queue": map[string]any{"enabled": false},
		"producer": map[string]any{"required_acks": -1, "compression": "zstd"}, "partition_logs_by_resource_attributes": true,
	}).Unmarshal(peerConfig))
	theirs, err := peer.CreateLogs(b.Context(), exportertest.NewNopSettings(peer.Type()), peerConfig)
	require.NoError(b, err)
	require.NoError(b, theirs.Start(b.Context(), componenttest.NewNopHost()))
	b.Cleanup(func() { _ = theirs.Shutdown(context.Background()) })

	for _, c := range []struct{ callers, writes int }{{1, writesOfOne}, {64, writesOfFewer}, {manyCallers, writesOfMany}} {
		b.Run(fmt.Sprintf("callers=%d", c.callers), func(b *testing.B) {
			compare(b, c.callers, c.writes, "journal", "kafkaexporter",
				func(i int) error { return ours.ConsumeLogs(context.Background(), batchOf(i)) },
				func(i int) error { return theirs.ConsumeLogs(context.Background(), batchOf(i)) })
		})
	}
}

// BenchmarkClients compares the clients under the journal's way of writing: a record of an encoded request (about 5 KB), acks=all,
// idempotent, zstd, each write waited for.
func BenchmarkClients(b *testing.B) {
	k := kafka.Start(b, 3)
	topic(b, k, "franz")
	topic(b, k, "sarama")
	franz, err := kgo.NewClient(kgo.SeedBrokers(k.Addresses()...), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.ZstdCompression().WithLevel(1), kgo.NoCompression()))
	require.NoError(b, err)
	b.Cleanup(franz.Close)
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1 // as idempotence demands of it
	config.Producer.Compression = sarama.CompressionZSTD
	config.Producer.Return.Successes = true
	theirs, err := sarama.NewSyncProducer(k.Addresses(), config)
	require.NoError(b, err)
	b.Cleanup(func() { _ = theirs.Close() })
	compare(b, manyCallers, writesOfMany, "franz-go", "sarama",
		func(i int) error {
			key, value := record(i)
			return franz.ProduceSync(context.Background(), &kgo.Record{Topic: "franz", Key: key, Value: value}).FirstErr()
		},
		func(i int) error {
			key, value := record(i)
			_, _, err := theirs.SendMessage(&sarama.ProducerMessage{Topic: "sarama", Key: sarama.ByteEncoder(key), Value: sarama.ByteEncoder(value)})
			return err
		})
}

// compare reports writes a second, the client's CPU for each and how long half of them took at most, and the ratios of interleaved runs.
func compare(b *testing.B, callers, writes int, ours, theirs string, write, peer func(int) error) {
	b.Helper()
	run(b, callers, writes, write)
	run(b, callers, writes, peer)
	var all, peers []outcome
	for b.Loop() {
		all, peers = append(all, run(b, callers, writes, write)), append(peers, run(b, callers, writes, peer))
	}
	for name, of := range map[string][]outcome{ours: all, theirs: peers} {
		measure.Report(b, each(of, func(o outcome) float64 { return o.rate }), name+"/s")
		measure.Report(b, each(of, func(o outcome) float64 { return o.p50.Seconds() * 1000 }), name+"-p50-ms")
	}
	var rate, cpu []float64
	for i := range all {
		rate, cpu = append(rate, all[i].rate/peers[i].rate), append(cpu, peers[i].cpu/all[i].cpu)
	}
	measure.Report(b, rate, "x-rate")
	measure.Report(b, cpu, "x-less-cpu")
	b.ReportMetric(0, "ns/op")
}

func each(outcomes []outcome, value func(outcome) float64) (values []float64) {
	for _, o := range outcomes {
		values = append(values, value(o))
	}
	return values
}

// outcome is the result of one run.
type outcome struct {
	rate float64 // writes a second
	cpu  float64 // seconds for each
	p50  time.Duration
}

func run(b *testing.B, callers, writes int, write func(int) error) outcome {
	b.Helper()
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	each := writes / callers
	latencies := make([]time.Duration, callers*each)
	began, used := time.Now(), cputime.Spent()
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				sent := time.Now()
				if err := write(c*writes + i); err != nil {
					failed.Store(&err)
				}
				latencies[c*each+i] = time.Since(sent)
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	if err := failed.Load(); err != nil {
		require.NoError(b, *err)
	}
	slices.Sort(latencies)
	n := float64(len(latencies))
	return outcome{n / took.Seconds(), (cputime.Spent() - used).Seconds() / n, latencies[len(latencies)/2]}
}

// batchOf is a request of fifty records from one of fifty hosts.
func batchOf(i int) plog.Logs {
	logs := send.LogBatch("load", i, 50)
	logs.ResourceLogs().At(0).Resource().Attributes().PutStr("host.name", fmt.Sprint("host-", rand.IntN(50)))
	return logs
}

func record(i int) (key, value []byte) {
	value, err := (&plog.ProtoMarshaler{}).MarshalLogs(batchOf(i))
	if err != nil {
		panic(err)
	}
	return fmt.Appendf(nil, "default\x00shop\x00host-%d", i%50), value
}

func topic(b *testing.B, k *kafka.Cluster, name string) {
	b.Helper()
	min := "2"
	_, err := kadm.NewClient(k.Client()).CreateTopic(b.Context(), 12, 3, map[string]*string{"min.insync.replicas": &min}, name)
	require.NoError(b, err)
}

func addresses(k *kafka.Cluster) string { return strings.Join(k.Addresses(), ",") }
