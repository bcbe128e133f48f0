package journalkeyextension_test

import (
	"bytes"
	"context"
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
	"github.com/penstockhq/penstock/internal/readmetest"
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
	require.ErrorContains(t, err, "read the shared key of the journal penstock from Kafka (127.0.0.1:9)")
}

func TestReadmeExampleLoads(t *testing.T) {
	assert.Len(t, readmetest.Load(t, "extensions", journalkeyextension.NewFactory(), nil), 1)
	assert.ErrorContains(t, confmap.Validate(journalkeyextension.NewFactory().CreateDefaultConfig()), "brokers: must name at least one")
}
