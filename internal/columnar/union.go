package columnar

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// unionOf returns a table with all columns of the sources: first those of the source with the most columns, in its order. A column that a source
// lacks is optional. The encodings are those of the sources. Columns with one name and different types are an error.
func unionOf(sources []*Source) (*Table, error) {
	most := slices.MaxFunc(sources, func(a, b *Source) int { return a.meta.Schema.NumColumns() - b.meta.Schema.NumColumns() })
	type field struct {
		node     schema.Node
		in       int
		optional bool
	}
	var order []string
	fields := map[string]*field{}
	for _, s := range append([]*Source{most}, slices.DeleteFunc(slices.Clone(sources), func(s *Source) bool { return s == most })...) {
		for _, node := range s.fields() {
			f := fields[node.Name()]
			if f == nil {
				order = append(order, node.Name())
				f = &field{node: node}
				fields[node.Name()] = f
			}
			if mine, theirs := shapeOf(f.node), shapeOf(node); mine != theirs {
				return nil, fmt.Errorf("column %s is %s in one file and %s in another", node.Name(), mine, theirs)
			}
			f.in++
			f.optional = f.optional || node.RepetitionType() == parquet.Repetitions.Optional
		}
	}
	t := NewTable()
	list := make(schema.FieldList, len(order))
	for i, name := range order {
		f := fields[name]
		_, primitive := f.node.(*schema.PrimitiveNode)
		list[i] = copyNode(f.node, primitive && (f.optional || f.in < len(sources)))
	}
	t.built = schema.MustGroup(schema.NewGroupNode("penstock", parquet.Repetitions.Required, list, -1))
	columns := schema.NewSchema(t.built)
	for i := range columns.NumColumns() {
		l, err := newLeaf(columns.Column(i), flagsOf(columns.Column(i), sources))
		if err != nil {
			return nil, err
		}
		t.leaves = append(t.leaves, l)
	}
	return t, nil
}

// shapeOf describes a column, except whether it can be null.
func shapeOf(n schema.Node) string {
	text := describe(n)
	if _, primitive := n.(*schema.PrimitiveNode); primitive && n.RepetitionType() == parquet.Repetitions.Optional {
		return text[:len(text)-1]
	}
	return text
}

// copyNode returns a node that belongs to no schema yet.
func copyNode(n schema.Node, optional bool) schema.Node {
	repetition := n.RepetitionType()
	if optional {
		repetition = parquet.Repetitions.Optional
	}
	g, nested := n.(*schema.GroupNode)
	if !nested {
		p := n.(*schema.PrimitiveNode)
		return schema.MustPrimitive(schema.NewPrimitiveNodeLogical(p.Name(), repetition, p.LogicalType(), p.PhysicalType(), p.TypeLength(), p.FieldID()))
	}
	fields := make(schema.FieldList, g.NumFields())
	for i := range fields {
		fields[i] = copyNode(g.Field(i), false)
	}
	if g.LogicalType().Equals(schema.NoLogicalType{}) {
		return schema.MustGroup(schema.NewGroupNode(g.Name(), repetition, fields, g.FieldID()))
	}
	return schema.MustGroup(schema.NewGroupNodeLogical(g.Name(), repetition, fields, g.LogicalType(), g.FieldID()))
}

// newLeaf creates the buffers of a column.
func newLeaf(c *schema.Column, flags Flags) (leaf, error) {
	if c.MaxDefinitionLevel() == 0 {
		flags |= Required
	}
	info := leafInfo{path: c.Path(), flags: flags, phys: c.PhysicalType(), nested: c.MaxRepetitionLevel() > 0}
	maxDef := c.MaxDefinitionLevel()
	switch c.PhysicalType() {
	case parquet.Types.Int64:
		return &Column[int64]{leafInfo: info, maxDef: maxDef}, nil
	case parquet.Types.Int32:
		return &Column[int32]{leafInfo: info, maxDef: maxDef}, nil
	case parquet.Types.Double:
		info.flags |= Unique // see Float64
		return &Column[float64]{leafInfo: info, maxDef: maxDef}, nil
	case parquet.Types.Boolean:
		return &Column[bool]{leafInfo: info, maxDef: maxDef}, nil
	case parquet.Types.ByteArray:
		slot := maxDef
		if c.SchemaNode().RepetitionType() == parquet.Repetitions.Optional {
			slot--
		}
		return &Text{leafInfo: info, maxDef: maxDef, slotDef: slot}, nil
	}
	return nil, fmt.Errorf("column %s: a %s can't be merged", c.Path(), c.PhysicalType())
}

// flagsOf derives from the files how a column is written: as in most of them.
func flagsOf(c *schema.Column, sources []*Source) (flags Flags) {
	plain, delta, bare, bloom, few, groups := 0, 0, 0, 0, 0, 0
	for _, s := range sources {
		at := s.leafIndex(c.Path())
		if at < 0 || s.meta.NumRowGroups() == 0 {
			continue
		}
		chunk, err := s.meta.RowGroup(0).ColumnChunk(at)
		if err != nil {
			continue
		}
		groups++
		if !chunk.HasDictionaryPage() {
			plain++
		}
		if slices.Contains(chunk.Encodings(), parquet.Encodings.DeltaLengthByteArray) {
			delta++
		}
		if set, err := chunk.StatsSet(); err != nil || !set {
			bare++
		}
		if n := bitsOfBloom(chunk); n > 0 {
			bloom++
			if n == fewBits {
				few++
			}
		}
	}
	if 2*plain > groups {
		flags |= Unique
	}
	if delta > 0 {
		flags |= SameLength
	}
	if bare == groups {
		flags |= NoStats
	}
	switch {
	case bloom == 0:
	case bloom == few && flags&(Unique|SameLength) == 0:
		flags |= BloomFew
	default:
		flags |= Bloom
	}
	return flags
}

const (
	// fewBits is the size of a BloomFew filter, and bitsAValue the minimum number of bits per value, for the library's rate of one false answer in
	// a hundred.
	fewBits    = 16384
	bitsAValue = 9.68
	// headBytes is more than the header before the bits of a filter.
	headBytes = 64
)

// bitsOfBloom is the size of a column chunk's bloom filter; 0: it has none.
func bitsOfBloom(chunk *metadata.ColumnChunkMetaData) int {
	n := int(chunk.BloomFilterLength())
	if n <= headBytes {
		return 0
	}
	return 1 << (bits.Len(uint(8*n)) - 1)
}

// repetitionOf returns the sizes of the bloom filters: as many values as the filters of the sources had capacity for, and no more than rows.
func (t *Table) repetitionOf(sources []*Source) map[string]Repetition {
	all := map[string]Repetition{}
	for _, l := range t.leaves {
		if l.info().flags&Bloom == 0 {
			continue
		}
		room := 0.0
		for _, s := range sources {
			at := s.leafIndex(l.info().path)
			for i := 0; at >= 0 && i < s.meta.NumRowGroups(); i++ {
				if chunk, err := s.meta.RowGroup(i).ColumnChunk(at); err == nil {
					room += float64(bitsOfBloom(chunk)) / bitsAValue
				}
			}
		}
		all[l.info().path] = Repetition{Distinct: int(room)}
	}
	return all
}
