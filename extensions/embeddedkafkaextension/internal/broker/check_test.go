package broker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/broker"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
)

// A check finds everything that a start would find, also in segments that a start does not read, and changes nothing.
func TestACheckChangesNothing(t *testing.T) {
	set := settings(t.TempDir())
	set.SegmentBytes = 1 << 10
	r := open(t, set)
	r.create(t, nil)
	value := strings.Repeat("x", 600)
	produce(t, r.client(t), value+"0", value+"1", value+"2", value+"3")
	r.abandon(t)
	found, err := broker.Check(set.Directory)
	require.NoError(t, err)
	assert.Empty(t, found)

	name := filepath.Join(set.Directory, "partitions", topic+"-0", "1.dat")
	raw, err := os.ReadFile(name)
	require.NoError(t, err)
	raw[100]++
	require.NoError(t, os.WriteFile(name, raw, 0o600))
	require.NoError(t, os.Remove(filepath.Join(set.Directory, "partitions", topic+"-0", "partition.meta")))
	before := content(t, set.Directory)
	found, err = broker.Check(set.Directory)
	require.NoError(t, err)
	require.Len(t, found, 2)
	assert.Equal(t, commitlog.Rebuilt, found[0].Kind)
	assert.Equal(t, commitlog.Damaged, found[1].Kind)
	assert.Equal(t, []int64{1, 2}, []int64{found[1].First, found[1].Next})
	assert.Equal(t, before, content(t, set.Directory))

	old := filepath.Join(t.TempDir(), "kafka")
	require.NoError(t, os.CopyFS(old, os.DirFS(filepath.Join("testdata", "kfake", "closed"))))
	before = content(t, old)
	found, err = broker.Check(old)
	require.NoError(t, err)
	assert.NotEmpty(t, found)
	assert.Equal(t, before, content(t, old))
	found, err = broker.Check(filepath.Join(old, "nothing"))
	require.NoError(t, err)
	assert.Empty(t, found)
}

func content(t *testing.T, directory string) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(directory, func(name string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		raw, err := os.ReadFile(name)
		out[name] = string(raw)
		return err
	}))
	return out
}
