//go:build unix

package queuestorageextension_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/penstockhq/penstock/extensions/queuestorageextension"
)

// Whatever the umask, other users read no queue.
func TestFilesBelongToTheirOwner(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	factory := queuestorageextension.NewFactory()
	cfg := factory.CreateDefaultConfig().(*queuestorageextension.Config)
	cfg.Directory = filepath.Join(t.TempDir(), "data", "queue")
	ext, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
	require.NoError(t, err)
	require.NoError(t, ext.Start(t.Context(), componenttest.NewNopHost()))
	client, err := ext.(storage.Extension).GetClient(t.Context(), component.KindExporter, component.MustNewID("otlp"), "")
	require.NoError(t, err)
	require.NoError(t, client.Set(t.Context(), "k", []byte("v")))
	require.NoError(t, client.Close(t.Context()))
	require.NoError(t, ext.Shutdown(t.Context()))
	files := 0
	require.NoError(t, filepath.WalkDir(filepath.Dir(cfg.Directory), func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		want := os.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else {
			files++
		}
		assert.Equal(t, want, info.Mode().Perm(), path)
		return nil
	}))
	assert.Equal(t, 2, files, "the queue and the lock")
}
