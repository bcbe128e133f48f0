package keyfile_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/keyfile"
)

// The key is made once, for its owner only; later starts read it.
func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "pii.key")
	key, made, err := keyfile.Open(path)
	require.NoError(t, err)
	assert.True(t, made)
	assert.Len(t, key.Secret, 32)
	assert.Regexp(t, `^f[a-p]{8}$`, key.ID)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	again, made, err := keyfile.Open(path)
	require.NoError(t, err)
	assert.False(t, made)
	assert.Equal(t, key, again)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "nothing is left beside it")
}

// Two that make it at once get one key.
func TestOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pii.key")
	keys := make([]string, 8)
	var wait sync.WaitGroup
	for i := range keys {
		wait.Go(func() {
			key, _, err := keyfile.Open(path)
			if assert.NoError(t, err) {
				keys[i] = key.ID
			}
		})
	}
	wait.Wait()
	for _, k := range keys {
		assert.Equal(t, keys[0], k)
	}
}

// A damaged file stops the start: a new key would start new series.
func TestDamaged(t *testing.T) {
	for _, text := range []string{"", "no base64!", "c2hvcnQ="} {
		path := filepath.Join(t.TempDir(), "pii.key")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, _, err := keyfile.Open(path)
		require.ErrorContains(t, err, "want base64 of at least 32 bytes")
		left, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, text, string(left))
	}
}
