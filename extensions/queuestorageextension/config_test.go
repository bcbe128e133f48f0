package queuestorageextension_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"

	"github.com/penstockhq/penstock/extensions/queuestorageextension"
)

func TestConfig(t *testing.T) {
	cfg := queuestorageextension.NewFactory().CreateDefaultConfig().(*queuestorageextension.Config)
	assert.True(t, cfg.FSync, "an acknowledged request survives a power cut unless somebody asks for less")
	assert.EqualError(t, confmap.Validate(cfg), "directory: must be set")

	occupied := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(occupied, nil, 0o600))
	cfg.Directory = occupied
	assert.ErrorContains(t, confmap.Validate(cfg), "file\" is not a directory")
	assert.ErrorContains(t, newExtension(t, filepath.Join(occupied, "below")).Start(t.Context(), componenttest.NewNopHost()),
		"directory: mkdir")
}

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
		sub, err := whole.Sub("extensions::queue_storage")
		require.NoError(t, err)
		cfg := queuestorageextension.NewFactory().CreateDefaultConfig()
		require.NoError(t, sub.Unmarshal(cfg))
		assert.NoError(t, confmap.Validate(cfg))
	}
}
