package columnar_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/columnar"
)

// version writes files of one version of a table; columns says which of the optional ones it has.
func version(t *testing.T, columns map[string]bool, names ...string) []byte {
	t.Helper()
	table := columnar.NewTable()
	g := table.Root()
	name := g.String("name", columnar.Required)
	var count *columnar.Column[int64]
	var note *columnar.Text
	var key, value *columnar.Text
	if columns["count"] {
		count = g.Int64("count", columnar.Required)
	}
	if columns["note"] {
		note = g.String("note", 0)
	}
	if columns["tags"] {
		key, value = g.Map("tags")
	}
	var out bytes.Buffer
	f, err := table.NewFile(&out, columnar.FileSettings{Rows: len(names)})
	require.NoError(t, err)
	for i, n := range names {
		name.Put([]byte(n))
		if count != nil {
			count.Put(int64(i))
		}
		if note != nil {
			note.Put([]byte("note of " + n))
		}
		if key != nil {
			key.PutAt([]byte("k"), 0)
			value.PutAt([]byte(n), 0)
		}
		require.NoError(t, f.EndRow())
	}
	require.NoError(t, f.Close())
	return out.Bytes()
}

func merged(t *testing.T, files ...[]byte) ([]byte, error) {
	t.Helper()
	var sources []*columnar.Source
	for _, f := range files {
		s, err := columnar.OpenSource(bytes.NewReader(f), int64(len(f)))
		require.NoError(t, err)
		sources = append(sources, s)
	}
	var out bytes.Buffer
	_, err := columnar.Merge(&out, sources, columnar.MergeSettings{SortedBy: []string{"name"}})
	return out.Bytes(), err
}

// Files of several versions of a table become one with all columns; values that a version lacks are null, or empty.
func TestVersionsOfATableMergeIntoTheirUnion(t *testing.T) {
	data, err := merged(t, version(t, map[string]bool{"note": true}, "a", "d"), version(t, map[string]bool{"count": true, "tags": true}, "b", "c"), version(t, nil, "e"))
	require.NoError(t, err)
	pf, err := file.NewParquetReader(bytes.NewReader(data))
	require.NoError(t, err)
	require.Equal(t, int64(5), pf.NumRows())
	s := pf.MetaData().Schema
	require.Equal(t, 5, s.NumColumns())
	counts := make([]int64, 5)
	defs := make([]int16, 5)
	c, err := pf.RowGroup(0).Column(s.ColumnIndexByName("count"))
	require.NoError(t, err)
	n, present, err := c.(*file.Int64ColumnChunkReader).ReadBatch(5, counts, defs, nil)
	require.NoError(t, err)
	assert.Equal(t, int64(5), n)
	assert.Equal(t, []int16{0, 1, 1, 0, 0}, defs, "a and d had none, in the order of names")
	assert.Equal(t, []int64{0, 1}, counts[:present])

	again, err := merged(t, data, version(t, map[string]bool{"count": true}, "aa"))
	require.NoError(t, err, "a merged file is one like others")
	pf, err = file.NewParquetReader(bytes.NewReader(again))
	require.NoError(t, err)
	assert.Equal(t, int64(6), pf.NumRows())
}

func TestColumnsOfOneNameAndOtherTypesAreNotMerged(t *testing.T) {
	table := columnar.NewTable()
	table.Root().Int64("name", columnar.Required).Put(1)
	var out bytes.Buffer
	f, err := table.NewFile(&out, columnar.FileSettings{Rows: 1})
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = merged(t, version(t, nil, "a"), out.Bytes())
	require.ErrorContains(t, err, "column name is string in one file and int64 in another")
}

// Whatever is damaged, an error says so, and the process lives.
func TestDamagedFilesAreAnError(t *testing.T) {
	good := version(t, map[string]bool{"note": true, "tags": true, "count": true}, "a", "b", "c", "d")
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		bad := bytes.Clone(good)
		for range 1 + r.IntN(4) {
			bad[r.IntN(len(bad))] = byte(r.Uint32())
		}
		s, err := columnar.OpenSource(bytes.NewReader(bad), int64(len(bad)))
		if err != nil {
			continue
		}
		var out bytes.Buffer
		_, _ = columnar.Merge(&out, []*columnar.Source{s}, columnar.MergeSettings{SortedBy: []string{"name"}})
	}
}
