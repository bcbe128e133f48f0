package udpdropsextension_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"

	"github.com/penstockhq/penstock/extensions/udpdropsextension"
)

func TestReadmeExampleLoads(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(readme, -1)
	require.Len(t, blocks, 1)
	parsed, err := confmap.NewRetrievedFromYAML(blocks[0][1])
	require.NoError(t, err)
	whole, err := parsed.AsConf()
	require.NoError(t, err)
	sub, err := whole.Sub("extensions::udp_drops")
	require.NoError(t, err)
	assert.NoError(t, sub.Unmarshal(udpdropsextension.NewFactory().CreateDefaultConfig()))
	assert.Error(t, confmap.NewFromStringMap(map[string]any{"interval": "1s"}).Unmarshal(udpdropsextension.NewFactory().CreateDefaultConfig()),
		"a key that does nothing is refused")
}
