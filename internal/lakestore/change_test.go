package lakestore_test

import (
	"path"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/internal/lakestore"
)

func filesOf(names ...string) (all []lakestore.File) {
	for _, n := range names {
		all = append(all, lakestore.File{Path: path.Join("logs/date=2026-11-24/hour=07/tenant=a", n)})
	}
	return all
}

func TestWhatReadersOfAPartitionShouldRead(t *testing.T) {
	changes := []lakestore.Change{
		{Sequence: 1, Add: filesOf("z1"), Remove: filesOf("a", "b")},
		{Sequence: 2, Add: filesOf("z2"), Remove: filesOf("z1", "c")},
	}
	for name, is := range map[string]struct {
		files   []string
		changes []lakestore.Change
		dead    []string
	}{
		"nothing was merged":                     {[]string{"a", "b"}, nil, nil},
		"committed and not yet there":            {[]string{"a", "b", "c"}, changes[:1], nil},
		"there, before the others are gone":      {[]string{"a", "b", "c", "z1"}, changes[:1], []string{"a", "b"}},
		"done":                                   {[]string{"c", "z1"}, changes[:1], nil},
		"a file that comes again":                {[]string{"b", "c", "z1"}, changes[:1], []string{"b"}},
		"the second is committed":                {[]string{"c", "z1"}, changes, nil},
		"the second is there":                    {[]string{"c", "z1", "z2"}, changes, []string{"c", "z1"}},
		"both are done, and all comes again":     {[]string{"a", "b", "c", "z1", "z2", "d"}, changes, []string{"a", "b", "c", "z1"}},
		"committed twice before either is there": {[]string{"a", "b", "c"}, changes, nil},
		"all was dropped":                        {[]string{"a", "b"}, []lakestore.Change{{Sequence: 1, Remove: filesOf("a", "b")}}, []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			live, dead := lakestore.Live(filesOf(is.files...), is.changes)
			assert.Equal(t, filesOf(is.dead...), dead)
			assert.Len(t, live, len(is.files)-len(is.dead))
		})
	}
}

func TestPathsOfAPartition(t *testing.T) {
	const partition = "logs/date=2026-11-24/hour=07/tenant=a"
	for _, p := range []string{partition + "/x.parquet", lakestore.ChangePath(partition, 7), lakestore.StagedPath(partition + "/z.parquet")} {
		assert.Equal(t, partition, lakestore.PartitionOf(p))
	}
	assert.Equal(t, "_compacted/"+partition+"/00000007.json", lakestore.ChangePath(partition, 7))
	assert.Equal(t, partition+"/00000007-5", lakestore.Change{Partition: partition, Sequence: 7, Committed: time.Unix(0, 5)}.ID())
}
