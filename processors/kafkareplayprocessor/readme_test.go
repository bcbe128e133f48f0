package kafkareplayprocessor_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"

	kafkareplay "github.com/penstockhq/penstock/processors/kafkareplayprocessor"
)

func TestReadmeExamplesLoad(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(readme, -1)
	require.Len(t, blocks, 2)
	for _, block := range blocks {
		parsed, err := confmap.NewRetrievedFromYAML(block[1])
		require.NoError(t, err)
		whole, err := parsed.AsConf()
		require.NoError(t, err)
		sub, err := whole.Sub("processors::kafka_replay")
		require.NoError(t, err)
		cfg := kafkareplay.NewFactory().CreateDefaultConfig()
		require.NoError(t, sub.Unmarshal(cfg))
		assert.NoError(t, confmap.Validate(cfg))
	}
}
