package columnar

import (
	"fmt"

	"github.com/apache/arrow-go/v18/parquet/file"
)

type columnWriter = file.ColumnChunkWriter

// Column buffers the values of one leaf column of numbers or booleans for the rows of the current chunk.
type Column[T any] struct {
	leafInfo
	maxDef int16 // definition level of a present value

	values []T
	defs   []int16 // nil when maxDef is 0
	reps   []int16 // nil unless nested
}

func (c *Column[T]) info() *leafInfo { return &c.leafInfo }

// Put appends a present value to a column of the root.
func (c *Column[T]) Put(v T) {
	c.values = append(c.values, v)
	if c.maxDef > 0 {
		c.defs = append(c.defs, c.maxDef)
	}
}

// Null appends a null to an optional column of the root.
func (c *Column[T]) Null() { c.defs = append(c.defs, 0) }

// PutAt appends a present value to a nested column. rep is 0 for the first value of a row, else the repetition level of the innermost list that it
// continues.
func (c *Column[T]) PutAt(v T, rep int16) {
	c.values = append(c.values, v)
	c.defs = append(c.defs, c.maxDef)
	c.reps = append(c.reps, rep)
}

// MissingAt appends an absent value to a nested column: def is the level of the innermost present container.
func (c *Column[T]) MissingAt(def, rep int16) {
	c.defs = append(c.defs, def)
	c.reps = append(c.reps, rep)
}

// NullAt appends a null value within a present list element or map entry.
func (c *Column[T]) NullAt(rep int16) { c.MissingAt(c.maxDef-1, rep) }

// PutAll appends a whole list of values to a list column of the root; empty is an empty list.
func (c *Column[T]) PutAll(n int, at func(int) T) {
	if n == 0 {
		c.MissingAt(0, 0)
		return
	}
	c.PutAt(at(0), 0)
	for i := 1; i < n; i++ {
		c.PutAt(at(i), 1)
	}
}

func (c *Column[T]) buffered() int { return 0 }

func (c *Column[T]) expect(float64) {}

func (c *Column[T]) finish(columnWriter) error { return nil }

func (c *Column[T]) reset() {
	c.values, c.defs, c.reps = c.values[:0], c.defs[:0], c.reps[:0]
}

func (c *Column[T]) flush(w columnWriter) error {
	defer c.reset()
	defs, reps := c.defs, c.reps
	if c.maxDef == 0 {
		defs = nil
	}
	if !c.nested {
		reps = nil
	}
	var err error
	switch w := w.(type) {
	case *file.Int64ColumnChunkWriter:
		_, err = w.WriteBatch(any(c.values).([]int64), defs, reps)
	case *file.Int32ColumnChunkWriter:
		_, err = w.WriteBatch(any(c.values).([]int32), defs, reps)
	case *file.Float64ColumnChunkWriter:
		_, err = w.WriteBatch(any(c.values).([]float64), defs, reps)
	case *file.BooleanColumnChunkWriter:
		_, err = w.WriteBatch(any(c.values).([]bool), defs, reps)
	default:
		err = fmt.Errorf("unexpected writer %T", w)
	}
	if err != nil {
		return fmt.Errorf("encode column %s: %w", c.path, err)
	}
	return nil
}
