package disk_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk"
)

func TestAFileIsReplacedWhole(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "a", "b")
	fsys := disk.OS{}
	require.NoError(t, fsys.MakeDirectory(directory))
	name := filepath.Join(directory, "f")
	for _, content := range []string{"a long content", "short"} {
		require.NoError(t, disk.WriteFile(fsys, name, []byte(content)))
		got, err := disk.ReadFile(fsys, name, 100)
		require.NoError(t, err)
		assert.Equal(t, content, string(got))
	}
	entries, err := fsys.ReadDirectory(directory)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	assert.Equal(t, "f", entries[0].Name)
	assert.EqualValues(t, 5, entries[0].Size)
	_, err = disk.ReadFile(fsys, name, 2)
	require.Error(t, err)
	free, err := fsys.Free(directory)
	require.NoError(t, err)
	assert.Positive(t, free)
}
