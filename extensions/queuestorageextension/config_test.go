package queuestorageextension_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"

	"github.com/penstockhq/penstock/extensions/queuestorageextension"
	"github.com/penstockhq/penstock/internal/readmetest"
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
	assert.Len(t, readmetest.Load(t, "extensions", queuestorageextension.NewFactory(), nil), 2)
}
