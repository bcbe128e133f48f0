package columnar

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
)

// MergeSettings say how files are merged.
type MergeSettings struct {
	// SortedBy names the leaf columns by which the files are sorted, and the merged one will be: texts and 64-bit integers of the root, ascending,
	// nulls first. Columns that no file has are ignored.
	SortedBy []string
	// Metadata and CreatedBy: see FileSettings.
	Metadata  map[string]string
	CreatedBy string
	// Level is the compression level of zstd.
	Level int
	// Keep, if set, says which rows stay.
	Keep *Filter
}

// Filter chooses rows by an entry of a map column.
type Filter struct {
	// Map names the column, Key the entry.
	Map, Key string
	// Keep says whether rows with this value stay. It is called with "" for rows without one.
	Keep func(value string) bool
}

// Merged is the result of a merge.
type Merged struct {
	Rows, Left int64 // in the file; left out
	// Sorted: the rows are in the order of SortedBy, as all sources were.
	Sorted bool
}

// Merge writes the rows of all sources into one file, with the columns of all of them in their encodings. Values are copied bit by bit. Rows of
// equal keys stay in the order of the sources.
//
// Memory: a row group of the new file (RowGroupBytes), Source.Memory of each source, and 8 bytes a row for each column of SortedBy. If no row
// stays, nothing is written.
func Merge(w io.Writer, sources []*Source, set MergeSettings) (m Merged, err error) {
	defer func() {
		if p := recover(); p != nil { // the content of a damaged file must not end the process
			err = errors.Join(err, fmt.Errorf("merge: panic: %v\n%s", p, debug.Stack()))
		}
	}()
	t, err := unionOf(sources)
	if err != nil {
		return m, err
	}
	keys := t.keyColumns(set.SortedBy)
	o, err := orderOf(sources, keys, set.Keep)
	if err != nil {
		return m, err
	}
	m = Merged{Rows: o.kept, Left: o.left, Sorted: o.sorted}
	if m.Rows == 0 {
		return m, nil
	}
	settings := FileSettings{Rows: int(m.Rows), Metadata: set.Metadata, CreatedBy: set.CreatedBy, Level: set.Level, Repetition: t.repetitionOf(sources)}
	if o.sorted {
		settings.SortedBy = keys
	}
	f, err := t.NewFile(w, settings)
	if err != nil {
		return m, err
	}
	cursors := t.cursors(sources)
	for chunk := range o.chunks {
		for i := range t.leaves {
			for _, r := range chunk {
				if err := cursors[r.source][i].take(r.rows, r.keep); err != nil {
					return m, fmt.Errorf("file %d: %w", r.source, err)
				}
			}
		}
		for _, r := range chunk {
			if r.keep {
				f.chunk += r.rows
			}
		}
		if err := f.flush(); err != nil {
			return m, err
		}
	}
	return m, f.Close()
}

// keyColumns are the names that the table has.
func (t *Table) keyColumns(names []string) (keys []string) {
	for _, name := range names {
		for _, l := range t.leaves {
			if l.info().path == name {
				keys = append(keys, name)
			}
		}
	}
	return keys
}

// cursors creates one cursor for each column of each source.
func (t *Table) cursors(sources []*Source) [][]cursor {
	all := make([][]cursor, len(sources))
	for i, s := range sources {
		all[i] = make([]cursor, len(t.leaves))
		for j, l := range t.leaves {
			at := s.leafIndex(l.info().path)
			if at < 0 {
				all[i][j] = absent{l}
				continue
			}
			all[i][j] = l.cursor(s.column(at), s.meta.Schema.Column(at).MaxDefinitionLevel())
		}
	}
	return all
}
