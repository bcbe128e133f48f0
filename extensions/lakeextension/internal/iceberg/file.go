package iceberg

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

// File is a Parquet file that lies in the lake, as far as a table needs to know it.
type File struct {
	Name    string // below the lake's root
	Bytes   int64
	Hour    int32  // of its directory, since 1970
	Tenant  string // as the footer has it
	Rows    int64
	Columns []Field // without ids
	Stats   []Stats // of columns of the top level
	Offsets []int64 // of row groups
	// OneHour: all rows lie within Hour, and are Tenant's.
	OneHour bool
}

// Stats are what is known of a column of a file.
type Stats struct {
	Column        string
	Values, Nulls int64
	// Lower and Upper are bounds in the specification's binary form; nil: unknown.
	Lower, Upper []byte
}

// boundChars is how many characters of a text are kept in a bound, as other writers do.
const boundChars = 16

// TextBounds makes bounds of the least and the greatest text: short ones. upper is nil where there is no short text above the greatest.
func TextBounds(least, greatest []byte) (lower, upper []byte) {
	cut, _ := firstChars(least)
	lower = slices.Clone(cut)
	cut, whole := firstChars(greatest)
	if whole {
		return lower, slices.Clone(cut)
	}
	runes := []rune(string(cut))
	for i := len(runes) - 1; i >= 0; i-- {
		next := runes[i] + 1
		if next == 0xD800 { // no character
			next = 0xE000
		}
		if next <= utf8.MaxRune {
			return lower, []byte(string(append(runes[:i:i], next)))
		}
	}
	return lower, nil
}

// firstChars returns the first boundChars characters of a text, and whether that is the whole of it.
func firstChars(text []byte) (first []byte, whole bool) {
	n := 0
	for i := range string(text) {
		if n == boundChars {
			return text[:i], false
		}
		n++
	}
	return text, true
}

// dataFile is f as an entry of a table with these columns.
func (f *File) dataFile(uri string, columns []Field) (d DataFile, specID int) {
	d = DataFile{Path: uri, Format: "PARQUET", Rows: f.Rows, Bytes: f.Bytes, SplitOffsets: f.Offsets}
	ids := map[string]int32{}
	for _, c := range columns {
		ids[c.Name] = int32(c.ID)
	}
	for _, s := range f.Stats {
		id, known := ids[s.Column]
		if !known {
			continue
		}
		d.ValueCounts = append(d.ValueCounts, IDCount{id, s.Values})
		d.NullCounts = append(d.NullCounts, IDCount{id, s.Nulls})
		if s.Lower != nil {
			d.LowerBounds = append(d.LowerBounds, IDBound{id, s.Lower})
		}
		if s.Upper != nil {
			d.UpperBounds = append(d.UpperBounds, IDBound{id, s.Upper})
		}
	}
	if !f.OneHour {
		return d, unpartitioned
	}
	d.Partition = Partition{&f.Hour, &f.Tenant}
	return d, hourly
}

// byPartition orders files as readers ask for them: by time.
func byPartition(a, b Entry) int {
	p, q := a.File.Partition, b.File.Partition
	if p.Hour != nil && q.Hour != nil {
		if c := cmp.Or(cmp.Compare(*p.Hour, *q.Hour), cmp.Compare(*p.Tenant, *q.Tenant)); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.File.Path, b.File.Path)
}
