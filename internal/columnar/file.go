package columnar

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
)

const (
	// ChunkRows is how many rows are buffered before they are encoded: few enough for the CPU's cache.
	ChunkRows = 1024
	// RowGroupRows bounds a row group; engines read row groups in parallel and prune by them.
	RowGroupRows = 128 * ChunkRows
	// RowGroupBytes bounds the memory of a row group (encoded pages and dictionary indices), checked at each chunk.
	RowGroupBytes = 32 << 20
	// idBytes is the length of the values that repeats assumes: trace ids in hex.
	idBytes = 32
	// fewValues is the capacity of the bloom filter of a BloomFew column.
	fewValues = 1024
)

// FileSettings are what must be known of a file before its first row.
type FileSettings struct {
	// Rows is the expected number of rows; it sizes the bloom filters.
	Rows int
	// Repetition describes the repetition of values in some columns. It sizes their bloom filters, and a Unique column gets a dictionary if its
	// values repeat often.
	Repetition map[string]Repetition
	// SortedBy names the leaf columns the rows are sorted by, ascending, nulls first.
	SortedBy []string
	// Metadata is written to the footer.
	Metadata map[string]string
	// CreatedBy names the writing application and version.
	CreatedBy string
	// Level is the compression level of zstd. 0: 1, which on encoded columns is as small as the default level, and faster (BenchmarkLogs).
	Level int
}

// Repetition says how often a column's values repeat.
type Repetition struct {
	// Distinct is the approximate number of different values.
	Distinct int
	// Runs is the number of rows whose value differs from that of the row before.
	Runs int
}

// File writes the rows of one Parquet file: fill the columns of a row, call EndRow, repeat, Close. A failed write to the
// underlying writer ends the file; the error is returned by EndRow or Close.
type File struct {
	t        *Table
	w        *file.Writer
	rg       file.BufferedRowGroupWriter
	chunk    int // rows in the column buffers
	groupLen int // rows already in rg
	left     int // expected further rows
}

// NewFile begins a file. It drops everything that an earlier, failed File left in the buffers.
func (t *Table) NewFile(w io.Writer, s FileSettings) (*File, error) {
	for _, l := range t.leaves {
		l.reset()
		if text, ok := l.(*Text); ok {
			text.expectDistinct(s)
		}
	}
	var meta metadata.KeyValueMetadata
	for _, k := range slices.Sorted(maps.Keys(s.Metadata)) {
		if err := meta.Append(k, s.Metadata[k]); err != nil {
			return nil, fmt.Errorf("append metadata %s: %w", k, err)
		}
	}
	fw, err := file.NewParquetWriterWithError(struct{ io.Writer }{w}, t.schema(), file.WithWriterProps(t.properties(s)), file.WithWriteMetadata(meta))
	if err != nil {
		return nil, err
	}
	return &File{t: t, w: fw, left: s.Rows}, nil
}

func (t *Table) properties(s FileSettings) *parquet.WriterProperties {
	opts := []parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithCompressionLevel(max(s.Level, 1)),
		parquet.WithCreatedBy(s.CreatedBy),
		parquet.WithAllocator(t.memory),
		parquet.WithBatchSize(ChunkRows),
	}
	for _, l := range t.leaves {
		opts = append(opts, l.info().properties(s)...)
	}
	sorting := make([]parquet.SortingColumn, len(s.SortedBy))
	for i, path := range s.SortedBy {
		sorting[i] = parquet.SortingColumn{ColumnIdx: int32(t.leafIndex(path)), NullsFirst: true}
	}
	return parquet.NewWriterProperties(append(opts, parquet.WithSortingColumns(sorting))...)
}

// properties are the encoding of a column.
func (i *leafInfo) properties(s FileSettings) (opts []parquet.WriterProperty) {
	if i.flags&Bloom != 0 {
		opts = append(opts, parquet.WithBloomFilterEnabledFor(i.path, true), parquet.WithBloomFilterNDVFor(i.path, int64(i.distinct(s))))
	}
	if i.flags&BloomFew != 0 {
		opts = append(opts, parquet.WithBloomFilterEnabledFor(i.path, true), parquet.WithBloomFilterNDVFor(i.path, fewValues))
	}
	if i.nested || i.flags&NoStats != 0 {
		opts = append(opts, parquet.WithStatsFor(i.path, false))
	}
	if i.flags&Unique == 0 || i.repeats(s) {
		return opts
	}
	opts = append(opts, parquet.WithDictionaryFor(i.path, false))
	switch {
	case i.phys == parquet.Types.Int64:
		opts = append(opts, parquet.WithEncodingFor(i.path, parquet.Encodings.DeltaBinaryPacked))
	case i.flags&SameLength != 0: // lengths between the texts would interrupt the compressor's runs
		opts = append(opts, parquet.WithEncodingFor(i.path, parquet.Encodings.DeltaLengthByteArray))
	}
	return opts
}

// distinct is the largest number of different values in a row group.
func (i *leafInfo) distinct(s FileSettings) int {
	n := s.Rows
	if r, known := s.Repetition[i.path]; known {
		n = r.Distinct
	}
	return max(1, min(n, s.Rows, RowGroupRows))
}

// repeats says whether a dictionary is better for a Unique column: its values repeat at a distance (adjacent repetitions cost the compressor less
// than an index a row), and they fit.
func (i *leafInfo) repeats(s FileSettings) bool {
	r, known := s.Repetition[i.path]
	return known && 2*i.distinct(s) <= min(s.Rows, RowGroupRows) && 2*r.Runs > 3*r.Distinct && i.distinct(s) <= maxDictionaryBytes/idBytes
}

// EndRow completes a row. Every column must have got its values.
func (f *File) EndRow() error {
	if f.chunk++; f.chunk < ChunkRows {
		return nil
	}
	return f.flush()
}

// Pending is the number of rows that still point to the caller's memory; 0 after a chunk has been encoded.
func (f *File) Pending() int { return f.chunk }

func (f *File) flush() error {
	if f.chunk == 0 {
		return nil
	}
	if f.rg == nil {
		var err error
		if f.rg, err = f.w.AppendBufferedRowGroupChecked(); err != nil {
			return fmt.Errorf("begin row group: %w", err)
		}
	}
	for i, l := range f.t.leaves {
		cw, err := f.rg.Column(i)
		if err != nil {
			return err
		}
		if err := l.flush(cw); err != nil {
			return err
		}
	}
	f.left -= f.chunk
	if f.groupLen == 0 {
		for _, l := range f.t.leaves {
			l.expect(float64(min(f.left, RowGroupRows)) / float64(f.chunk))
		}
	}
	f.groupLen += f.chunk
	f.chunk = 0
	if f.groupLen+ChunkRows > RowGroupRows || f.rg.TotalBytesWritten()+f.t.buffered() > RowGroupBytes {
		return f.endGroup()
	}
	return nil
}

func (t *Table) buffered() (bytes int64) {
	for _, l := range t.leaves {
		bytes += int64(l.buffered())
	}
	return bytes
}

func (f *File) endGroup() error {
	if f.rg == nil {
		return nil
	}
	for i, l := range f.t.leaves {
		cw, err := f.rg.Column(i)
		if err != nil {
			return err
		}
		if err := l.finish(cw); err != nil {
			return err
		}
		if err := cw.Close(); err != nil { // one at a time: the encoder releases its copy of the indices before the next column is encoded
			return fmt.Errorf("encode column %s: %w", l.info().path, err)
		}
	}
	err := f.rg.Close()
	f.rg, f.groupLen = nil, 0
	return err
}

// Close writes the buffered rows and the footer. The underlying writer stays open.
func (f *File) Close() error {
	if err := f.flush(); err != nil {
		return err
	}
	if err := f.endGroup(); err != nil {
		return err
	}
	return f.w.Close()
}
