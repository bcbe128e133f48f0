package columnar

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/parquet"
)

// run is consecutive rows of one source.
type run struct {
	source, rows int
	keep         bool
}

// order is the order in which rows are merged.
type order struct {
	runs       []run
	kept, left int64
	sorted     bool
}

// chunks calls yield for runs that together have ChunkRows rows to keep, fewer at the end.
func (o *order) chunks(yield func([]run) bool) {
	var chunk []run
	room := ChunkRows
	for _, r := range o.runs {
		for r.rows > 0 {
			part := r
			if r.keep {
				part.rows = min(r.rows, room)
				room -= part.rows
			}
			chunk = append(chunk, part)
			r.rows -= part.rows
			if room == 0 {
				if !yield(chunk) {
					return
				}
				chunk, room = chunk[:0], ChunkRows
			}
		}
	}
	if room < ChunkRows {
		yield(chunk)
	}
}

// add appends a row.
func (o *order) add(source int, keep bool) {
	if keep {
		o.kept++
	} else {
		o.left++
	}
	if n := len(o.runs); n > 0 && o.runs[n-1].source == source && o.runs[n-1].keep == keep {
		o.runs[n-1].rows++
		return
	}
	o.runs = append(o.runs, run{source, 1, keep})
}

// orderOf reads the key columns of all sources and merges them.
func orderOf(sources []*Source, keys []string, filter *Filter) (*order, error) {
	m := &merger{keys: make([][][]uint64, len(sources)), at: make([]int, len(sources)), rows: make([]int, len(sources))}
	for i, s := range sources {
		m.keys[i] = make([][]uint64, len(keys))
		m.rows[i] = int(s.Rows())
	}
	for k, name := range keys {
		if err := m.read(sources, k, name); err != nil {
			return nil, err
		}
	}
	keep := make([][]bool, len(sources))
	if filter != nil {
		for i, s := range sources {
			var err error
			if keep[i], err = filter.rows(s); err != nil {
				return nil, fmt.Errorf("file %d: %w", i, err)
			}
		}
	}
	return m.merge(keep), nil
}

// merger is a heap of the sources, by their next rows.
type merger struct {
	keys  [][][]uint64 // by source and key column, comparable
	rows  []int        // by source
	at    []int        // by source: the next row
	queue []int        // sources with a next row
}

func (m *merger) compare(a, i, b, j int) int {
	for k := range m.keys[a] {
		if c := cmp.Compare(m.keys[a][k][i], m.keys[b][k][j]); c != 0 {
			return c
		}
	}
	return cmp.Compare(a, b)
}

func (m *merger) Len() int { return len(m.queue) }
func (m *merger) Less(x, y int) bool {
	a, b := m.queue[x], m.queue[y]
	return m.compare(a, m.at[a], b, m.at[b]) < 0
}
func (m *merger) Swap(x, y int) { m.queue[x], m.queue[y] = m.queue[y], m.queue[x] }
func (m *merger) Push(x any)    { m.queue = append(m.queue, x.(int)) }
func (m *merger) Pop() any {
	last := m.queue[len(m.queue)-1]
	m.queue = m.queue[:len(m.queue)-1]
	return last
}

func (m *merger) merge(keep [][]bool) *order {
	o := &order{sorted: true}
	for s, n := range m.rows {
		if n > 0 {
			m.queue = append(m.queue, s)
		}
	}
	heap.Init(m)
	for len(m.queue) > 0 {
		s := m.queue[0]
		row := m.at[s]
		o.add(s, keep[s] == nil || keep[s][row])
		m.at[s]++
		if m.at[s] == m.rows[s] {
			heap.Pop(m)
			continue
		}
		if m.compare(s, row, s, row+1) > 0 {
			o.sorted = false
		}
		heap.Fix(m, 0)
	}
	return o
}

// read reads one key column of all sources.
func (m *merger) read(sources []*Source, k int, name string) error {
	words := dictionary{}
	text := false
	for i, s := range sources {
		at := s.leafIndex(name)
		if at < 0 {
			m.keys[i][k] = make([]uint64, s.Rows())
			continue
		}
		c := s.meta.Schema.Column(at)
		var err error
		switch c.PhysicalType() {
		case parquet.Types.ByteArray:
			text = true
			m.keys[i][k], err = readKey(s, at, func(v texts) uint64 { return uint64(words.id(v)) + 1 })
		case parquet.Types.Int64:
			m.keys[i][k], err = readKey(s, at, func(v int64) uint64 { return uint64(v) ^ 1<<63 })
		default:
			err = errors.New("neither text nor an integer")
		}
		if err != nil {
			return fmt.Errorf("file %d: sorted by %s: %w", i, name, err)
		}
	}
	if text {
		m.rank(k, &words)
	}
	return nil
}

// rank replaces the numbers of texts by their positions in the texts' order.
func (m *merger) rank(k int, words *dictionary) {
	order := make([]int32, words.len())
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(string(words.word(a)), string(words.word(b))) })
	ranks := make([]uint64, len(order)+1)
	for rank, id := range order {
		ranks[id+1] = uint64(rank) + 1
	}
	for i := range m.keys {
		for row, id := range m.keys[i][k] {
			m.keys[i][k][row] = ranks[id]
		}
	}
}

// readKey reads a column of the root; 0 represents null.
func readKey[T any](s *Source, at int, key func(T) uint64) ([]uint64, error) {
	all := make([]uint64, 0, s.Rows())
	sink := keySink[T](func(values []T, defs []int16, _ []int16) {
		if defs == nil {
			for _, v := range values {
				all = append(all, key(v))
			}
			return
		}
		next := 0
		for _, def := range defs {
			if def == 0 {
				all = append(all, 0)
				continue
			}
			all = append(all, key(values[next]))
			next++
		}
	})
	def := s.meta.Schema.Column(at).MaxDefinitionLevel()
	if def > 1 || s.meta.Schema.Column(at).MaxRepetitionLevel() > 0 {
		return nil, errors.New("not a column of the root")
	}
	l := &levels[T]{chunks: s.column(at), into: sink, srcDef: def, maxDef: def}
	err := l.take(int(s.Rows()), true)
	return all, err
}

type keySink[T any] func(values []T, defs, reps []int16)

func (k keySink[T]) putLevels(values []T, defs, reps []int16) { k(values, defs, reps) }

// rows applies the filter to each row of a source.
func (f *Filter) rows(s *Source) ([]bool, error) {
	n := int(s.Rows())
	keep := make([]bool, n)
	key, value := s.leafIndex(f.Map+".key_value.key"), s.leafIndex(f.Map+".key_value.value")
	if key < 0 || value < 0 {
		return nil, fmt.Errorf("there is no map %s", f.Map)
	}
	// Entries of the map, in order: the row of each, and whether it has the key.
	row, entry := -1, -1
	hits := map[int]int{} // entry -> row
	keys := &levels[texts]{chunks: s.column(key), srcDef: s.meta.Schema.Column(key).MaxDefinitionLevel(), nested: true}
	keys.into = keySink[texts](func(values []texts, defs, reps []int16) {
		next := 0
		for i, def := range defs {
			if reps[i] == 0 {
				row++
			}
			if def < keys.srcDef {
				continue
			}
			entry++
			if string(values[next]) == f.Key {
				hits[entry] = row
			}
			next++
		}
	})
	if err := keys.take(n, true); err != nil {
		return nil, err
	}
	without := f.Keep("")
	for i := range keep {
		keep[i] = without
	}
	if len(hits) == 0 {
		return keep, nil
	}
	entry = -1
	def := s.meta.Schema.Column(value).MaxDefinitionLevel()
	vals := &levels[texts]{chunks: s.column(value), srcDef: def, nested: true}
	vals.into = keySink[texts](func(values []texts, defs, _ []int16) {
		next := 0
		for _, d := range defs {
			if d < def-1 {
				continue // no entry
			}
			entry++
			text := ""
			if d == def {
				text = string(values[next])
				next++
			}
			if row, hit := hits[entry]; hit {
				keep[row] = f.Keep(text)
			}
		}
	})
	return keep, vals.take(n, true)
}
