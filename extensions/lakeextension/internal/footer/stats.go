package footer

import (
	"bytes"
	"encoding/binary"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/iceberg"
)

// stats are those of the columns of the top level that have them in every row group.
func stats(m *metadata.FileMetaData) (all []iceberg.Stats, err error) {
	for i := range m.Schema.NumColumns() {
		column := m.Schema.Column(i)
		if len(column.ColumnPath()) != 1 {
			continue
		}
		b, err := boundsOf(m, i)
		if err != nil {
			return nil, err
		}
		if !b.counted {
			continue
		}
		s := iceberg.Stats{Column: column.Name(), Values: m.GetNumRows(), Nulls: b.nulls}
		if b.known && b.low != nil {
			s.Lower, s.Upper = b.low, b.high
			if column.LogicalType().Equals(schema.StringLogicalType{}) {
				s.Lower, s.Upper = iceberg.TextBounds(b.low, b.high)
			}
			if b.open {
				s.Upper = nil
			}
		}
		all = append(all, s)
	}
	return all, nil
}

type bounds struct {
	nulls     int64
	counted   bool // nulls is known
	known     bool // low and high are; nil: all values are null
	open      bool // but not high
	low, high []byte
}

func boundsOf(m *metadata.FileMetaData, column int) (b bounds, err error) {
	p := m.Schema.Column(column)
	b.counted, b.known = true, true
	for i := range m.NumRowGroups() {
		chunk, err := m.RowGroup(i).ColumnChunk(column)
		if err != nil {
			return b, err
		}
		set, err := chunk.StatsSet()
		if err != nil {
			return b, err
		}
		if !set {
			return bounds{}, nil
		}
		s, err := chunk.Statistics()
		if err != nil {
			return b, err
		}
		switch {
		case p.MaxDefinitionLevel() == 0:
		case s.HasNullCount():
			b.nulls += s.NullCount()
		default:
			return bounds{}, nil
		}
		if p.MaxDefinitionLevel() > 0 && s.NullCount() == m.RowGroup(i).NumRows() {
			continue // nothing but nulls has no bounds
		}
		b.widen(s, p)
	}
	return b, nil
}

// widen takes the bounds of a row group into account.
func (b *bounds) widen(s metadata.TypedStatistics, p *schema.Column) {
	less := lessOf(p)
	if less == nil || !s.HasMinMax() {
		b.known = false
		return
	}
	low, high := s.EncodeMin(), s.EncodeMax()
	// A writer leaves out a long text, and the library answers with the empty one then, which is a lower bound of all, and no upper one.
	b.open = b.open || len(high) == 0
	if b.low == nil || less(low, b.low) {
		b.low = bytes.Clone(low)
	}
	if b.high == nil || less(b.high, high) {
		b.high = bytes.Clone(high)
	}
}

// lessOf compares values of a column in their plain encoding, which is also the table's; nil where it has no bounds: doubles, whose NaNs no bound knows, and bytes.
func lessOf(p *schema.Column) func(a, b []byte) bool {
	switch p.PhysicalType() {
	case parquet.Types.Int32:
		return func(a, b []byte) bool {
			return int32(binary.LittleEndian.Uint32(a)) < int32(binary.LittleEndian.Uint32(b))
		}
	case parquet.Types.Int64:
		return func(a, b []byte) bool {
			return int64(binary.LittleEndian.Uint64(a)) < int64(binary.LittleEndian.Uint64(b))
		}
	case parquet.Types.ByteArray:
		if p.LogicalType().Equals(schema.StringLogicalType{}) {
			return func(a, b []byte) bool { return bytes.Compare(a, b) < 0 }
		}
	}
	return nil
}
