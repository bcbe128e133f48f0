package kafkareplayreceiver_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"

	kafkareplay "github.com/penstockhq/penstock/receivers/kafkareplayreceiver"
)

// knowing is a host whose admin extension knows the configuration.
type knowing struct {
	component.Component
	conf *confmap.Conf
}

func (k knowing) EffectiveConfig() *confmap.Conf { return k.conf }

func (k knowing) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("admin"): k}
}

func TestWhatAnswersTooEarlyRefusesTheStart(t *testing.T) {
	for name, c := range map[string]struct{ yaml, want string }{
		"synchronous": {`
exporters: {otlp_grpc: {sending_queue: {enabled: false}}, parquet: {}}
service: {pipelines: {logs: {receivers: [kafka_replay], processors: [transform], exporters: [otlp_grpc, parquet]}}}`, ""},
		"a queue by default": {`
exporters: {otlp_grpc: {endpoint: x}}
service: {pipelines: {logs: {receivers: [kafka_replay], exporters: [otlp_grpc]}}}`, "set exporters::otlp_grpc::sending_queue::enabled: false"},
		"a queue that is written": {`
exporters: {loki: {sending_queue: {queue_size: 10}}}
service: {pipelines: {logs: {receivers: [kafka_replay], exporters: [loki]}}}`, "exporter loki has a queue in memory"},
		"a queue that is off, as the collector writes it": {`
exporters: {loki: {sending_queue: null}}
service: {pipelines: {logs: {receivers: [kafka_replay], exporters: [loki]}}}`, ""},
		"a queue on disk": {`
exporters: {loki: {sending_queue: {storage: file_storage}}}
service: {pipelines: {logs: {receivers: [kafka_replay], exporters: [loki]}}}`, ""},
		"batch": {`
exporters: {loki: {}}
service: {pipelines: {logs: {receivers: [kafka_replay], processors: [batch/small], exporters: [loki]}}}`, "processor batch/small answers before"},
		"behind a connector": {`
connectors: {forward: {}}
exporters: {loki: {}}
service: {pipelines: {logs/a: {receivers: [kafka_replay], exporters: [forward]}, logs/b: {receivers: [forward], processors: [batch], exporters: [loki]}}}`,
			"pipelines::logs/b: processor batch"},
		"another's pipeline": {`
exporters: {otlp_grpc: {}}
service: {pipelines: {logs: {receivers: [otlp], exporters: [otlp_grpc]}, traces: {receivers: [kafka_replay], exporters: [otlp_grpc]}}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			retrieved, err := confmap.NewRetrievedFromYAML([]byte(c.yaml))
			require.NoError(t, err)
			conf, err := retrieved.AsConf()
			require.NoError(t, err)
			factory := kafkareplay.NewFactory()
			cfg := factory.CreateDefaultConfig().(*kafkareplay.Config)
			cfg.Kafka.Brokers, cfg.Follow.Group = []string{"127.0.0.1:1"}, "loki"
			set := receivertest.NewNopSettings(factory.Type())
			set.ID = component.MustNewID("kafka_replay")
			r, err := factory.CreateLogs(t.Context(), set, cfg, consumertest.NewNop())
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })
			err = r.Start(t.Context(), knowing{conf: conf})
			if c.want == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, c.want)
			}
		})
	}
}
