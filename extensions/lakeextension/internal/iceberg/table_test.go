package iceberg_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/iceberg"
)

func TestFilesComeAndGo(t *testing.T) {
	store, w := newMemory(), newWorld()
	table := w.open(store)
	a, b, c, undated := file("a", someHour, 100), file("b", someHour, 200), file("c", someHour+1, 300), file("u", 0, 50)

	v, result := commit(t, table, iceberg.Change{Add: []iceberg.File{a, b, undated}, Summary: map[string]string{"penstock.range": "x"}})
	assert.Equal(t, 3, result.Added)
	assert.Equal(t, map[string]int64{a.Name: 100, b.Name: 200, undated.Name: 50}, list(t, table))
	s := v.Metadata().Snapshot()
	assert.Equal(t, "append", s.Summary["operation"])
	assert.Equal(t, "30", s.Summary["total-records"])
	assert.Equal(t, "350", s.Summary["total-files-size"])
	assert.Equal(t, "x", s.Summary["penstock.range"])

	again, result := commit(t, w.open(store), iceberg.Change{Add: []iceberg.File{a, b, undated}, Remove: []iceberg.Removal{removal(c)}})
	assert.Equal(t, v.N, again.N, "nothing to do, no version")
	assert.Zero(t, result)

	v, _ = commit(t, table, iceberg.Change{Add: []iceberg.File{c}, Remove: []iceberg.Removal{removal(a), removal(b)}, Replace: true})
	assert.Equal(t, "replace", v.Metadata().Snapshot().Summary["operation"])
	assert.Equal(t, "2", v.Metadata().Snapshot().Summary["deleted-data-files"])
	assert.Equal(t, "350", v.Metadata().Snapshot().Summary["total-files-size"])
	assert.Equal(t, map[string]int64{c.Name: 300, undated.Name: 50}, list(t, w.open(store)))

	v, _ = commit(t, table, iceberg.Change{Remove: []iceberg.Removal{removal(c), removal(undated)}})
	assert.Equal(t, "delete", v.Metadata().Snapshot().Summary["operation"])
	assert.Equal(t, "0", v.Metadata().Snapshot().Summary["total-records"])
	assert.Empty(t, list(t, w.open(store)))
}

// A second delivery of a range writes the file again. Readers find the end of a file by the size that the table says.
func TestAFileOfAnotherSizeTakesThePlaceOfTheOld(t *testing.T) {
	store, w := newMemory(), newWorld()
	table := w.open(store)
	commit(t, table, iceberg.Change{Add: []iceberg.File{file("a", someHour, 100), file("b", someHour, 200)}})
	v, result := commit(t, table, iceberg.Change{Add: []iceberg.File{file("a", someHour, 101)}})
	assert.Equal(t, 1, result.Added)
	assert.Equal(t, 1, result.Removed)
	assert.Equal(t, "20", v.Metadata().Snapshot().Summary["total-records"])
	assert.Equal(t, map[string]int64{file("a", someHour, 0).Name: 101, file("b", someHour, 0).Name: 200}, list(t, w.open(store)))
}

func TestColumnsComeAndStay(t *testing.T) {
	store, w := newMemory(), newWorld()
	table := w.open(store)
	first, _ := commit(t, table, iceberg.Change{Add: []iceberg.File{file("a", someHour, 1)}})
	before := first.Metadata().Schema()
	v, _ := commit(t, table, iceberg.Change{Add: []iceberg.File{file("b", someHour, 1, "http_route string")}})
	after := v.Metadata().Schema()
	assert.NotEqual(t, before.ID, after.ID)
	assert.Equal(t, before.Fields, after.Fields[:len(before.Fields)], "columns keep id and place")
	last := after.Fields[len(after.Fields)-1]
	assert.Equal(t, "http_route", last.Name)
	assert.Equal(t, v.Metadata().LastColumnID, last.ID)
	assert.Contains(t, v.Metadata().Properties["schema.name-mapping.default"], `{"field-id":4,"names":["http_route"]}`)
	assert.Len(t, v.Metadata().Schemas, 2, "a snapshot has the first one")

	v, _ = commit(t, table, iceberg.Change{Add: []iceberg.File{file("c", someHour, 1)}})
	assert.Equal(t, after, v.Metadata().Schema(), "a file without the column takes nothing away")

	v, result := commit(t, table, iceberg.Change{Add: []iceberg.File{file("d", someHour, 1, "http_route long"), file("e", someHour, 1)}})
	assert.Equal(t, 1, result.Added, "the others of the commit live")
	assert.ErrorIs(t, result.Refused[file("d", someHour, 1).Name], iceberg.ErrSchema)
	assert.Equal(t, after, v.Metadata().Schema())
}

func TestNestedColumns(t *testing.T) {
	file := []iceberg.Field{
		{Name: "attributes", Type: iceberg.Type{Map: &iceberg.Map{Key: iceberg.Type{Primitive: "string"}, Value: iceberg.Type{Primitive: "string"}}}},
		{Name: "events", Type: iceberg.Type{List: &iceberg.List{Element: iceberg.Type{Struct: []iceberg.Field{{Name: "name", Type: iceberg.Type{Primitive: "string"}}}}}}},
	}
	union, last, changed, err := iceberg.Union(nil, file, 10)
	require.NoError(t, err)
	assert.True(t, changed)
	assert.Equal(t, 16, last)
	text, err := json.Marshal(union)
	require.NoError(t, err)
	assert.JSONEq(t, `[{"id":11,"name":"attributes","required":false,"type":{"type":"map","key-id":12,"key":"string","value-id":13,"value-required":false,"value":"string"}},
		{"id":14,"name":"events","required":false,"type":{"type":"list","element-id":15,"element-required":false,"element":{"type":"struct","fields":[{"id":16,"name":"name","required":false,"type":"string"}]}}}]`, string(text))
	assert.JSONEq(t, `[{"field-id":11,"names":["attributes"],"fields":[{"field-id":12,"names":["key"]},{"field-id":13,"names":["value"]}]},
		{"field-id":14,"names":["events"],"fields":[{"field-id":15,"names":["element"],"fields":[{"field-id":16,"names":["name"]}]}]}]`, iceberg.NameMapping(union))
	var back []iceberg.Field
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, union, back)

	file[1].Type.List.Element.Struct = append(file[1].Type.List.Element.Struct, iceberg.Field{Name: "time", Type: iceberg.Type{Primitive: "timestamptz"}})
	grown, last, changed, err := iceberg.Union(union, file, last)
	require.NoError(t, err)
	assert.True(t, changed)
	assert.Equal(t, 17, last)
	assert.Equal(t, 17, grown[1].Type.List.Element.Struct[1].ID)
	assert.Len(t, union[1].Type.List.Element.Struct, 1, "the older schema is what it was")

	file[0].Type = iceberg.Type{Primitive: "string"}
	_, _, _, err = iceberg.Union(union, file, last)
	assert.ErrorIs(t, err, iceberg.ErrSchema)
	assert.ErrorContains(t, err, "column attributes")
}

// Metadata stays small whatever the number of commits: five hours of commits a minute.
func TestMetadataIsBounded(t *testing.T) {
	store, w := newMemory(), newWorld()
	table := w.open(store)
	const commits = 300
	for i := range commits {
		w.now = w.now.Add(time.Minute)
		add := []iceberg.File{file(fmt.Sprint(i), someHour+int32(i/60), 100)}
		if i%3 == 0 {
			add = append(add, file(fmt.Sprint("undated", i), 0, 10))
		}
		commit(t, table, iceberg.Change{Add: add})
	}
	assert.Len(t, list(t, w.open(store)), commits+commits/3)
	v, err := w.open(store).Load(t.Context())
	require.NoError(t, err)
	assert.LessOrEqual(t, len(v.Metadata().Snapshots), 62, "an hour of snapshots")
	assert.Len(t, v.Metadata().Snapshots, len(v.Metadata().SnapshotLog))
	assert.LessOrEqual(t, len(v.Content), 100_000)
	names := store.names("_iceberg/logs")
	assert.LessOrEqual(t, len(names), 300, "metadata files, an hour's lists and the manifests of those")
	manifests := 0
	for _, n := range names {
		if strings.Contains(n, "-m") {
			manifests++
		}
	}
	assert.LessOrEqual(t, manifests, 180)
}

// A lake whose files were moved elsewhere gets a table of the new place.
func TestAMovedLakeGetsANewTable(t *testing.T) {
	store, w := newMemory(), newWorld()
	old, _ := commit(t, w.open(store), iceberg.Change{Add: []iceberg.File{file("a", someHour, 1), file("b", someHour, 1)}})
	moved := iceberg.Open(iceberg.Settings{Store: store, Name: "logs", URI: "file:///elsewhere", Keep: time.Hour, Now: func() time.Time { return w.now }, UUID: func() string { return fmt.Sprint(w.uuid.Add(1)) }})
	v, err := moved.Load(t.Context())
	require.NoError(t, err)
	assert.Nil(t, v.Metadata().Snapshot())
	v, _ = commit(t, moved, iceberg.Change{Add: []iceberg.File{file("a", someHour, 1)}})
	assert.Equal(t, old.N+1, v.N)
	assert.Len(t, list(t, moved), 1)
	assert.Equal(t, "file:///elsewhere/_iceberg/logs", v.Metadata().Location)
	assert.Len(t, store.names("_iceberg/logs"), 4, "metadata of now and before, a list, a manifest")
}

func TestBoundsOfTexts(t *testing.T) {
	for _, c := range []struct{ least, greatest, lower, upper string }{
		{"a", "z", "a", "z"},
		{"", "", "", ""},
		{"0123456789abcdefg", "0123456789abcdefg", "0123456789abcdef", "0123456789abcdeg"},
		{"ä", "ääääääääääääääääx", "ä", "äääääääääääääääå"},
		{"a", "0123456789abcde\U0010FFFFx", "a", "0123456789abcdf"},
		{"a", strings.Repeat("\uD7FF", 17), "a", strings.Repeat("\uD7FF", 15) + "\uE000"},
	} {
		lower, upper := iceberg.TextBounds([]byte(c.least), []byte(c.greatest))
		assert.Equal(t, c.lower, string(lower))
		assert.Equal(t, c.upper, string(upper))
	}
	_, upper := iceberg.TextBounds([]byte("a"), []byte(strings.Repeat("\U0010FFFF", 17)))
	assert.Nil(t, upper, "nothing short is greater")
}
