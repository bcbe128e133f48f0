package embeddedkafkaextension_test

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension"
	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/internal/readmetest"
)

func start(t *testing.T, dir, endpoint string) extension.Extension {
	t.Helper()
	return startLogged(t, dir, endpoint, zap.NewNop())
}

func startLogged(t *testing.T, dir, endpoint string, log *zap.Logger) extension.Extension {
	t.Helper()
	factory := embeddedkafkaextension.NewFactory()
	cfg := factory.CreateDefaultConfig().(*embeddedkafkaextension.Config)
	cfg.Directory, cfg.Endpoint = dir, endpoint
	require.NoError(t, confmap.Validate(cfg))
	set := extensiontest.NewNopSettings(factory.Type())
	set.Logger = log
	ext, err := factory.Create(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, ext.Start(t.Context(), componenttest.NewNopHost()))
	return ext
}

func TestRecordsSurviveARestart(t *testing.T) {
	dir, endpoint := filepath.Join(t.TempDir(), "kafka"), freeport.One(t)
	ext := start(t, dir, endpoint)
	c, err := kgo.NewClient(kgo.SeedBrokers(endpoint), kgo.ProducerLinger(0))
	require.NoError(t, err)
	defer c.Close()
	_, err = kadm.NewClient(c).CreateTopic(t.Context(), 4, 1, nil, "t")
	require.NoError(t, err)
	require.NoError(t, c.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("kept")}).FirstErr())
	require.NoError(t, ext.Shutdown(t.Context()))
	require.NoError(t, ext.Shutdown(t.Context()), "repeated")

	ext = start(t, dir, endpoint)
	defer func() { require.NoError(t, ext.Shutdown(context.Background())) }()
	reader, err := kgo.NewClient(kgo.SeedBrokers(endpoint), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(t, err)
	defer reader.Close()
	records := reader.PollFetches(t.Context()).Records()
	require.Len(t, records, 1)
	assert.Equal(t, "kept", string(records[0].Value))
}

func TestShutdownWithoutStart(t *testing.T) {
	factory := embeddedkafkaextension.NewFactory()
	ext, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), factory.CreateDefaultConfig())
	require.NoError(t, err)
	require.NoError(t, ext.Shutdown(t.Context()))
}

func TestATakenPortIsSaid(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	factory := embeddedkafkaextension.NewFactory()
	cfg := factory.CreateDefaultConfig().(*embeddedkafkaextension.Config)
	cfg.Directory, cfg.Endpoint = t.TempDir(), l.Addr().String()
	ext, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
	require.NoError(t, err)
	require.ErrorContains(t, ext.Start(t.Context(), componenttest.NewNopHost()), l.Addr().String())
	require.NoError(t, ext.Shutdown(t.Context()))
}

func TestConfig(t *testing.T) {
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	for name, want := range map[string]string{
		"embedded_kafka":           "",
		"embedded_kafka/nowhere":   "directory: must be set",
		"embedded_kafka/outside":   `endpoint: "0.0.0.0:9092" is not a loopback address`,
		"embedded_kafka/no_port":   `endpoint: "127.0.0.1" is not host:port`,
		"embedded_kafka/small":     "max_size (PENSTOCK_JOURNAL_SIZE in a profile): 1MiB is below 16 times segment_size (64MiB)",
		"embedded_kafka/segments":  "segment_size: 1000 is not between 1MiB and 64MiB",
		"embedded_kafka/localhost": "",
	} {
		t.Run(name, func(t *testing.T) {
			sub, err := conf.Sub(name)
			require.NoError(t, err)
			cfg := embeddedkafkaextension.NewFactory().CreateDefaultConfig()
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

func TestReadmeExamplesLoad(t *testing.T) {
	assert.Len(t, readmetest.Load(t, "extensions", embeddedkafkaextension.NewFactory(), nil), 2)
}

// Without max_size the cap comes from the disk, and is large enough for a profile's topics.
func TestTheCapComesFromTheDisk(t *testing.T) {
	ext := start(t, filepath.Join(t.TempDir(), "kafka"), freeport.One(t))
	defer func() { require.NoError(t, ext.Shutdown(context.Background())) }()
	limit := ext.(cluster.Limited).JournalRoom("t").LimitBytes
	assert.GreaterOrEqual(t, limit, int64(256<<20))
	assert.LessOrEqual(t, limit, int64(10<<30))
}

func TestSize(t *testing.T) {
	for text, want := range map[string]embeddedkafkaextension.Size{"0": 0, "1024": 1024, "1KiB": 1024, "512 MiB": 512 << 20, "10GiB": 10 << 30, "2TiB": 2 << 40} {
		var s embeddedkafkaextension.Size
		require.NoError(t, s.UnmarshalText([]byte(text)))
		assert.Equal(t, want, s)
		var again embeddedkafkaextension.Size
		require.NoError(t, again.UnmarshalText([]byte(s.String())))
		assert.Equal(t, s, again)
	}
	for _, text := range []string{"", "-1", "1.5GiB", "10GB", "9999999TiB", "plenty"} {
		var s embeddedkafkaextension.Size
		require.Error(t, s.UnmarshalText([]byte(text)), text)
	}
}
