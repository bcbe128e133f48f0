package footer_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/footer"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/iceberg"
	"github.com/penstockhq/penstock/internal/columnar"
)

var hour = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

type row struct {
	at   time.Time
	n    int64
	body string // empty: null
}

// file has a column of each type, without values in the nested ones.
func file(t *testing.T, tenant string, rows ...row) []byte {
	t.Helper()
	table := columnar.NewTable()
	root := table.Root()
	at, who := root.Timestamp("time", columnar.Required), root.String("tenant_id", columnar.Required)
	n, body := root.Int64("n", columnar.Required), root.String("body", 0)
	value, exact := root.Float64("value", 0), root.Binary("exact", 0)
	day, flag, small := root.Date("event_date", 0), root.Bool("flag", 0), root.Int32("small", 0)
	key, text := root.Map("attributes")
	counts := columnar.ListOf(root, "counts", (*columnar.Group).Int64)
	event := root.List("events").String("name", 0)
	var b bytes.Buffer
	f, err := table.NewFile(&b, columnar.FileSettings{Rows: len(rows), Metadata: map[string]string{"penstock.tenant": tenant}})
	require.NoError(t, err)
	for _, r := range rows {
		at.Put(r.at.UnixMicro())
		who.Put([]byte(tenant))
		n.Put(r.n)
		if r.body == "" {
			body.Null()
		} else {
			body.Put([]byte(r.body))
		}
		value.Put(1.5)
		exact.Null()
		day.Put(20000)
		flag.Null()
		small.Null()
		key.MissingAt(0, 0)
		text.MissingAt(0, 0)
		counts.MissingAt(0, 0)
		event.MissingAt(0, 0)
		require.NoError(t, f.EndRow())
	}
	require.NoError(t, f.Close())
	return b.Bytes()
}

func read(t *testing.T, content []byte) iceberg.File {
	t.Helper()
	f := iceberg.File{Name: "f", Bytes: int64(len(content)), Hour: int32(hour.Unix() / 3600)}
	require.NoError(t, footer.Read(content, &f))
	return f
}

func long(n int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }

func TestWhatAFooterSays(t *testing.T) {
	f := read(t, file(t, "acme", row{hour, 5, "b"}, row{hour.Add(time.Hour - time.Microsecond), -7, ""}, row{hour, 0, "a text of more than sixteen letters"}))
	assert.EqualValues(t, 3, f.Rows)
	assert.Equal(t, "acme", f.Tenant)
	assert.True(t, f.OneHour)
	assert.Equal(t, []int64{4}, f.Offsets)
	kinds := map[string]iceberg.Type{}
	for _, c := range f.Columns {
		kinds[c.Name] = c.Type
	}
	text := iceberg.Type{Primitive: "string"}
	assert.Equal(t, map[string]iceberg.Type{
		"time": {Primitive: "timestamptz"}, "tenant_id": text, "n": {Primitive: "long"}, "body": text, "value": {Primitive: "double"}, "exact": {Primitive: "binary"},
		"event_date": {Primitive: "date"}, "flag": {Primitive: "boolean"}, "small": {Primitive: "int"},
		"attributes": {Map: &iceberg.Map{Key: text, Value: text}}, "counts": {List: &iceberg.List{Element: iceberg.Type{Primitive: "long"}}},
		"events": {List: &iceberg.List{Element: iceberg.Type{Struct: []iceberg.Field{{Name: "name", Type: text}}}}},
	}, kinds)
	stats := map[string]iceberg.Stats{}
	for _, s := range f.Stats {
		stats[s.Column] = s
	}
	assert.Equal(t, iceberg.Stats{Column: "n", Values: 3, Lower: long(-7), Upper: long(5)}, stats["n"])
	assert.Equal(t, iceberg.Stats{Column: "body", Values: 3, Nulls: 1, Lower: []byte("a text of more t"), Upper: []byte("b")}, stats["body"])
	assert.Equal(t, iceberg.Stats{Column: "small", Values: 3, Nulls: 3}, stats["small"])
	assert.Nil(t, stats["value"].Lower, "no bound knows NaNs")
	assert.NotContains(t, stats, "attributes")
}

// A partition of the table is a promise about every row: readers skip by it.
func TestOneHour(t *testing.T) {
	assert.False(t, read(t, file(t, "acme", row{hour, 1, ""}, row{hour.Add(time.Hour), 1, ""})).OneHour)
	assert.False(t, read(t, file(t, "acme", row{hour.Add(-time.Microsecond), 1, ""})).OneHour)
	assert.False(t, read(t, file(t, "", row{hour, 1, ""})).OneHour, "no tenant")
	assert.False(t, read(t, file(t, "acme")).OneHour, "no rows, no hour")
	var before iceberg.File
	content := file(t, "acme", row{time.Unix(-1, 0), 1, ""})
	before.Bytes, before.Hour = int64(len(content)), -1
	require.NoError(t, footer.Read(content, &before))
	assert.True(t, before.OneHour)
}

func TestMoreOfTheEndIsNeeded(t *testing.T) {
	content := file(t, "acme", row{hour, 1, ""})
	f := iceberg.File{Name: "f", Bytes: int64(len(content))}
	var small *footer.ErrSmall
	require.ErrorAs(t, footer.Read(content[len(content)-20:], &f), &small)
	require.NoError(t, footer.Read(content[int64(len(content))-small.Need:], &f))
	assert.EqualValues(t, 1, f.Rows)
}

// Whatever the bytes are, there is an error and no panic.
func FuzzRead(f *testing.F) {
	f.Add([]byte("PAR1PAR1"))
	f.Add([]byte("PAR1\x00\x00\x00\x00\x00\x00\x00\x00PAR1"))
	f.Add(append([]byte("PAR1 some bytes that are no footer at all"), 10, 0, 0, 0, 'P', 'A', 'R', '1'))
	f.Fuzz(func(t *testing.T, content []byte) {
		file := iceberg.File{Name: "f", Bytes: int64(len(content))}
		err := footer.Read(content, &file)
		var small *footer.ErrSmall
		if err != nil && !errors.As(err, &small) && !errors.Is(err, footer.ErrType) {
			assert.ErrorIs(t, err, footer.ErrDamaged)
		}
	})
}

// The writer leaves out a bound of more than 4096 bytes, and a reader of statistics gets the empty text in its place: as an upper bound it would hide all rows.
func TestATextThatIsTooLongForABound(t *testing.T) {
	long := strings.Repeat("z", 5000)
	for name, is := range map[string]struct {
		texts        []string
		lower, upper string // "-": none
	}{
		"greatest":        {[]string{"b", long}, "b", "-"},
		"least":           {[]string{strings.Repeat("a", 5000), "b"}, "", "b"},
		"both":            {[]string{strings.Repeat("a", 5000), long}, "-", "-"},
		"beside an empty": {[]string{"b", "c"}, "b", "c"},
	} {
		var rows []row
		for _, text := range is.texts {
			rows = append(rows, row{hour, 1, text})
		}
		f := read(t, file(t, "acme", rows...))
		i := slices.IndexFunc(f.Stats, func(s iceberg.Stats) bool { return s.Column == "body" })
		require.GreaterOrEqual(t, i, 0)
		bound := func(b []byte) string {
			if b == nil {
				return "-"
			}
			return string(b)
		}
		assert.Equal(t, is.lower, bound(f.Stats[i].Lower), name)
		assert.Equal(t, is.upper, bound(f.Stats[i].Upper), name)
		assert.EqualValues(t, 2, f.Stats[i].Values)
	}
}
