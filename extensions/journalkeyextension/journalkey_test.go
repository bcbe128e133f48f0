package journalkeyextension_test

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensiontest"

	"github.com/penstockhq/penstock/extensions/journalkeyextension"
)

// keys is what other components find in the extension.
type keys interface {
	SharedKey(ctx context.Context, own []byte) ([]byte, error)
}

func started(t *testing.T, brokers ...string) keys {
	t.Helper()
	f := journalkeyextension.NewFactory()
	cfg := f.CreateDefaultConfig().(*journalkeyextension.Config)
	cfg.Kafka.Brokers = brokers
	require.NoError(t, confmap.Validate(cfg))
	e, err := f.Create(t.Context(), extensiontest.NewNopSettings(f.Type()), cfg)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, extension.Extension(e).Shutdown(context.Background())) })
	return e.(keys)
}

func TestTheFirstKeyIsEverybodys(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "penstock.layout"))
	require.NoError(t, err)
	defer k.Close()
	one, two := started(t, k.ListenAddrs()...), started(t, k.ListenAddrs()...)
	none, err := one.SharedKey(t.Context(), nil)
	require.NoError(t, err)
	assert.Nil(t, none)
	first := bytes.Repeat([]byte{1}, 32)
	got, err := one.SharedKey(t.Context(), first)
	require.NoError(t, err)
	assert.Equal(t, first, got)
	got, err = two.SharedKey(t.Context(), bytes.Repeat([]byte{2}, 32))
	require.NoError(t, err)
	assert.Equal(t, first, got)
}

func TestWithoutKafkaAnErrorSaysWhichIsMeant(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := started(t, "127.0.0.1:9").SharedKey(ctx, nil)
	require.ErrorContains(t, err, "key of the journal penstock in Kafka (127.0.0.1:9)")
}

func TestReadmeExampleLoads(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(readme, -1)
	require.Len(t, blocks, 1)
	parsed, err := confmap.NewRetrievedFromYAML(blocks[0][1])
	require.NoError(t, err)
	whole, err := parsed.AsConf()
	require.NoError(t, err)
	sub, err := whole.Sub("extensions::journal_key")
	require.NoError(t, err)
	cfg := journalkeyextension.NewFactory().CreateDefaultConfig()
	require.NoError(t, sub.Unmarshal(cfg))
	assert.NoError(t, confmap.Validate(cfg))
	assert.ErrorContains(t, confmap.Validate(journalkeyextension.NewFactory().CreateDefaultConfig()), "brokers: must name at least one")
}
