package columnar

import (
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

const (
	// pageBytes is the size at which writers end a page; one value may be longer.
	pageBytes = 1 << 20
	// streamBytes is how much is read ahead for each column.
	streamBytes = 16 << 10
	// batchLevels is how many levels of a column are decoded at once.
	batchLevels = ChunkRows
)

// Source is a Parquet file to merge. It is read once, from its first row to its last.
type Source struct {
	r    *file.Reader
	meta *metadata.FileMetaData
}

// OpenSource reads the footer of a file.
func OpenSource(r io.ReaderAt, size int64) (s *Source, err error) {
	defer func() {
		if p := recover(); p != nil { // an invalid length in the file
			s, err = nil, fmt.Errorf("footer: %v", p)
		}
	}()
	props := parquet.NewReaderProperties(memory.NewGoAllocator())
	props.BufferedStreamEnabled, props.BufferSize = true, streamBytes
	reader, err := file.NewParquetReader(io.NewSectionReader(r, 0, size), file.WithReadProps(props))
	if err != nil {
		return nil, fmt.Errorf("footer: %w", err)
	}
	return &Source{reader, reader.MetaData()}, nil
}

// Rows is the number of rows.
func (s *Source) Rows() int64 { return s.r.NumRows() }

// Metadata returns a value of the footer, "" if there is none.
func (s *Source) Metadata(key string) string {
	if v := s.meta.KeyValueMetadata().FindValue(key); v != nil {
		return *v
	}
	return ""
}

// Memory is the approximate memory that a merge needs to read the file: a decoded page of each column.
func (s *Source) Memory() (bytes int64) {
	for i := range s.r.NumRowGroups() {
		group := s.meta.RowGroup(i)
		sum := int64(0)
		for c := range group.NumColumns() {
			if chunk, err := group.ColumnChunk(c); err == nil {
				sum += min(chunk.TotalUncompressedSize(), pageBytes) + streamBytes
			}
		}
		bytes = max(bytes, sum)
	}
	return bytes
}

// leafIndex returns the position of a leaf column, -1 if there is none.
func (s *Source) leafIndex(path string) int {
	for i := range s.meta.Schema.NumColumns() {
		if s.meta.Schema.Column(i).Path() == path {
			return i
		}
	}
	return -1
}

// fields are the top-level columns.
func (s *Source) fields() (all []schema.Node) {
	root := s.meta.Schema.Root()
	for i := range root.NumFields() {
		all = append(all, root.Field(i))
	}
	return all
}

// column returns the chunks of a leaf column, one for each row group.
func (s *Source) column(index int) *chunks { return &chunks{s: s, index: index} }

// chunks reads one column of a file.
type chunks struct {
	s     *Source
	index int
	group int
	r     file.ColumnChunkReader
}

// next positions the reader at a value; io.EOF at the end.
func (c *chunks) next() (file.ColumnChunkReader, error) {
	for {
		if c.r != nil && c.r.HasNext() {
			return c.r, nil
		}
		if c.r != nil {
			if err := c.r.Err(); err != nil {
				return nil, err
			}
		}
		if c.group == c.s.r.NumRowGroups() {
			return nil, io.EOF
		}
		var err error
		if c.r, err = c.s.r.RowGroup(c.group).Column(c.index); err != nil {
			return nil, err
		}
		c.group++
	}
}
