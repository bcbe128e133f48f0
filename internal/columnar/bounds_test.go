package columnar_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/columnar"
)

// textsFile has the same texts in columns of each encoding.
func textsFile(t *testing.T, texts []string) []byte {
	t.Helper()
	table := columnar.NewTable()
	g := table.Root()
	columns := []*columnar.Text{g.String("name", columnar.Required), g.String("words", 0), g.String("plain", columnar.Unique), g.String("same", columnar.Required|columnar.Unique|columnar.SameLength)}
	var out bytes.Buffer
	f, err := table.NewFile(&out, columnar.FileSettings{Rows: len(texts)})
	require.NoError(t, err)
	for _, text := range texts {
		for _, c := range columns {
			c.Put(append(columnar.Bytes{}, text...))
		}
		require.NoError(t, f.EndRow())
	}
	require.NoError(t, f.Close())
	return out.Bytes()
}

// boundsOf returns the least and the greatest value that a footer names for the texts of a column; nothing where it names none.
func boundsOf(t *testing.T, content []byte, column string) (bounds []string) {
	t.Helper()
	pf, err := file.NewParquetReader(bytes.NewReader(content))
	require.NoError(t, err)
	require.Equal(t, 1, pf.NumRowGroups())
	chunk, err := pf.MetaData().RowGroup(0).ColumnChunk(pf.MetaData().Schema.ColumnIndexByName(column))
	require.NoError(t, err)
	s, err := chunk.Statistics()
	require.NoError(t, err)
	if s == nil || !s.HasMinMax() {
		return nil
	}
	texts := s.(*metadata.ByteArrayStatistics)
	return []string{string(texts.Min()), string(texts.Max())}
}

// Readers leave a file unread whose bounds exclude what is asked for, so a bound must hold for the empty text too.
func TestBoundsIncludeTheEmptyText(t *testing.T) {
	many := make([]string, 3000)
	for i := range many {
		many[i] = strings.Repeat("b", 1+i%7) + fmt.Sprint(i)
	}
	many[2999] = ""
	for name, is := range map[string]struct {
		texts  []string
		bounds []string
	}{
		"first": {[]string{"", "b", "a"}, []string{"", "b"}}, "last": {[]string{"b", "a", ""}, []string{"", "b"}},
		"alone": {[]string{"", ""}, []string{"", ""}}, "none": {[]string{"b", "a"}, []string{"a", "b"}},
		"in the last page of many": {many, []string{"", "bbbbbbb993"}},
	} {
		content := textsFile(t, is.texts)
		half := len(is.texts) / 2
		again, err := merged(t, textsFile(t, is.texts[:half]), textsFile(t, is.texts[half:]))
		require.NoError(t, err)
		for kind, content := range map[string][]byte{"written": content, "merged": again} {
			for _, column := range []string{"name", "words", "plain", "same"} {
				if got := boundsOf(t, content, column); got != nil {
					assert.Equal(t, is.bounds, got, "%s, %s, %s", name, kind, column)
				} else {
					assert.Equal(t, "alone", name, "%s, %s: no bounds", kind, column)
				}
			}
		}
	}
}
