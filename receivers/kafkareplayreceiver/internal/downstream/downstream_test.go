package downstream_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/downstream"
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

func confOf(t *testing.T, yaml string) *confmap.Conf {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(yaml))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	return conf
}

func TestOnlyWhatDeliversBeforeItAnswersMayStandBehind(t *testing.T) {
	for name, c := range map[string]struct {
		yaml  string
		allow []string
		want  string
	}{
		"synchronous": {yaml: `
exporters: {otlp_grpc: {sending_queue: {enabled: false}}, parquet: {}}
service: {pipelines: {logs: {receivers: [kafka_replay], processors: [transform, pii_scrubber/x], exporters: [otlp_grpc, parquet]}}}`},
		"a queue by default": {yaml: `
exporters: {otlp_grpc: {endpoint: x}}
service: {pipelines: {logs: {receivers: [kafka_replay], exporters: [otlp_grpc]}}}`, want: "set exporters::otlp_grpc::sending_queue::enabled: false"},
		"a queue that is written": {yaml: `
exporters: {loki: {sending_queue: {queue_size: 10}}}
service: {pipelines: {logs: {receivers: [kafka_replay], exporters: [loki]}}}`, want: "exporter loki has a queue in memory"},
		"a queue that is off, as the collector writes it": {yaml: `
exporters: {loki: {sending_queue: null}}
service: {pipelines: {logs: {receivers: [kafka_replay], exporters: [loki]}}}`},
		"a queue on disk": {yaml: `
exporters: {loki: {sending_queue: {storage: file_storage}}}
service: {pipelines: {logs: {receivers: [kafka_replay], exporters: [loki]}}}`},
		"batch": {yaml: `
exporters: {loki: {}}
service: {pipelines: {logs: {receivers: [kafka_replay], processors: [batch/small], exporters: [loki]}}}`, allow: []string{"batch"}, want: "processor batch/small acknowledges data before"},
		"behind a connector": {yaml: `
connectors: {forward: {}}
exporters: {loki: {}}
service: {pipelines: {logs/a: {receivers: [kafka_replay], exporters: [forward]}, logs/b: {receivers: [forward], processors: [batch], exporters: [loki]}}}`,
			want: "pipelines::logs/b: processor batch"},
		"what a connector makes of another signal": {yaml: `
connectors: {count: {}}
exporters: {prometheus_tsdb: {}}
service: {pipelines: {logs: {receivers: [kafka_replay], exporters: [count]}, metrics: {receivers: [count], exporters: [prometheus_tsdb]}}}`,
			want: "pipelines::metrics: exporter prometheus_tsdb has a queue"},
		"a connector with a timer": {yaml: `
connectors: {span_metrics: {}}
exporters: {nop: {}}
service: {pipelines: {logs: {receivers: [kafka_replay], exporters: [span_metrics]}}}`, want: "connector span_metrics is not known"},
		"a processor of other people": {yaml: `
exporters: {nop: {}}
service: {pipelines: {logs: {receivers: [kafka_replay], processors: [acme_enrich/1], exporters: [nop]}}}`, want: "add acme_enrich to follow::allow_behind"},
		"one that is allowed": {yaml: `
exporters: {nop: {}}
service: {pipelines: {logs: {receivers: [kafka_replay], processors: [acme_enrich/1], exporters: [nop]}}}`, allow: []string{"acme_enrich"}},
		"an exporter of other people": {yaml: `
exporters: {file: {}}
service: {pipelines: {logs: {receivers: [kafka_replay], exporters: [file]}}}`, want: "exporter file is not known to acknowledge data only after it has delivered it"},
		"one that is allowed and has a queue": {yaml: `
exporters: {acme: {sending_queue: {enabled: true}}}
service: {pipelines: {logs: {receivers: [kafka_replay], exporters: [acme]}}}`, allow: []string{"acme"}, want: "exporter acme has a queue in memory"},
		"one that is allowed and says nothing of a queue": {yaml: `
exporters: {acme: {}}
service: {pipelines: {logs: {receivers: [kafka_replay], exporters: [acme]}}}`, allow: []string{"acme"}},
		"another's pipeline": {yaml: `
exporters: {otlp_grpc: {}}
service: {pipelines: {logs: {receivers: [otlp], exporters: [otlp_grpc]}, traces: {receivers: [kafka_replay], exporters: [otlp_grpc]}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			var checker downstream.Checker
			err := checker.Check(knowing{conf: confOf(t, c.yaml)}, component.MustNewID("kafka_replay"), "logs", "follow::allow_behind", c.allow, zap.NewNop())
			if c.want == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, c.want)
			}
		})
	}
}

func TestOneWarningWhereNobodyKnowsTheConfiguration(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	var checker downstream.Checker
	for _, signal := range []string{"metrics", "logs", "traces"} {
		require.NoError(t, checker.Check(componenttest.NewNopHost(), component.MustNewID("kafka_replay"), signal, "follow::allow_behind", nil, zap.New(core)))
	}
	assert.Equal(t, 1, logs.FilterMessageSnippet("The components downstream of the journal are not checked").Len())
}

func TestAllowListsNameTypes(t *testing.T) {
	assert.NoError(t, downstream.CheckAllow("allow_behind", []string{"groupbyattrs"}))
	assert.ErrorContains(t, downstream.CheckAllow("allow_behind", []string{"acme/1"}), `allow_behind: "acme/1" is not the type`)
	assert.ErrorContains(t, downstream.CheckAllow("allow_behind", []string{"tail_sampling"}), "can't be downstream of the journal")
}
