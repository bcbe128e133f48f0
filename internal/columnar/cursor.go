package columnar

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
)

// cursor copies the rows of one leaf column of a Source, in their order.
type cursor interface {
	// take copies the next rows to the cursor's column, or skips them.
	take(rows int, keep bool) error
}

// levelReader is one of the library's typed readers.
type levelReader[T any] interface {
	ReadBatch(n int64, values []T, defs, reps []int16) (int64, int, error)
}

// levels is the cursor of a column of T. It holds a batch of levels and of the values that they describe.
type levels[T any] struct {
	chunks *chunks
	into   interface {
		putLevels(values []T, defs, reps []int16)
	}
	srcDef, maxDef int16 // definition level of a present value: in the source, and in the column
	nested         bool

	buffer               []T
	defBuffer, repBuffer []int16

	values     []T     // not copied yet
	defs, reps []int16 // not copied yet; nil without levels
	n          int     // rows, or levels of a nested column, not copied yet
	ones       []int16
}

// fill reads a batch; false at the end.
func (l *levels[T]) fill() (bool, error) {
	if l.buffer == nil {
		l.buffer = make([]T, batchLevels)
		if l.srcDef > 0 {
			l.defBuffer = make([]int16, batchLevels)
		}
		if l.nested {
			l.repBuffer = make([]int16, batchLevels)
		}
	}
	r, err := l.chunks.next()
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	typed, ok := r.(levelReader[T])
	if !ok {
		return false, fmt.Errorf("unexpected reader %T", r)
	}
	n, present, err := typed.ReadBatch(batchLevels, l.buffer, l.defBuffer, l.repBuffer)
	if err != nil {
		return false, err
	}
	if n == 0 {
		return false, io.ErrUnexpectedEOF
	}
	l.n, l.values = int(n), l.buffer[:present]
	if l.srcDef > 0 {
		l.defs = l.defBuffer[:n]
	}
	if l.nested {
		l.reps = l.repBuffer[:n]
	}
	return true, nil
}

// take implements cursor.
func (l *levels[T]) take(rows int, keep bool) (err error) {
	if l.nested {
		err = l.takeNested(rows, keep)
	} else {
		err = l.takeFlat(rows, keep)
	}
	if err != nil {
		return fmt.Errorf("decode column %d: %w", l.chunks.index, err)
	}
	return nil
}

func (l *levels[T]) takeFlat(rows int, keep bool) error {
	for rows > 0 {
		if l.n == 0 {
			if more, err := l.fill(); err != nil || !more {
				return errors.Join(err, io.ErrUnexpectedEOF)
			}
		}
		n := min(rows, l.n)
		l.hand(n, keep)
		rows -= n
	}
	return nil
}

// takeNested begins at the first level of a row. Only the next row's first level shows where a row ends.
func (l *levels[T]) takeNested(rows int, keep bool) error {
	begun := 0
	for {
		if l.n == 0 {
			more, err := l.fill()
			switch {
			case err != nil:
				return err
			case !more && begun == rows:
				return nil
			case !more:
				return io.ErrUnexpectedEOF
			}
		}
		for i, rep := range l.reps {
			if rep > 0 {
				continue
			}
			if begun == rows {
				l.hand(i, keep)
				return nil
			}
			begun++
		}
		l.hand(l.n, keep)
	}
}

// hand copies n levels from the batch.
func (l *levels[T]) hand(n int, keep bool) {
	present := n
	var defs, reps []int16
	if l.srcDef > 0 {
		defs, l.defs = l.defs[:n], l.defs[n:]
		present = 0
		for _, d := range defs {
			if d == l.srcDef {
				present++
			}
		}
	}
	if l.nested {
		reps, l.reps = l.reps[:n], l.reps[n:]
	}
	values := l.values[:present]
	l.values, l.n = l.values[present:], l.n-n
	if !keep {
		return
	}
	if l.srcDef == 0 && l.maxDef > 0 { // required in the source, and optional here
		for len(l.ones) < n {
			l.ones = append(l.ones, l.maxDef)
		}
		defs = l.ones[:n]
	}
	l.into.putLevels(values, defs, reps)
}

// absent is the cursor of a column that a file does not have.
type absent struct{ into leaf }

func (a absent) take(rows int, keep bool) error {
	if keep {
		a.into.putAbsent(rows)
	}
	return nil
}

func (c *Column[T]) putLevels(values []T, defs, reps []int16) {
	c.values = append(c.values, values...)
	c.defs = append(c.defs, defs...)
	c.reps = append(c.reps, reps...)
}

func (c *Column[T]) putAbsent(rows int) {
	for range rows {
		c.defs = append(c.defs, 0)
		if c.nested {
			c.reps = append(c.reps, 0)
		}
	}
}

func (c *Column[T]) cursor(of *chunks, srcDef int16) cursor {
	return &levels[T]{chunks: of, into: c, srcDef: srcDef, maxDef: c.maxDef, nested: c.nested}
}

// texts are the values of a text column: the library's type.
type texts = parquet.ByteArray

func (t *Text) putLevels(values []texts, defs, reps []int16) {
	t.defs = append(t.defs, defs...)
	t.reps = append(t.reps, reps...)
	if t.plain {
		t.values = append(t.values, values...)
		return
	}
	if t.maxDef == 0 {
		for _, v := range values {
			t.ids = append(t.ids, t.words.id(v))
		}
		return
	}
	at := 0
	for _, def := range defs {
		switch {
		case def == t.maxDef:
			t.ids = append(t.ids, t.words.id(values[at]))
			at++
		case def >= t.slotDef:
			t.ids = append(t.ids, 0)
		}
	}
}

func (t *Text) putAbsent(rows int) {
	for range rows {
		if t.nested {
			t.MissingAt(0, 0)
		} else {
			t.Null()
		}
	}
}

func (t *Text) cursor(of *chunks, srcDef int16) cursor {
	return &levels[texts]{chunks: of, into: t, srcDef: srcDef, maxDef: t.maxDef, nested: t.nested}
}

var _ levelReader[int64] = (*file.Int64ColumnChunkReader)(nil)
