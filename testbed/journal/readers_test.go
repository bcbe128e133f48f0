package journal

import (
	"context"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/kafkaexporter"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/testbed/backends/kafka"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// The journal is not a private format: other clients can read it, and the records of other writers are followed.
func TestOthersReadAndWriteTheJournal(t *testing.T) {
	k := kafka.Start(t, 3)
	f := newFleet(t, k)
	f.gateway()
	answer, err := send.Logs(f.up[0].HTTP(), send.LogBatch("shop", 0, 50))
	require.NoError(t, err)
	require.Equal(t, 200, answer.Status, answer.Body)
	topic := f.prefix + ".logs"

	t.Run("sarama", func(t *testing.T) {
		value := readSarama(t, k.Addresses(), topic)
		logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(value)
		require.NoError(t, err)
		assert.Equal(t, 50, logs.LogRecordCount())
	})
	t.Run("console consumer", func(t *testing.T) {
		out := k.Tool(t, "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", k.Addresses()[0], "--topic", topic,
			"--from-beginning", "--max-messages", "1", "--timeout-ms", "60000", "--formatter-property", "print.headers=true",
			"--formatter-property", "print.key=true")
		assert.Contains(t, out, "content-type:application/x-protobuf")
		assert.Contains(t, out, "penstock-tenant:default")
		assert.Contains(t, out, "id 49")
	})
	t.Run("contrib's exporter writes", func(t *testing.T) {
		factory := kafkaexporter.NewFactory()
		cfg := factory.CreateDefaultConfig()
		require.NoError(t, confmap.NewFromStringMap(map[string]any{
			"brokers": []any{k.Addresses()[0]}, "logs": map[string]any{"topic": topic, "encoding": "otlp_proto"}, "sending_queue": map[string]any{"enabled": false},
		}).Unmarshal(cfg))
		e, err := factory.CreateLogs(t.Context(), exportertest.NewNopSettings(factory.Type()), cfg)
		require.NoError(t, err)
		require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))
		require.NoError(t, e.ConsumeLogs(t.Context(), send.LogBatch("foreign", 0, 30)))
		require.NoError(t, e.Shutdown(context.Background()))
		ask.Eventually(t, func() error {
			rows, err := ask.SQL(t, `select service_name, count(*) from `+ask.Lake(f.lake, "logs")+` group by 1 order by 1`)
			if err == nil && !assert.ObjectsAreEqual([][]any{{"foreign", 30.0}, {"shop", 50.0}}, rows) {
				err = assert.AnError
			}
			return err
		})
	})
}

// The journal of one machine speaks the same protocol: Sarama reads it, and writes to it with idempotence.
func TestSaramaReadsAndWritesTheEmbeddedJournal(t *testing.T) {
	p := process.Start(t, process.Settings{})
	answer, err := send.Logs(p.HTTP(), send.LogBatch("shop", 0, 50))
	require.NoError(t, err)
	require.Equal(t, 200, answer.Status, answer.Body)
	addresses := []string{p.Variable("PENSTOCK_KAFKA_ENDPOINT")}
	logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(readSarama(t, addresses, "penstock.logs"))
	require.NoError(t, err)
	assert.Equal(t, 50, logs.LogRecordCount())
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Producer.Idempotent, config.Producer.RequiredAcks, config.Net.MaxOpenRequests, config.Producer.Return.Successes = true, sarama.WaitForAll, 1, true
	producer, err := sarama.NewSyncProducer(addresses, config)
	require.NoError(t, err)
	defer producer.Close()
	for i := range int64(3) {
		_, offset, err := producer.SendMessage(&sarama.ProducerMessage{Topic: "penstock.deadletter", Value: sarama.StringEncoder("v")})
		require.NoError(t, err)
		assert.Equal(t, i, offset)
	}
}

// readSarama returns the value of the topic's only record.
func readSarama(t *testing.T, addresses []string, topic string) []byte {
	t.Helper()
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	client, err := sarama.NewConsumer(addresses, config)
	require.NoError(t, err)
	defer client.Close()
	partitions, err := client.Partitions(topic)
	require.NoError(t, err)
	found := make(chan *sarama.ConsumerMessage, 1)
	for _, p := range partitions {
		consumer, err := client.ConsumePartition(topic, p, sarama.OffsetOldest)
		require.NoError(t, err)
		defer consumer.Close()
		go func() {
			for m := range consumer.Messages() {
				found <- m
			}
		}()
	}
	select {
	case m := <-found:
		assert.True(t, strings.HasPrefix(string(m.Key), "default\x00"), "key %s", hex.EncodeToString(m.Key))
		return m.Value
	case <-time.After(2 * time.Minute):
		require.Fail(t, "sarama reads nothing")
		return nil
	}
}
