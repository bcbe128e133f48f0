package rows

import (
	"github.com/penstockhq/penstock/internal/columnar"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

type (
	stringColumn = columnar.Text
	intColumn    = columnar.Column[int64]
)

// entries are attributes turned into the texts of a map column.
type entries struct {
	keys, values []columnar.Bytes // a nil value is null
	types        []byte           // nil when all values are strings
}

// mapColumns are a map<string,string?> and the column that says how to read its texts.
type mapColumns struct {
	key, value *stringColumn
	types      *stringColumn
	empty      int16 // definition level of an empty map
	next       int16 // repetition level of its second entry
}

func newMapColumns(g *columnar.Group, name string) mapColumns {
	key, value := g.Map(name)
	return mapColumns{
		key: key, value: value, types: g.String(name+"_types", 0),
		empty: g.Def(), next: g.Rep() + 1,
	}
}

// put appends the map of one row or, nested, of one list element that begins with repetition level rep.
func (c *mapColumns) put(e *entries, rep int16, nested bool) {
	c.putTypes(e.types, rep, nested)
	if len(e.keys) == 0 {
		c.key.MissingAt(c.empty, rep)
		c.value.MissingAt(c.empty, rep)
		return
	}
	for i, k := range e.keys {
		c.key.PutAt(k, rep)
		if v := e.values[i]; v != nil {
			c.value.PutAt(v, rep)
		} else {
			c.value.NullAt(rep)
		}
		rep = c.next
	}
}

// putShared is put for the map of one row that many rows share.
func (c *mapColumns) putShared(e *entries) {
	putShared(c.types, e.types)
	if len(e.keys) == 0 {
		c.key.MissingAt(0, 0)
		c.value.MissingAt(0, 0)
		return
	}
	rep := int16(0)
	for i, k := range e.keys {
		c.key.PutSharedAt(k, rep)
		if v := e.values[i]; v != nil {
			c.value.PutSharedAt(v, rep)
		} else {
			c.value.NullAt(rep)
		}
		rep = 1
	}
}

func (c *mapColumns) putTypes(types []byte, rep int16, nested bool) {
	switch {
	case nested && types == nil:
		c.types.NullAt(rep)
	case nested:
		c.types.PutAt(types, rep)
	case types == nil:
		c.types.Null()
	default:
		c.types.Put(types)
	}
}

// missing says that the list around this map is empty in this row.
func (c *mapColumns) missing() {
	c.key.MissingAt(0, 0)
	c.value.MissingAt(0, 0)
	c.types.MissingAt(0, 0)
}

// collector turns attributes into entries.
type collector struct {
	arena
	exact []byte // what the current row adds to the column exact
	e     entries
	types []byte
	inex  []pcommon.Value
}

// forget lets go of texts of earlier rows: each can keep the request, or the fetch from the journal, whose memory it shares.
func (c *collector) forget() {
	clear(c.e.keys[:cap(c.e.keys)])
	clear(c.e.values[:cap(c.e.values)])
	clear(c.inex[:cap(c.inex)])
}

// collect renders m, without what promote takes. The result is valid until the next call; path names the map in the column exact.
// Keys come out unique and valid; where m's are not, the whole of m goes to exact.
func (c *collector) collect(path string, m pcommon.Map, promote func(string, pcommon.Value) bool) *entries {
	c.e.keys, c.e.values, c.e.types = c.e.keys[:0], c.e.values[:0], nil
	c.types, c.inex = c.types[:0], c.inex[:0]
	allStrings, whole := true, false
	var seen keySet
	for k, v := range m.All() {
		if promote != nil && promote(k, v) {
			continue
		}
		key, ok := valid(k)
		if !ok {
			whole = true
		}
		if seen.add(key) && c.has(key) {
			whole = true
			continue
		}
		text, letter := c.text(v)
		if letter != typeString {
			allStrings = false
		}
		if letter == typeExact {
			c.inex = append(c.inex, v)
		}
		c.e.keys = append(c.e.keys, bytesOf(key))
		c.e.values = append(c.e.values, text)
		c.types = append(c.types, letter)
	}
	switch {
	case whole:
		c.e.types = bytesOf(typesAll)
		c.override(path, func(b []byte) []byte {
			return appendSized(b, tagKvlistValue, func(b []byte) []byte { return appendMap(b, m) })
		})
	case !allStrings:
		mark := c.mark()
		c.b = append(c.b, c.types...)
		c.e.types = c.since(mark)
		if len(c.inex) > 0 {
			c.override(path, func(b []byte) []byte { return appendValues(b, c.inex) })
		}
	}
	return &c.e
}

// appendValues appends an AnyValue that is an array of values.
func appendValues(b []byte, values []pcommon.Value) []byte {
	return appendSized(b, tagArrayValue, func(b []byte) []byte {
		for _, v := range values {
			b = appendSized(b, tagListEntry, func(b []byte) []byte { return appendAny(b, v) })
		}
		return b
	})
}

func (c *collector) has(key string) bool {
	for _, k := range c.e.keys {
		if string(k) == key {
			return true
		}
	}
	return false
}

// override adds the exact value of a column to the row.
func (c *collector) override(path string, value func([]byte) []byte) {
	c.exact = appendKeyValue(c.exact, path, value)
}

// str returns s as valid UTF-8 for a string column, and keeps an invalid one in exact.
func (c *collector) str(path, s string) []byte {
	t, ok := valid(s)
	if !ok {
		c.override(path, func(b []byte) []byte { return appendString(b, tagStringValue, s) })
	}
	return bytesOf(t)
}

// clone copies entries out of the collector's buffers, for resources and scopes that many rows share.
func (e *entries) clone() entries {
	own := func(b []byte) []byte {
		if b == nil {
			return nil
		}
		return append(noBytes, b...)
	}
	c := entries{keys: make([]columnar.Bytes, len(e.keys)), values: make([]columnar.Bytes, len(e.values)), types: own(e.types)}
	for i := range e.keys {
		c.keys[i], c.values[i] = own(e.keys[i]), own(e.values[i])
	}
	return c
}

// keySet is a tiny filter that answers whether a key may have been seen: most maps have no two keys of equal length and ends.
type keySet [4]uint64

// add adds key and reports whether it may have been there.
func (s *keySet) add(key string) bool {
	h := uint(len(key)) * 7
	if len(key) > 0 {
		h += uint(key[0])*31 + uint(key[len(key)-1])*131 + uint(key[len(key)/2])*17
	}
	word, bit := h>>6&3, uint64(1)<<(h&63)
	was := s[word]&bit != 0
	s[word] |= bit
	return was
}
