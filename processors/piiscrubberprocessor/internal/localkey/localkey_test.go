package localkey_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/localkey"
)

// The key is created once, only for its owner; later starts read it.
func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "pii.key")
	key, err := localkey.Open(path)
	require.NoError(t, err)
	assert.True(t, key.Made)
	assert.Len(t, key.Secret, 32)
	assert.Regexp(t, `^f[a-p]{8}$`, key.ID)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	again, err := localkey.Open(path)
	require.NoError(t, err)
	assert.False(t, again.Made)
	assert.Equal(t, key.Key, again.Key)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "nothing is left beside it")
}

// Two processes that create it at once get one key.
func TestOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pii.key")
	keys := make([]string, 8)
	var wait sync.WaitGroup
	for i := range keys {
		wait.Go(func() {
			key, err := localkey.Open(path)
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

// A file without a key that a user wrote stops the start.
func TestNoKey(t *testing.T) {
	for _, text := range []string{"\n", "no base64!", "c2hvcnQ="} {
		path := filepath.Join(t.TempDir(), "pii.key")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := localkey.Open(path)
		require.ErrorContains(t, err, "want base64 of at least 32 bytes")
		left, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, text, string(left))
	}
}

// A power cut leaves an empty or zeroed file: it is renamed.
func TestDamaged(t *testing.T) {
	for _, text := range []string{"", strings.Repeat("\x00", 45), "YWJj\x00"} {
		path := filepath.Join(t.TempDir(), "pii.key")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		made, err := localkey.Open(path)
		require.NoError(t, err)
		assert.True(t, made.Made)
		kept, err := os.ReadFile(made.Aside)
		require.NoError(t, err)
		assert.Equal(t, text, string(kept))
		again, err := localkey.Open(path)
		require.NoError(t, err)
		assert.Equal(t, localkey.Opened{Key: made.Key}, again)
	}
}
