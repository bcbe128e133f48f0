package profileprovider_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/featuregate"

	"github.com/penstockhq/penstock/exporters/embeddedlogsexporter"
	"github.com/penstockhq/penstock/exporters/lokiexporter"
	"github.com/penstockhq/penstock/exporters/parquetexporter"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter"
	"github.com/penstockhq/penstock/extensions/adminextension"
	"github.com/penstockhq/penstock/extensions/apikeyauthextension"
	"github.com/penstockhq/penstock/extensions/consoleextension"
	"github.com/penstockhq/penstock/extensions/crossoriginprotectionextension"
	"github.com/penstockhq/penstock/extensions/deadletterextension"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension"
	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension"
	"github.com/penstockhq/penstock/extensions/journalkeyextension"
	"github.com/penstockhq/penstock/extensions/lakeextension"
	"github.com/penstockhq/penstock/extensions/ledgerextension"
	"github.com/penstockhq/penstock/extensions/nestinglimitextension"
	"github.com/penstockhq/penstock/extensions/outagewatchextension"
	"github.com/penstockhq/penstock/extensions/queuestorageextension"
	"github.com/penstockhq/penstock/extensions/retryhintextension"
	"github.com/penstockhq/penstock/extensions/udpdropsextension"
	"github.com/penstockhq/penstock/internal/variables"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor"
	"github.com/penstockhq/penstock/processors/kafkareplayprocessor"
	"github.com/penstockhq/penstock/processors/keyauthorizerprocessor"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor"
	"github.com/penstockhq/penstock/providers/profileprovider"
	"github.com/penstockhq/penstock/receivers/ingestreceiver"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver"
	"github.com/penstockhq/penstock/receivers/statsdserverreceiver"
	"github.com/penstockhq/penstock/receivers/syslogserverreceiver"
	"github.com/penstockhq/penstock/receivers/systemdjournalreceiver"
)

// The gate that stanza registers in a binary with log receivers.
var emitterGate = featuregate.GlobalRegistry().MustRegister("stanza.synchronousLogEmitter", featuregate.StageAlpha)

// everything is an environment in which every sink and source exists.
var everything = map[string]string{
	"PENSTOCK_REMOTE_WRITE_URL":     "http://127.0.0.1:9090/api/v1/write",
	"PENSTOCK_LOKI_URL":             "http://127.0.0.1:3100",
	"PENSTOCK_OTLP_EXPORT_ENDPOINT": "127.0.0.1:4319",
	"PENSTOCK_LOG_FILES":            "/var/log/*.log,/srv/$app/*.log",
	"PENSTOCK_SYSLOG_ENDPOINT":      "udp://127.0.0.1:1514,tls://127.0.0.1:6514",
	"PENSTOCK_SYSLOG_TLS_CERT":      "/etc/penstock/$syslog.crt",
	"PENSTOCK_SYSLOG_TLS_KEY":       "/etc/penstock/syslog.key",
	"PENSTOCK_JOURNALD_DIRECTORY":   "/host/var/log/journal",
	"PENSTOCK_SERVICE_NAME":         "shop",
	"PENSTOCK_ENVIRONMENT":          "test",
	"PENSTOCK_PII_KEY":              "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
}

// journaled is everything, with an external Kafka.
var journaled = with(everything, "PENSTOCK_KAFKA_BROKERS", "kafka-0:9092,kafka-1:9092")

func with(env map[string]string, name, value string) map[string]string {
	all := map[string]string{name: value}
	maps.Copy(all, env)
	return all
}

// factories makes the configurations of the components in this module.
var factories = map[string]map[string]component.Factory{
	"exporters": {
		"embedded_logs":   embeddedlogsexporter.NewFactory(),
		"loki":            lokiexporter.NewFactory(),
		"parquet":         parquetexporter.NewFactory(),
		"prometheus_tsdb": prometheustsdbexporter.NewFactory(),

		"prometheus_tsdb/remote_write": prometheustsdbexporter.NewFactory(),
	},
	"receivers": {
		"ingest":                    ingestreceiver.NewFactory(),
		"log_files":                 logfilesreceiver.NewFactory(),
		"statsd_server":             statsdserverreceiver.NewFactory(),
		"syslog_server":             syslogserverreceiver.NewFactory(),
		"systemd_journal":           systemdjournalreceiver.NewFactory(),
		"kafka_replay/jobs":         kafkareplayreceiver.NewFactory(),
		"kafka_replay/lake":         kafkareplayreceiver.NewFactory(),
		"kafka_replay/logs":         kafkareplayreceiver.NewFactory(),
		"kafka_replay/loki":         kafkareplayreceiver.NewFactory(),
		"kafka_replay/otlp":         kafkareplayreceiver.NewFactory(),
		"kafka_replay/remote_write": kafkareplayreceiver.NewFactory(),
		"kafka_replay/tsdb":         kafkareplayreceiver.NewFactory(),
	},
	"processors": {
		"key_authorizer":                 keyauthorizerprocessor.NewFactory(),
		"kafka_replay":                   kafkareplayprocessor.NewFactory(),
		"cardinality_guard/tsdb":         cardinalityguardprocessor.NewFactory(),
		"cardinality_guard/remote_write": cardinalityguardprocessor.NewFactory(),
		"window_rollup/tsdb":             windowrollupprocessor.NewFactory(),
		"window_rollup/remote_write":     windowrollupprocessor.NewFactory(),
		"pii_scrubber":                   piiscrubberprocessor.NewFactory(),
	},
	"extensions": {
		"api_key_auth":            apikeyauthextension.NewFactory(),
		"api_key_auth/admin":      apikeyauthextension.NewFactory(),
		"api_key_auth/read":       apikeyauthextension.NewFactory(),
		"admin":                   adminextension.NewFactory(),
		"console":                 consoleextension.NewFactory(),
		"embedded_kafka":          embeddedkafkaextension.NewFactory(),
		"embedded_logs":           embeddedlogsextension.NewFactory(),
		"embedded_tsdb":           embeddedtsdbextension.NewFactory(),
		"cross_origin_protection": crossoriginprotectionextension.NewFactory(),
		"journal_key":             journalkeyextension.NewFactory(),
		"lake":                    lakeextension.NewFactory(),
		"ledger":                  ledgerextension.NewFactory(),
		"nesting_limit":           nestinglimitextension.NewFactory(),
		"outage_watch":            outagewatchextension.NewFactory(),
		"dead_letter":             deadletterextension.NewFactory(),
		"queue_storage":           queuestorageextension.NewFactory(),
		"retry_hint":              retryhintextension.NewFactory(),
		"udp_drops":               udpdropsextension.NewFactory(),
	},
}

func TestProfilesAreWholeAndValid(t *testing.T) {
	for _, profile := range []string{"standalone", "agent", "gateway"} {
		for name, env := range map[string]map[string]string{"plain": nil, "everything": everything, "journaled": journaled} {
			t.Run(profile+"/"+name, func(t *testing.T) {
				conf := resolve(t, env, "profile:"+profile)
				assertWhole(t, conf)
				for kind, known := range factories {
					for id, factory := range known {
						if conf.IsSet(kind + "::" + id) {
							sub, err := conf.Sub(kind + "::" + id)
							require.NoError(t, err)
							cfg := factory.CreateDefaultConfig()
							require.NoError(t, sub.Unmarshal(cfg), id)
							assert.NoError(t, confmap.Validate(cfg), id)
						}
					}
				}
			})
		}
	}
}

// assertWhole checks that pipelines and components refer to each other without a gap or a leftover.
func assertWhole(t *testing.T, conf *confmap.Conf) {
	t.Helper()
	used := map[string]bool{}
	for id, p := range pipelines(t, conf) {
		receivers, _ := p["receivers"].([]any)
		exporters, _ := p["exporters"].([]any)
		processors, _ := p["processors"].([]any)
		assert.NotEmpty(t, receivers, id)
		assert.NotEmpty(t, exporters, id)
		for list, kind := range map[string][]any{"receivers": receivers, "processors": processors, "exporters": exporters} {
			for _, ref := range kind {
				key := list + "::" + ref.(string)
				if ref == "forward" {
					key = "connectors::forward"
				}
				assert.True(t, conf.IsSet(key), "%s of pipeline %s", key, id)
				used[key] = true
			}
		}
		if slices.Contains(receivers, any("otlp")) {
			assert.Equal(t, "memory_limiter", processors[0], "%s takes from clients: its limits come first", id)
		}
	}
	for _, ref := range conf.Get("service::extensions").([]any) {
		used["extensions::"+ref.(string)] = true
	}
	for _, kind := range []string{"receivers", "processors", "exporters", "extensions", "connectors"} {
		sub, err := conf.Sub(kind)
		require.NoError(t, err)
		for id := range sub.ToStringMap() {
			assert.True(t, used[kind+"::"+id], "%s::%s is used by nothing", kind, id)
		}
	}
	assert.NotContains(t, fmt.Sprint(conf.ToStringMap()), "${", "every reference is resolved")
	if !conf.IsSet("processors::kafka_replay") {
		assert.False(t, conf.IsSet("receivers::otlp::protocols::http::include_metadata"), "queues on disk would write tokens")
		return
	}
	for id, p := range pipelines(t, conf) {
		if exporters := p["exporters"].([]any); exporters[0] != "forward" && exporters[0] != "nop" {
			sub, err := conf.Sub("exporters::" + exporters[0].(string))
			require.NoError(t, err)
			assert.False(t, sub.IsSet("sending_queue::storage"), "%s: the journal is the queue", id)
		}
	}
}

func TestASinkIsThereWhenItsVariableIsSet(t *testing.T) {
	lake := []string{"logs/lake", "metrics/lake", "traces/lake"}
	intake := []string{"logs", "metrics", "traces"}
	for name, c := range map[string]struct {
		env  map[string]string
		want []string
	}{
		"none":         {nil, slices.Concat(intake, lake)},
		"empty":        {map[string]string{"PENSTOCK_LOKI_URL": " "}, slices.Concat(intake, lake)},
		"loki":         {map[string]string{"PENSTOCK_LOKI_URL": "http://loki:3100"}, slices.Concat(intake, lake, []string{"logs/loki"})},
		"only loki":    {map[string]string{"PENSTOCK_LOKI_URL": "http://loki:3100", "PENSTOCK_LAKE_URL": "off"}, []string{"logs", "logs/loki"}},
		"remote write": {map[string]string{"PENSTOCK_REMOTE_WRITE_URL": "http://m/push"}, slices.Concat(intake, lake, []string{"metrics/remote_write"})},
		"otlp": {map[string]string{"PENSTOCK_OTLP_EXPORT_ENDPOINT": "tempo:4317", "PENSTOCK_LAKE_URL": "off"},
			slices.Concat(intake, []string{"logs/otlp", "metrics/otlp", "traces/otlp"})},
	} {
		t.Run(name, func(t *testing.T) {
			got := slices.Collect(maps.Keys(pipelines(t, resolve(t, c.env, "profile:gateway"))))
			assert.ElementsMatch(t, c.want, got)

			behind := resolve(t, with(c.env, "PENSTOCK_KAFKA_BROKERS", "kafka:9092"), "profile:gateway")
			got = slices.Collect(maps.Keys(pipelines(t, behind)))
			want := slices.DeleteFunc(slices.Clone(c.want), func(id string) bool { return !strings.Contains(id, "/") })
			assert.ElementsMatch(t, slices.Concat(want, intake, []string{"logs/journal", "metrics/journal", "traces/journal"}), got)
		})
	}
}

func TestValuesComeFromTheEnvironment(t *testing.T) {
	conf := resolve(t, map[string]string{
		"PENSTOCK_DATA_DIR": "/data", "PENSTOCK_TELEMETRY_PORT": "9999", "PENSTOCK_OTLP_GRPC_ENDPOINT": "0.0.0.0:4317",
		"PENSTOCK_LOG_FILES": " /var/log/*.log ,, /srv/$app/*.log", "PENSTOCK_ENVIRONMENT": "prod", "PENSTOCK_INSTANCE_ID": "node-1",
	}, "profile:agent")
	for key, want := range map[string]any{
		"extensions::queue_storage::directory":                 "/data/queue",
		"extensions::queue_storage/offsets::directory":         "/data/offsets",
		"receivers::otlp::protocols::grpc::endpoint":           "0.0.0.0:4317",
		"receivers::log_files::include":                        []any{"/var/log/*.log", "/srv/$app/*.log"},
		"exporters::otlp_grpc/gateway::endpoint":               "penstock-gateway:4317",
		"extensions::health_check::http::endpoint":             "127.0.0.1:13133",
		"extensions::admin::token_file":                        "/data/admin-token",
		"receivers::log_files::storage":                        "queue_storage/offsets",
		"exporters::otlp_grpc/files::sending_queue::storage":   "queue_storage",
		"exporters::otlp_grpc/gateway::sending_queue::sizer":   "bytes",
		"exporters::otlp_grpc/gateway::sending_queue::storage": "queue_storage",
	} {
		assert.Equal(t, want, conf.Get(key), key)
	}
	readers := conf.Get("service::telemetry::metrics::readers").([]any)
	pull := confmap.NewFromStringMap(readers[0].(map[string]any))
	assert.Equal(t, 9999, pull.Get("pull::exporter::prometheus::port"))
	attributes := fmt.Sprint(conf.Get("processors::resource/host::attributes"), conf.Get("processors::resource/host_metrics::attributes"))
	for _, part := range []string{"host.name", "os.type", "deployment.environment.name", "value:prod", "value:node-1"} {
		assert.Contains(t, attributes, part)
	}
	lake := resolve(t, map[string]string{"PENSTOCK_DATA_DIR": "/data"}, "profile:standalone")
	assert.Equal(t, "/data/lake", lake.Get("exporters::parquet::url"))
}

func TestFurtherConfigurationsMergeOver(t *testing.T) {
	conf := resolve(t, nil, "profile:standalone", "test:exporters: {debug: {}}\n"+
		"service: {pipelines: {logs/debug: {receivers: [forward], exporters: [debug]}}}\n"+
		"processors: {memory_limiter: {limit_percentage: 50}}")
	assert.Equal(t, 50, conf.Get("processors::memory_limiter::limit_percentage"))
	assert.Equal(t, 20, conf.Get("processors::memory_limiter::spike_limit_percentage"))
	assertWhole(t, conf)
}

func TestUnknownProfileNamesTheKnownOnes(t *testing.T) {
	provider := profileprovider.NewFactory().Create(confmap.ProviderSettings{})
	require.NoError(t, confmaptest.ValidateProviderScheme(provider))
	for _, uri := range []string{"profile:", "profile:sidecar"} {
		_, err := provider.Retrieve(t.Context(), uri, nil)
		assert.ErrorContains(t, err, "the profiles are agent, gateway, standalone")
	}
	_, err := provider.Retrieve(t.Context(), "file:agent", nil)
	assert.ErrorContains(t, err, `"file:agent" is not of the form profile:<name>`)
	assert.NoError(t, provider.Shutdown(t.Context()))
}

func TestNoSinkAtAllIsAnError(t *testing.T) {
	t.Setenv("PENSTOCK_LAKE_URL", "off")
	_, err := profileprovider.NewFactory().Create(confmap.ProviderSettings{}).Retrieve(t.Context(), "profile:gateway", nil)
	assert.ErrorContains(t, err, "set PENSTOCK_LAKE_URL, PENSTOCK_REMOTE_WRITE_URL, PENSTOCK_LOKI_URL, PENSTOCK_OTLP_EXPORT_ENDPOINT or PENSTOCK_KAFKA_BROKERS")
}

// An embedded journal takes only what somebody follows: the rest would fill it up.
func TestStandaloneTakesWhatASinkFollows(t *testing.T) {
	conf := resolve(t, map[string]string{"PENSTOCK_LAKE_URL": "off"}, "profile:standalone")
	got := slices.Collect(maps.Keys(pipelines(t, conf)))
	assert.ElementsMatch(t, []string{"logs", "logs/journal", "logs/logs", "metrics", "metrics/host", "metrics/journal", "metrics/tsdb", "traces", "traces/journal", "traces/logs"}, got)
	assertWhole(t, conf)
}

func TestTheJournalIsWhereTheBrokersAre(t *testing.T) {
	conf := resolve(t, journaled, "profile:standalone")
	cfg := kafkareplayreceiver.NewFactory().CreateDefaultConfig().(*kafkareplayreceiver.Config)
	sub, err := conf.Sub("receivers::kafka_replay/tsdb")
	require.NoError(t, err)
	require.NoError(t, sub.Unmarshal(cfg))
	assert.Equal(t, []string{"kafka-0:9092", "kafka-1:9092"}, cfg.Kafka.Brokers)
	assert.Equal(t, "tsdb", cfg.Follow.Group)
	assert.False(t, conf.IsSet("extensions::embedded_kafka"))

	conf = resolve(t, map[string]string{"PENSTOCK_KAFKA_ENDPOINT": "127.0.0.1:19092"}, "profile:standalone")
	assert.Equal(t, "127.0.0.1:19092", conf.Get("extensions::embedded_kafka::endpoint"))
	assert.Equal(t, "127.0.0.1:19092", conf.Get("processors::kafka_replay::brokers"))
	assert.Equal(t, "127.0.0.1:19092", conf.Get("receivers::kafka_replay/lake::brokers"))
}

// Each signal is replayed into one store: the lake, if there is no other.
func TestReplaysGoIntoOneStoreOfEachSignal(t *testing.T) {
	const jobs = "kafka_replay/jobs"
	kafka := map[string]string{"PENSTOCK_KAFKA_BROKERS": "kafka-0:9092"}
	for name, c := range map[string]struct {
		profile string
		env     map[string]string
		want    []string // pipelines
	}{
		"standalone":                      {"standalone", nil, []string{"logs/lake", "metrics/tsdb", "traces/lake"}},
		"standalone with Loki":            {"standalone", map[string]string{"PENSTOCK_LOKI_URL": "http://loki:3100"}, []string{"logs/loki", "metrics/tsdb", "traces/lake"}},
		"standalone without a lake":       {"standalone", map[string]string{"PENSTOCK_LAKE_URL": "off"}, []string{"logs/logs", "metrics/tsdb", "traces/logs"}},
		"a gateway with a journal":        {"gateway", kafka, []string{"logs/lake", "metrics/lake", "traces/lake"}},
		"a gateway without a journal":     {"gateway", nil, nil},
		"a gateway with a remote TSDB":    {"gateway", map[string]string{"PENSTOCK_KAFKA_BROKERS": "kafka-0:9092", "PENSTOCK_REMOTE_WRITE_URL": "http://tsdb/write"}, []string{"logs/lake", "metrics/remote_write", "traces/lake"}},
		"a gateway with an OTLP endpoint": {"gateway", map[string]string{"PENSTOCK_KAFKA_BROKERS": "kafka-0:9092", "PENSTOCK_OTLP_EXPORT_ENDPOINT": "tempo:4317"}, []string{"logs/lake", "metrics/lake", "traces/otlp"}},
	} {
		t.Run(name, func(t *testing.T) {
			conf := resolve(t, c.env, "profile:"+c.profile)
			var got, recorded []string
			for id, p := range pipelines(t, conf) {
				if slices.Contains(p["receivers"].([]any), any(jobs)) {
					got = append(got, id)
				}
			}
			assert.ElementsMatch(t, c.want, got)
			for _, id := range c.want {
				if signal, sink, _ := strings.Cut(id, "/"); sink == "lake" {
					recorded = append(recorded, signal)
				}
			}
			listed, _ := conf.Get("receivers::" + jobs + "::jobs::recorded").([]any)
			assert.Len(t, listed, len(recorded))
			for _, signal := range recorded {
				assert.Contains(t, listed, signal)
			}
		})
	}
}

func TestTheSizeOfTheJournal(t *testing.T) {
	for value, want := range map[string]string{"": "0", "10GiB": "10GiB", "1073741824": "1GiB", "1.5GiB": "max_size", "plenty": "max_size", "1MiB": "PENSTOCK_JOURNAL_SIZE"} {
		t.Run(value, func(t *testing.T) {
			env := map[string]string{}
			if value != "" {
				env["PENSTOCK_JOURNAL_SIZE"] = value
			}
			conf := resolve(t, env, "profile:standalone")
			sub, err := conf.Sub("extensions::embedded_kafka")
			require.NoError(t, err)
			cfg := embeddedkafkaextension.NewFactory().CreateDefaultConfig().(*embeddedkafkaextension.Config)
			if err = sub.Unmarshal(cfg); err == nil {
				err = confmap.Validate(cfg)
			}
			if err != nil {
				require.ErrorContains(t, err, want)
				return
			}
			assert.Equal(t, want, cfg.MaxSize.String())
		})
	}
}

func TestLogReceiversWaitForThePipeline(t *testing.T) {
	require.NoError(t, featuregate.GlobalRegistry().Set(emitterGate.ID(), false))
	resolve(t, nil, "profile:agent")
	assert.True(t, emitterGate.IsEnabled())
}

// Each tenant has a quota by a variable, and gateways with one Kafka share it.
func TestQuotas(t *testing.T) {
	for _, profile := range []string{"standalone", "agent"} {
		conf := resolve(t, map[string]string{"PENSTOCK_TENANT_BYTES_PER_SECOND": "5000"}, "profile:"+profile)
		assert.Equal(t, 5000, conf.Get("extensions::quota::defaults::tenant::bytes_per_second"))
		assert.False(t, conf.IsSet("extensions::quota::share"))
		for protocol, at := range map[string]int{"grpc": 0, "http": 1} { // before what reads bodies
			assert.Equal(t, map[string]any{"id": "quota"}, conf.Get("receivers::otlp::protocols::" + protocol + "::middlewares").([]any)[at])
		}
		assert.Equal(t, "quota", pipelines(t, conf)["traces"]["processors"].([]any)[1])
	}
	conf := resolve(t, map[string]string{"PENSTOCK_KAFKA_BROKERS": "a:9092,b:9092", "PENSTOCK_INSTANCE_ID": "one"}, "profile:gateway")
	assert.Equal(t, 0, conf.Get("extensions::quota::defaults::tenant::bytes_per_second"))
	assert.Equal(t, "one", conf.Get("extensions::quota::instance_id"))
	assert.Equal(t, map[string]any{"brokers": "a:9092,b:9092", "topic_prefix": "penstock"}, conf.Get("extensions::quota::share"))
}

// Syslog, StatsD and the journal are configured by variables, and syslog's records keep their hosts' attributes.
func TestIntakeOfTheAgent(t *testing.T) {
	conf := resolve(t, everything, "profile:agent")
	assert.Equal(t, map[string]any{"endpoint": "udp://127.0.0.1:1514,tls://127.0.0.1:6514", "service_name": "shop",
		"tls": map[string]any{"cert_file": "/etc/penstock/$syslog.crt", "key_file": "/etc/penstock/syslog.key"}}, conf.Get("receivers::syslog_server"))
	assert.Equal(t, map[string]any{"storage": "queue_storage/offsets", "directory": "/host/var/log/journal", "service_name": "shop"}, conf.Get("receivers::systemd_journal"))
	assert.Equal(t, "shop", conf.Get("receivers::statsd_server::service_name"))
	assert.Equal(t, map[string]any{"receivers": []any{"syslog_server"}, "processors": []any{"memory_limiter", "quota/drop", "pii_scrubber", "resource/syslog"},
		"exporters": []any{"otlp_grpc/files"}}, pipelines(t, conf)["logs/syslog"])
	conf = resolve(t, map[string]string{"PENSTOCK_SYSLOG_ENDPOINT": "127.0.0.1:514"}, "profile:agent")
	assert.Equal(t, map[string]any{"endpoint": "127.0.0.1:514"}, conf.Get("receivers::syslog_server"))
	assert.Equal(t, []any{"memory_limiter", "quota/drop", "pii_scrubber"}, pipelines(t, conf)["logs/syslog"]["processors"])
	conf = resolve(t, nil, "profile:agent")
	assert.False(t, conf.IsSet("receivers::syslog_server"))
	assert.Equal(t, "127.0.0.1:8125", conf.Get("receivers::statsd_server::endpoint"))
}

// Every HTTP server of a profile has the guard: as a middleware, or inside.
func TestEveryListenerIsGuarded(t *testing.T) {
	inside := []string{"extensions::admin", "extensions::embedded_tsdb", "extensions::embedded_logs"}
	other := []string{"receivers::otlp::protocols::grpc", "extensions::embedded_kafka", "receivers::statsd_server", "receivers::syslog_server"} // no HTTP, or not a browser's
	for _, profile := range []string{"standalone", "agent", "gateway"} {
		conf := resolve(t, everything, "profile:"+profile)
		found := 0
		for _, key := range conf.AllKeys() {
			server, ok := strings.CutSuffix(key, "::endpoint")
			if !ok || strings.HasPrefix(key, "exporters::") || strings.Contains(key, "::targets") ||
				slices.Contains(inside, server) || slices.Contains(other, server) {
				continue
			}
			found++
			assert.Contains(t, fmt.Sprint(conf.Get(server+"::middlewares")), "id:cross_origin_protection", "%s: %s", profile, server)
		}
		listeners := map[string]int{"standalone": 3, "agent": 2, "gateway": 3}[profile]
		assert.Equal(t, listeners, found, "%s: OTLP over HTTP, health and ingest, which the agent has not", profile)
		assert.Contains(t, conf.Get("service::extensions"), "cross_origin_protection")
	}
}

func TestOriginsOfPagesAreListed(t *testing.T) {
	const cors = "receivers::otlp::protocols::http::cors"
	assert.False(t, resolve(t, nil, "profile:gateway").IsSet(cors))
	for _, profile := range []string{"standalone", "agent", "gateway"} {
		conf := resolve(t, map[string]string{"PENSTOCK_CORS_ORIGINS": "https://a.example, http://localhost:3000"}, "profile:"+profile)
		assert.Equal(t, []any{"https://a.example", "http://localhost:3000"}, conf.Get(cors+"::allowed_origins"))
		assert.Equal(t, []any{"*"}, conf.Get(cors+"::allowed_headers"))
		sub, err := conf.Sub(cors)
		require.NoError(t, err)
		server := confighttp.NewDefaultCORSConfig()
		require.NoError(t, sub.Unmarshal(&server))
	}
}

// With a file of keys every listener that receives or shows data requires one; without, none does.
func TestKeysCloseEveryListener(t *testing.T) {
	for profile, listeners := range map[string]map[string]string{
		"standalone": {"receivers::otlp::protocols::grpc": "api_key_auth", "receivers::otlp::protocols::http": "api_key_auth", "receivers::ingest": "api_key_auth",
			"extensions::admin": "api_key_auth/admin", "extensions::embedded_tsdb": "api_key_auth/read", "extensions::embedded_logs": "api_key_auth/read"},
		"agent": {"receivers::otlp::protocols::grpc": "api_key_auth", "receivers::otlp::protocols::http": "api_key_auth", "extensions::admin": "api_key_auth/admin"},
		"gateway": {"receivers::otlp::protocols::grpc": "api_key_auth", "receivers::otlp::protocols::http": "api_key_auth", "receivers::ingest": "api_key_auth",
			"extensions::admin": "api_key_auth/admin"},
	} {
		open, closed := resolve(t, nil, "profile:"+profile), resolve(t, map[string]string{"PENSTOCK_KEYS_FILE": "keys.yaml", "PENSTOCK_LOKI_URL": "http://x"}, "profile:"+profile)
		assertWhole(t, closed)
		for listener, authenticator := range listeners {
			assert.False(t, open.IsSet(listener+"::auth"), listener)
			assert.Equal(t, authenticator, closed.Get(listener+"::auth::authenticator"), "%s of %s", listener, profile)
			assert.Equal(t, "keys.yaml", closed.Get("extensions::"+authenticator+"::file"))
		}
		for id, p := range pipelines(t, closed) {
			if receivers, _ := p["receivers"].([]any); slices.Contains(receivers, any("otlp")) {
				assert.Contains(t, p["processors"], "key_authorizer", id)
			}
		}
	}
	sso := map[string]string{"PENSTOCK_KEYS_FILE": "keys.yaml", "PENSTOCK_OIDC_ISSUER": "https://sso"}
	for profile, ids := range map[string][]string{"standalone": {"", "/admin", "/read"}, "gateway": {"", "/admin"}, "agent": {"", "/admin"}} {
		conf := resolve(t, sso, "profile:"+profile)
		assertWhole(t, conf)
		for _, id := range ids {
			assert.Equal(t, "oidc", conf.Get("extensions::api_key_auth"+id+"::oidc::authenticator"))
		}
	}
	keys := map[string]string{"PENSTOCK_KEYS_FILE": "keys.yaml", "PENSTOCK_REMOTE_WRITE_URL": "http://x", "PENSTOCK_OTLP_EXPORT_ENDPOINT": "x:1"}
	for profile, want := range map[string]map[string]any{
		"standalone": {
			"extensions::embedded_tsdb::tenant_label": "tenant_id", "exporters::prometheus_tsdb::translation::tenant_label": "tenant_id",
			"exporters::prometheus_tsdb/remote_write::translation::tenant_label": "tenant_id", "exporters::prometheus_tsdb/remote_write::tenant_header": "X-Scope-OrgID",
			"exporters::otlp_grpc/forward::auth::authenticator": "headers_setter/tenant",
		},
		"gateway": {"exporters::prometheus_tsdb/remote_write::tenant_header": "X-Scope-OrgID", "exporters::otlp_grpc/forward::auth::authenticator": "headers_setter/tenant"},
		"agent":   {"exporters::otlp_grpc/gateway::auth::authenticator": "headers_setter/tenant", "exporters::otlp_grpc/gateway::sending_queue::batch::partition::metadata_keys": []any{"x-scope-orgid"}},
	} {
		without := maps.Clone(keys)
		delete(without, "PENSTOCK_KEYS_FILE")
		open, closed := resolve(t, without, "profile:"+profile), resolve(t, keys, "profile:"+profile)
		assertWhole(t, closed)
		for key, value := range want {
			assert.Equal(t, value, closed.Get(key), "%s of %s", key, profile)
			assert.False(t, open.IsSet(key), "%s of %s: without keys nothing changes", key, profile)
		}
	}
	conf := resolve(t, map[string]string{"PENSTOCK_GATEWAY_KEY": "secret", "PENSTOCK_LOG_FILES": "/x"}, "profile:agent")
	for _, exporter := range []string{"gateway", "files"} {
		assert.Equal(t, "Bearer secret", conf.Get("exporters::otlp_grpc/"+exporter+"::headers::authorization"))
	}
}

// A certificate is for every listener that takes or shows data, and an agent trusts and shows itself by files.
func TestCertificates(t *testing.T) {
	listeners := map[string][]string{
		"standalone": {"receivers::otlp::protocols::grpc", "receivers::otlp::protocols::http", "receivers::ingest", "extensions::admin", "extensions::embedded_tsdb"},
		"gateway":    {"receivers::otlp::protocols::grpc", "receivers::otlp::protocols::http", "receivers::ingest", "extensions::admin"},
		"agent":      {"receivers::otlp::protocols::grpc", "receivers::otlp::protocols::http", "extensions::admin"},
	}
	env := map[string]string{"PENSTOCK_TLS_CERT": "/c", "PENSTOCK_TLS_KEY": "/k", "PENSTOCK_TLS_CLIENT_CA": "/ca", "PENSTOCK_LOKI_URL": "http://x"}
	for profile, all := range listeners {
		open, closed := resolve(t, map[string]string{"PENSTOCK_LOKI_URL": "http://x"}, "profile:"+profile), resolve(t, env, "profile:"+profile)
		assertWhole(t, closed)
		for _, l := range all {
			assert.False(t, open.IsSet(l+"::tls"), l)
			for key, want := range map[string]any{"cert_file": "/c", "key_file": "/k", "client_ca_file": "/ca", "client_ca_file_reload": true, "min_version": "1.2", "reload_interval": "1s"} {
				assert.Equal(t, want, closed.Get(l+"::tls::"+key), l)
			}
		}
	}
	env = map[string]string{"PENSTOCK_TLS_CERT": "/c", "PENSTOCK_TLS_KEY": "/k", "PENSTOCK_GATEWAY_CA": "/gw", "PENSTOCK_GATEWAY_ENDPOINT": "https://x:1", "PENSTOCK_LOG_FILES": "/x"}
	for _, exporter := range []string{"gateway", "files"} {
		tls := "exporters::otlp_grpc/" + exporter + "::tls"
		conf := resolve(t, env, "profile:agent")
		assert.Equal(t, map[string]any{"ca_file": "/gw", "insecure": false, "min_version": "1.2", "cert_file": "/c", "key_file": "/k", "reload_interval": "1s"}, conf.Get(tls))
		plain := resolve(t, map[string]string{"PENSTOCK_TLS_CERT": "/c", "PENSTOCK_TLS_KEY": "/k", "PENSTOCK_LOG_FILES": "/x"}, "profile:agent")
		assert.Equal(t, map[string]any{"insecure": true}, plain.Get(tls), "a bare host:port is plain text")
	}
	for want, env := range map[string]map[string]string{
		"PENSTOCK_TLS_CERT: needs PENSTOCK_TLS_KEY":       {"PENSTOCK_TLS_CERT": "/c"},
		"PENSTOCK_TLS_KEY: needs PENSTOCK_TLS_CERT":       {"PENSTOCK_TLS_KEY": "/k"},
		"PENSTOCK_TLS_CLIENT_CA: needs PENSTOCK_TLS_CERT": {"PENSTOCK_TLS_CLIENT_CA": "/ca"},
	} {
		for _, name := range []string{"PENSTOCK_TLS_CERT", "PENSTOCK_TLS_KEY", "PENSTOCK_TLS_CLIENT_CA"} {
			t.Setenv(name, env[name])
		}
		_, err := profileprovider.NewFactory().Create(confmap.ProviderSettings{}).Retrieve(t.Context(), "profile:gateway", nil)
		assert.ErrorContains(t, err, want)
	}
}

// The README's table of variables is complete and has no others.
func TestReadmeNamesEveryVariable(t *testing.T) {
	name := regexp.MustCompile(`PENSTOCK_[A-Z_]+`)
	inCode := map[string]bool{}
	for _, pattern := range []string{"*.go", "fragments/*.yaml"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, variable := range name.FindAllString(string(text), -1) {
				inCode[variable] = true
			}
		}
	}
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	inReadme := map[string]bool{}
	for _, line := range strings.Split(string(readme), "\n") {
		if strings.HasPrefix(line, "| `PENSTOCK_") {
			inReadme[name.FindString(line)] = true
		}
	}
	assert.Equal(t, slices.Sorted(maps.Keys(inCode)), slices.Sorted(maps.Keys(inReadme)))
}

// resolve works like the collector with --config, in an environment of PENSTOCK_ variables.
func resolve(t *testing.T, env map[string]string, uris ...string) *confmap.Conf {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "PENSTOCK_") {
			t.Setenv(name, "") // restores it after the test
			require.NoError(t, os.Unsetenv(name))
		}
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs: uris,
		ProviderFactories: []confmap.ProviderFactory{
			profileprovider.NewFactory(), envprovider.NewFactory(), confmap.NewProviderFactory(newInline),
		},
	})
	require.NoError(t, err)
	conf, err := resolver.Resolve(t.Context())
	require.NoError(t, err)
	require.NoError(t, resolver.Shutdown(t.Context()))
	return conf
}

func pipelines(t *testing.T, conf *confmap.Conf) map[string]map[string]any {
	t.Helper()
	sub, err := conf.Sub("service::pipelines")
	require.NoError(t, err)
	all := map[string]map[string]any{}
	for id, p := range sub.ToStringMap() {
		all[id] = p.(map[string]any)
	}
	return all
}

// inline is a provider for YAML in the URI, `test:<yaml>`.
type inline struct{}

func newInline(confmap.ProviderSettings) confmap.Provider { return inline{} }

func (inline) Retrieve(_ context.Context, uri string, _ confmap.WatcherFunc) (*confmap.Retrieved, error) {
	return confmap.NewRetrievedFromYAML([]byte(strings.TrimPrefix(uri, "test:")))
}
func (inline) Scheme() string                 { return "test" }
func (inline) Shutdown(context.Context) error { return nil }

// The command line knows every variable that a profile reads, and none that no profile reads.
func TestEveryVariableIsListed(t *testing.T) {
	read := map[string]bool{}
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	fragments, err := filepath.Glob("fragments/*.yaml")
	require.NoError(t, err)
	for _, path := range append(sources, fragments...) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, name := range regexp.MustCompile(`PENSTOCK_[A-Z0-9_]*[A-Z0-9]`).FindAllString(string(text), -1) {
			read[name] = true
		}
	}
	var listed []string
	for _, v := range variables.All {
		listed = append(listed, v.Name)
	}
	assert.Equal(t, slices.Sorted(maps.Keys(read)), listed)
}
