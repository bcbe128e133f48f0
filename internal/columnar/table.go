// Package columnar turns rows into Parquet files, column by column.
//
// A Table is declared once: each leaf column is a typed buffer to which the caller appends values together with Parquet's definition and repetition
// levels (https://parquet.apache.org/docs/file-format/nestedencoding/). Values go to the Parquet encoders in chunks of ChunkRows rows, so there are
// neither Go structs per row nor Arrow records in between, and memory is bounded by one chunk plus one encoded row group.
//
// Besides the commands, this is the only package that imports the Parquet library.
package columnar

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// Flags of a leaf column; they choose its encoding.
type Flags uint8

const (
	// Required: never null, and without its own definition level.
	Required Flags = 1 << iota
	// Unique values: a dictionary would only cost time. Integers become DELTA_BINARY_PACKED, strings PLAIN. See also FileSettings.Repetition.
	Unique
	// NoStats omits the minimum and maximum, for values that no query compares. Nested columns never have them.
	NoStats
	// SameLength strings, ids, become DELTA_LENGTH_BYTE_ARRAY if they are Unique.
	SameLength
	// Bloom adds a bloom filter for equality searches, sized for the number of rows, or of distinct values if that is known.
	Bloom
	// BloomFew adds a filter for a thousand values, 2 KiB: with more values, it excludes fewer files.
	BloomFew
)

// leaf is the part of a column that a File needs, whatever its type.
type leaf interface {
	info() *leafInfo
	// flush is called at the end of a chunk: afterwards the column must not refer to its values any more.
	flush(w columnWriter) error
	// expect says, after the first chunk of a row group, how many times as much data will follow.
	expect(times float64)
	// finish is called at the end of a row group.
	finish(w columnWriter) error
	// buffered is the memory in bytes that flush left for finish.
	buffered() int
	reset()
	// putAbsent appends rows that have no value, or an empty list.
	putAbsent(rows int)
	// cursor copies a file's values of the column; srcDef is the definition level of a present value in the file.
	cursor(of *chunks, srcDef int16) cursor
}

type leafInfo struct {
	path   string
	flags  Flags
	phys   parquet.Type
	nested bool // below a list or map: repetition levels exist
}

// Table is a schema and the buffers of its columns. It serves one File at a time and is not safe for concurrent use.
type Table struct {
	root   Group
	leaves []leaf
	built  *schema.GroupNode
	memory *recycler
}

// Group is a nesting level at which columns are declared: the table's root, or the element of a list.
type Group struct {
	t        *Table
	path     []string
	def, rep int16
	nodes    []func() schema.Node
}

// NewTable returns an empty table. Declare all columns through Root before the first File.
func NewTable() *Table {
	t := &Table{memory: newRecycler()}
	t.root.t = t
	return t
}

// Bytes is a value of a string or binary column.
type Bytes = parquet.ByteArray

// Root is the top level of the table.
func (t *Table) Root() *Group { return &t.root }

// Def is the definition level of a present element of this group; 0 at the root.
func (g *Group) Def() int16 { return g.def }

// Rep is the repetition level of a second and later element of this group within its list; 0 at the root.
func (g *Group) Rep() int16 { return g.rep }

// String declares a UTF-8 column. Its values must be valid UTF-8, because readers reject a whole file with an invalid one.
func (g *Group) String(name string, flags Flags) *Text {
	return declareText(g, name, flags, schema.StringLogicalType{})
}

// Binary declares a binary column.
func (g *Group) Binary(name string, flags Flags) *Text {
	return declareText(g, name, flags, schema.NoLogicalType{})
}

// Int64 declares a 64-bit integer column.
func (g *Group) Int64(name string, flags Flags) *Column[int64] {
	return declare[int64](g, name, flags, parquet.Types.Int64, schema.NoLogicalType{})
}

// Timestamp declares a column of microseconds since 1970 in UTC.
func (g *Group) Timestamp(name string, flags Flags) *Column[int64] {
	return declare[int64](g, name, flags, parquet.Types.Int64, schema.NewTimestampLogicalType(true, schema.TimeUnitMicros))
}

// Int32 declares a 32-bit integer column.
func (g *Group) Int32(name string, flags Flags) *Column[int32] {
	return declare[int32](g, name, flags, parquet.Types.Int32, schema.NoLogicalType{})
}

// Date declares a column of days since 1970.
func (g *Group) Date(name string, flags Flags) *Column[int32] {
	return declare[int32](g, name, flags, parquet.Types.Int32, schema.DateLogicalType{})
}

// Float64 declares a double column. It never has a dictionary, which would make all NaNs equal and lose their bits.
func (g *Group) Float64(name string, flags Flags) *Column[float64] {
	return declare[float64](g, name, flags|Unique, parquet.Types.Double, schema.NoLogicalType{})
}

// Bool declares a boolean column.
func (g *Group) Bool(name string, flags Flags) *Column[bool] {
	return declare[bool](g, name, flags, parquet.Types.Boolean, schema.NoLogicalType{})
}

// List declares a required list of required groups. The columns of the element are declared on the Group returned.
func (g *Group) List(name string) *Group {
	e := &Group{t: g.t, path: g.child(name, "list", "element"), def: g.def + 1, rep: g.rep + 1}
	g.nodes = append(g.nodes, func() schema.Node {
		element := schema.MustGroup(schema.NewGroupNode("element", parquet.Repetitions.Required, e.fields(), -1))
		return schema.MustGroup(schema.ListOfWithName(name, element, parquet.Repetitions.Required, -1))
	})
	return e
}

// ListOf declares a required list of required values of one type; declare names the type: g.ListOf("x", (*Group).Int64).
func ListOf[T any](g *Group, name string, declare func(*Group, string, Flags) *Column[T]) *Column[T] {
	e := &Group{t: g.t, path: g.child(name, "list"), def: g.def + 1, rep: g.rep + 1}
	c := declare(e, "element", Required|Unique)
	g.nodes = append(g.nodes, func() schema.Node {
		return schema.MustGroup(schema.ListOfWithName(name, e.fields()[0], parquet.Repetitions.Required, -1))
	})
	return c
}

// Map declares a required map from string to optional string.
func (g *Group) Map(name string) (key, value *Text) {
	kv := &Group{t: g.t, path: g.child(name, "key_value"), def: g.def + 1, rep: g.rep + 1}
	key, value = kv.String("key", Required), kv.String("value", 0)
	g.nodes = append(g.nodes, func() schema.Node {
		f := kv.fields()
		return schema.MustGroup(schema.MapOf(name, f[0], f[1], parquet.Repetitions.Required, -1))
	})
	return key, value
}

func (g *Group) child(names ...string) []string {
	return append(append([]string(nil), g.path...), names...)
}

func (g *Group) fields() schema.FieldList {
	f := make(schema.FieldList, len(g.nodes))
	for i, node := range g.nodes {
		f[i] = node()
	}
	return f
}

func declare[T any](g *Group, name string, flags Flags, phys parquet.Type, logical schema.LogicalType) *Column[T] {
	c := &Column[T]{leafInfo: g.leaf(name, flags, phys, logical), maxDef: g.maxDef(flags)}
	g.t.leaves = append(g.t.leaves, c)
	return c
}

func declareText(g *Group, name string, flags Flags, logical schema.LogicalType) *Text {
	t := &Text{
		leafInfo: g.leaf(name, flags, parquet.Types.ByteArray, logical),
		maxDef:   g.maxDef(flags), slotDef: g.def,
	}
	g.t.leaves = append(g.t.leaves, t)
	return t
}

// maxDef is the definition level of a present value of a column in this group.
func (g *Group) maxDef(flags Flags) int16 {
	if flags&Required != 0 {
		return g.def
	}
	return g.def + 1
}

// leaf adds a primitive column to the schema.
func (g *Group) leaf(name string, flags Flags, phys parquet.Type, logical schema.LogicalType) leafInfo {
	repetition := parquet.Repetitions.Optional
	if flags&Required != 0 {
		repetition = parquet.Repetitions.Required
	}
	g.nodes = append(g.nodes, func() schema.Node {
		return schema.MustPrimitive(schema.NewPrimitiveNodeLogical(name, repetition, logical, phys, -1, -1))
	})
	return leafInfo{path: strings.Join(g.child(name), "."), flags: flags, phys: phys, nested: g.rep > 0}
}

func (t *Table) schema() *schema.GroupNode {
	if t.built == nil {
		t.built = schema.MustGroup(schema.NewGroupNode("penstock", parquet.Repetitions.Required, t.root.fields(), -1))
	}
	return t.built
}

// leafIndex returns the position of a leaf column among all leaves.
func (t *Table) leafIndex(path string) int {
	for i, l := range t.leaves {
		if l.info().path == path {
			return i
		}
	}
	panic(fmt.Sprintf("columnar: no column %q", path))
}

// Describe lists the top-level columns with their types, one "name type" each, in file order: the content of schema.md.
func (t *Table) Describe() []string {
	sc := t.schema()
	out := make([]string, sc.NumFields())
	for i := range out {
		out[i] = sc.Field(i).Name() + " " + describe(sc.Field(i))
	}
	return out
}

func describe(n schema.Node) string {
	suffix := ""
	if n.RepetitionType() == parquet.Repetitions.Optional {
		suffix = "?"
	}
	g, nested := n.(*schema.GroupNode)
	switch {
	case !nested:
		return primitive(n.(*schema.PrimitiveNode)) + suffix
	case n.LogicalType().Equals(schema.MapLogicalType{}):
		kv := g.Field(0).(*schema.GroupNode)
		return "map<" + describe(kv.Field(0)) + "," + describe(kv.Field(1)) + ">"
	case n.LogicalType().Equals(schema.NewListLogicalType()):
		return "list<" + describe(g.Field(0).(*schema.GroupNode).Field(0)) + ">"
	}
	parts := make([]string, g.NumFields())
	for i := range parts {
		parts[i] = g.Field(i).Name() + " " + describe(g.Field(i))
	}
	return "struct<" + strings.Join(parts, ", ") + ">"
}

func primitive(p *schema.PrimitiveNode) string {
	switch {
	case p.LogicalType().Equals(schema.StringLogicalType{}):
		return "string"
	case p.LogicalType().Equals(schema.NewTimestampLogicalType(true, schema.TimeUnitMicros)):
		return "timestamp(us,UTC)"
	case p.LogicalType().Equals(schema.DateLogicalType{}):
		return "date"
	case p.PhysicalType() == parquet.Types.ByteArray:
		return "binary"
	}
	return strings.ToLower(p.PhysicalType().String())
}
