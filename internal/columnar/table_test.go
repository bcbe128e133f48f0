package columnar_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/columnar"
)

// row is the tests' input and expected output; a nil pointer is null.
type row struct {
	name *string
	tags []tag
	n    int64
	deep [][]string
}

type tag struct {
	key   string
	value *string
}

// rowTable has each kind of text column: optional, in a map, in a list, in a map in a list.
type rowTable struct {
	*columnar.Table
	name, key, value, deepKey, deepValue *columnar.Text
	n                                    *columnar.Column[int64]
	deepN                                *columnar.Column[int64]
}

func newRowTable() *rowTable {
	t := &rowTable{Table: columnar.NewTable()}
	g := t.Root()
	t.name = g.String("name", 0)
	t.key, t.value = g.Map("tags")
	t.n = g.Int64("n", columnar.Required)
	e := g.List("deep")
	t.deepN = e.Int64("n", columnar.Required)
	t.deepKey, t.deepValue = e.Map("tags")
	return t
}

func (t *rowTable) put(r row) {
	if r.name == nil {
		t.name.Null()
	} else {
		t.name.Put([]byte(*r.name))
	}
	if len(r.tags) == 0 {
		t.key.MissingAt(0, 0)
		t.value.MissingAt(0, 0)
	}
	for i, tag := range r.tags {
		rep := int16(min(i, 1))
		t.key.PutAt([]byte(tag.key), rep)
		if tag.value == nil {
			t.value.NullAt(rep)
		} else {
			t.value.PutAt([]byte(*tag.value), rep)
		}
	}
	t.n.Put(r.n)
	if len(r.deep) == 0 {
		t.deepN.MissingAt(0, 0)
		t.deepKey.MissingAt(0, 0)
		t.deepValue.MissingAt(0, 0)
	}
	for i, keys := range r.deep {
		rep := int16(min(i, 1))
		t.deepN.PutAt(int64(len(keys)), rep)
		if len(keys) == 0 {
			t.deepKey.MissingAt(1, rep)
			t.deepValue.MissingAt(1, rep)
		}
		for _, k := range keys {
			t.deepKey.PutAt([]byte(k), rep)
			t.deepValue.PutAt([]byte(k+"!"), rep)
			rep = 2
		}
	}
}

func (r row) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", r.n, orNull(r.name))
	for _, t := range r.tags {
		fmt.Fprintf(&b, " %q=%s", t.key, orNull(t.value))
	}
	fmt.Fprintf(&b, " %q", r.deep)
	return b.String()
}

func orNull(s *string) string {
	if s == nil {
		return "null"
	}
	return fmt.Sprintf("%q", *s)
}

func write(t *testing.T, table *rowTable, rows []row) []byte {
	t.Helper()
	var buf bytes.Buffer
	f, err := table.NewFile(&buf, columnar.FileSettings{Rows: len(rows), CreatedBy: "test version 1.0.0"})
	require.NoError(t, err)
	for _, r := range rows {
		table.put(r)
		require.NoError(t, f.EndRow())
	}
	require.NoError(t, f.Close())
	return buf.Bytes()
}

func readBack(t *testing.T, data []byte) (rows []row, groups int) {
	t.Helper()
	pf, err := file.NewParquetReader(bytes.NewReader(data))
	require.NoError(t, err)
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	require.NoError(t, err)
	table, err := fr.ReadTable(context.Background())
	require.NoError(t, err)
	tr := array.NewTableReader(table, 0)
	for tr.Next() {
		b := tr.RecordBatch()
		name, tags, n, deep := b.Column(0).(*array.String), b.Column(1).(*array.Map), b.Column(2).(*array.Int64), b.Column(3).(*array.List)
		elements := deep.ListValues().(*array.Struct)
		deepTags := elements.Field(1).(*array.Map)
		for i := range int(b.NumRows()) {
			r := row{n: n.Value(i), name: at(name, i)}
			from, to := tags.ValueOffsets(i)
			for j := int(from); j < int(to); j++ {
				r.tags = append(r.tags, tag{*at(tags.Keys().(*array.String), j), at(tags.Items().(*array.String), j)})
			}
			from, to = deep.ValueOffsets(i)
			for j := int(from); j < int(to); j++ {
				var keys []string
				kf, kt := deepTags.ValueOffsets(j)
				for k := int(kf); k < int(kt); k++ {
					keys = append(keys, deepTags.Keys().(*array.String).Value(k))
					require.Equal(t, keys[len(keys)-1]+"!", deepTags.Items().(*array.String).Value(k))
				}
				require.Equal(t, int64(len(keys)), elements.Field(0).(*array.Int64).Value(j))
				r.deep = append(r.deep, keys)
			}
			rows = append(rows, r)
		}
	}
	return rows, pf.NumRowGroups()
}

func at(a *array.String, i int) *string {
	if a.IsNull(i) {
		return nil
	}
	s := strings.Clone(a.Value(i))
	return &s
}

// noise does not compress to less than three quarters.
var noise = func() string {
	r := rand.New(rand.NewPCG(1, 1))
	b := make([]byte, 8<<20)
	for i := range b {
		b[i] = ' ' + byte(r.IntN(64))
	}
	return string(b)
}()

// randomRows have values that repeat, or with wide > 0 also unique ones of about that many bytes.
func randomRows(seed uint64, n, wide int) []row {
	r := rand.New(rand.NewPCG(seed, 0))
	text := func() string {
		if wide > 0 && r.IntN(3) == 0 {
			return noise[r.IntN(len(noise)-wide):][:r.IntN(wide)]
		}
		return []string{"", "a", "b", "日本"}[r.IntN(4)]
	}
	maybe := func() *string {
		if r.IntN(4) == 0 {
			return nil
		}
		s := text()
		return &s
	}
	rows := make([]row, n)
	for i := range rows {
		rows[i] = row{n: int64(i), name: maybe()}
		for range r.IntN(4) {
			rows[i].tags = append(rows[i].tags, tag{text(), maybe()})
		}
		for range r.IntN(3) {
			var keys []string
			for range r.IntN(3) {
				keys = append(keys, text())
			}
			rows[i].deep = append(rows[i].deep, keys)
		}
	}
	return rows
}

func TestRowsComeBack(t *testing.T) {
	table := newRowTable() // one table for all: nothing remains from the file before
	for _, tc := range []struct {
		name       string
		rows, wide int
		groups     int
	}{
		{"none", 0, 0, 0},
		{"one", 1, 0, 1},
		{"a chunk", columnar.ChunkRows, 0, 1},
		{"chunks and a rest", 3*columnar.ChunkRows + 7, 10, 1},
		{"dictionaries outgrown", 20 * columnar.ChunkRows, 300, 1},
		{"row groups by rows", columnar.RowGroupRows + 5, 0, 2},
		{"row groups by bytes", 20 * columnar.ChunkRows, 3000, 2},
		{"small again", 10, 0, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := randomRows(uint64(tc.rows), tc.rows, tc.wide)
			got, groups := readBack(t, write(t, table, want))
			assert.Equal(t, tc.groups, groups)
			require.Len(t, got, len(want))
			for i := range want {
				require.Equal(t, want[i].String(), got[i].String())
			}
		})
	}
}

func TestSharedValues(t *testing.T) {
	table := columnar.NewTable()
	c := table.Root().String("c", columnar.Required)
	words := [][]byte{[]byte("one"), []byte("two"), []byte("three")}
	var buf bytes.Buffer
	f, err := table.NewFile(&buf, columnar.FileSettings{})
	require.NoError(t, err)
	for i := range 5000 {
		if i%2 == 0 {
			c.PutShared(words[i%3])
		} else {
			c.Put([]byte(string(words[i%3])))
		}
		require.NoError(t, f.EndRow())
	}
	require.NoError(t, f.Close())
	pf, err := file.NewParquetReader(bytes.NewReader(buf.Bytes()))
	require.NoError(t, err)
	stats, err := pf.MetaData().RowGroup(0).ColumnChunk(0)
	require.NoError(t, err)
	s, err := stats.Statistics()
	require.NoError(t, err)
	require.Equal(t, "one", string(s.EncodeMin()))
	require.Equal(t, "two", string(s.EncodeMax()))
	require.Equal(t, int64(0), s.NullCount())
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	require.NoError(t, err)
	read, err := fr.ReadTable(context.Background())
	require.NoError(t, err)
	tr := array.NewTableReader(read, 0)
	i := 0
	for tr.Next() {
		a := tr.RecordBatch().Column(0).(*array.String)
		for j := range a.Len() {
			require.Equal(t, string(words[i%3]), a.Value(j))
			i++
		}
	}
	require.Equal(t, 5000, i)
}

// failing fails from the given byte on.
type failing struct{ left int }

var errDisk = errors.New("disk is full")

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

func TestWriteErrorsAreReturnedAndLeaveTheTableUsable(t *testing.T) {
	table := newRowTable()
	rows := randomRows(1, 3*columnar.ChunkRows, 50)
	size := len(write(t, table, rows))
	for limit := 0; limit < size; limit += size/50 + 1 {
		err := func() error {
			f, err := table.NewFile(&failing{limit}, columnar.FileSettings{})
			if err != nil {
				return err
			}
			for _, r := range rows {
				table.put(r)
				if err := f.EndRow(); err != nil {
					return err
				}
			}
			return f.Close()
		}()
		require.Error(t, err, "at byte %d of %d", limit, size)
	}
	got, _ := readBack(t, write(t, table, rows))
	require.Len(t, got, len(rows))
	require.Equal(t, rows[len(rows)-1].String(), got[len(rows)-1].String())
}

func ExampleTable() {
	table := columnar.NewTable()
	name := table.Root().String("name", 0)
	age := table.Root().Int64("age", columnar.Required)
	f, err := table.NewFile(io.Discard, columnar.FileSettings{})
	if err != nil {
		panic(err)
	}
	name.Put([]byte("Ada"))
	age.Put(36)
	_ = f.EndRow()
	name.Null()
	age.Put(41)
	_ = f.EndRow()
	fmt.Println(f.Close(), table.Describe())
	// Output: <nil> [name string? age int64]
}
