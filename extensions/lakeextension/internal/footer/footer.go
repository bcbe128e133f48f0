// Package footer reads from the end of a Parquet file what a table needs to know about the file.
package footer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/iceberg"
)

const (
	// Tail is how much of a file is read at first. Most footers are smaller.
	Tail = 64 << 10
	// maxFooter bounds a footer: one that claims more is damaged.
	maxFooter = 64 << 20
	trailer   = 8 // its length and the magic number
	// tenantKey is where the footer has the tenant: a directory's name can be cut.
	tenantKey    = "penstock.tenant"
	tenantColumn = "tenant_id"
	timeColumn   = "time"
	hourMicros   = 3600 * 1_000_000
)

// ErrDamaged says that a file is no Parquet file.
var ErrDamaged = errors.New("not a Parquet file")

// ErrSmall says that more of the end of the file is needed.
type ErrSmall struct{ Need int64 }

func (e *ErrSmall) Error() string { return fmt.Sprintf("the footer needs %d bytes", e.Need) }

// Read fills in f what the last bytes of its file say. f has the name, the size, and the hour of the directory. An *ErrSmall asks for more bytes.
func Read(tail []byte, f *iceberg.File) error {
	if f.Bytes < 2*trailer || len(tail) < trailer || !bytes.Equal(tail[len(tail)-4:], []byte("PAR1")) {
		return fmt.Errorf("%w: %s has %d bytes and no magic number at its end", ErrDamaged, f.Name, f.Bytes)
	}
	n := int64(binary.LittleEndian.Uint32(tail[len(tail)-trailer:]))
	switch {
	case n > maxFooter || n+trailer > f.Bytes:
		return fmt.Errorf("%w: %s claims a footer of %d bytes", ErrDamaged, f.Name, n)
	case n+trailer > int64(len(tail)):
		return &ErrSmall{n + trailer}
	}
	m, err := metadata.NewFileMetaData(tail[int64(len(tail))-trailer-n:len(tail)-trailer], nil)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, f.Name, err)
	}
	f.Rows = m.GetNumRows()
	if f.Columns, err = columns(m.Schema.Root()); err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	if t := m.KeyValueMetadata().FindValue(tenantKey); t != nil {
		f.Tenant = *t
	}
	for i := range m.NumRowGroups() {
		if f.Offsets, err = appendOffset(f.Offsets, m.RowGroup(i)); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	if f.Stats, err = stats(m); err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	f.OneHour = f.Tenant != "" && withinHour(f)
	return nil
}

// withinHour says whether all rows lie in the hour of the file's directory and belong to its tenant, as far as statistics tell.
func withinHour(f *iceberg.File) bool {
	var hour, tenant bool
	for _, s := range f.Stats {
		switch {
		case s.Column == timeColumn && s.Nulls == 0 && len(s.Lower) == 8 && len(s.Upper) == 8:
			low, high := int64(binary.LittleEndian.Uint64(s.Lower)), int64(binary.LittleEndian.Uint64(s.Upper))
			hour = floorHour(low) == int64(f.Hour) && floorHour(high) == int64(f.Hour)
		case s.Column == tenantColumn:
			lower, upper := iceberg.TextBounds([]byte(f.Tenant), []byte(f.Tenant))
			if s.Nulls != 0 || !bytes.Equal(s.Lower, lower) || !bytes.Equal(s.Upper, upper) {
				return false
			}
			tenant = true
		}
	}
	// Files of schema version 1 have no tenant_id: readers take it from the partition.
	return hour && (tenant || !slices.ContainsFunc(f.Columns, func(c iceberg.Field) bool { return c.Name == tenantColumn }))
}

func floorHour(micros int64) int64 {
	h := micros / hourMicros
	if micros%hourMicros < 0 {
		h--
	}
	return h
}

func appendOffset(all []int64, g *metadata.RowGroupMetaData) ([]int64, error) {
	if g.NumColumns() == 0 {
		return all, nil
	}
	c, err := g.ColumnChunk(0)
	if err != nil {
		return nil, err
	}
	offset := c.DataPageOffset()
	if c.HasDictionaryPage() && c.DictionaryPageOffset() > 0 {
		offset = min(offset, c.DictionaryPageOffset())
	}
	return append(all, offset), nil
}

// columns are those below a group, without ids.
func columns(g *schema.GroupNode) (all []iceberg.Field, err error) {
	for i := range g.NumFields() {
		t, err := typeOf(g.Field(i))
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", g.Field(i).Path(), err)
		}
		all = append(all, iceberg.Field{Name: g.Field(i).Name(), Type: t})
	}
	return all, nil
}

// ErrType says that a file has a column that is none of the lake's.
var ErrType = errors.New("a type that the lake does not write")

func typeOf(n schema.Node) (t iceberg.Type, err error) {
	g, nested := n.(*schema.GroupNode)
	switch {
	case !nested:
		t.Primitive, err = primitive(n.(*schema.PrimitiveNode))
	case n.LogicalType().Equals(schema.MapLogicalType{}):
		pair, ok := g.Field(0).(*schema.GroupNode)
		if !ok || pair.NumFields() != 2 {
			return t, ErrType
		}
		m := &iceberg.Map{}
		key, err := typeOf(pair.Field(0))
		if err != nil {
			return t, err
		}
		m.Key = key
		m.Value, err = typeOf(pair.Field(1))
		return iceberg.Type{Map: m}, err
	case n.LogicalType().Equals(schema.NewListLogicalType()):
		repeated, ok := g.Field(0).(*schema.GroupNode)
		if !ok || repeated.NumFields() != 1 {
			return t, ErrType
		}
		element, err := typeOf(repeated.Field(0))
		return iceberg.Type{List: &iceberg.List{Element: element}}, err
	default:
		t.Struct, err = columns(g)
	}
	return t, err
}

func primitive(p *schema.PrimitiveNode) (string, error) {
	l := p.LogicalType()
	switch {
	case l.Equals(schema.StringLogicalType{}):
		return "string", nil
	case l.Equals(schema.NewTimestampLogicalType(true, schema.TimeUnitMicros)):
		return "timestamptz", nil
	case l.Equals(schema.DateLogicalType{}):
		return "date", nil
	case !l.IsNone() && p.ConvertedType() != schema.ConvertedTypes.None:
		return "", fmt.Errorf("%w: %s", ErrType, l)
	}
	switch p.PhysicalType() {
	case parquet.Types.Boolean:
		return "boolean", nil
	case parquet.Types.Int32:
		return "int", nil
	case parquet.Types.Int64:
		return "long", nil
	case parquet.Types.Double:
		return "double", nil
	case parquet.Types.ByteArray:
		return "binary", nil
	}
	return "", fmt.Errorf("%w: %s", ErrType, p.PhysicalType())
}
