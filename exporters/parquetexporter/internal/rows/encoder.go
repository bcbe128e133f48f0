// Package rows turns OTLP batches into the rows of the lake's tables: one for logs, one for spans, one for the data points of
// all metric types. The tables are described, column by column, in schema.md of the component; nothing of a record is lost: what a
// column's type can't carry exactly is in the column exact as well.
//
// An encoder is used in two steps: Split divides a batch into partitions, Write encodes one of them. In between it holds the
// batch by reference, which must not change. Encoders are not safe for concurrent use; after Release they serve the next batch.
package rows

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/penstockhq/penstock/internal/columnar"
	"github.com/penstockhq/penstock/internal/tenant"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// SchemaVersion is written to each file's footer as penstock.schema = <signal>/<version>. A version adds columns and never changes the type
// of one; readers that merge files by column name go on working. Version 1 had no tenant_id and event_date.
const SchemaVersion = "2"

// createdBy has the form that parquet-java parses: without it Spark would not trust the statistics.
const createdBy = "penstock version " + SchemaVersion + ".0.0"

// encoder is what the three signals share.
type encoder struct {
	planner
	collector
	signal   string
	table    *columnar.Table
	sortedBy []string
	time     *intColumn
	nanos    *intColumn
	origins  *originColumns
	tenantID *stringColumn
	date     *columnar.Column[int32]
	exactCol *stringColumn
	seen     distinct
}

// begin declares the columns that come first.
func (e *encoder) begin(signal string, nanos string, sortedBy ...string) *columnar.Group {
	e.signal, e.sortedBy = signal, sortedBy
	e.table = columnar.NewTable()
	g := e.table.Root()
	e.time = g.Timestamp("time", columnar.Required|columnar.Unique)
	e.nanos = g.Int64(nanos, columnar.Required|columnar.Unique)
	return g
}

// end declares the columns that come last.
func (e *encoder) end(g *columnar.Group) {
	e.origins = newOriginColumns(g)
	e.tenantID = g.String("tenant_id", columnar.Required)
	e.date = g.Date("event_date", 0)
	e.exactCol = g.Binary("exact", columnar.Unique|columnar.NoStats)
}

// Columns describes the table: "name type" for each column, in file order.
func (e *encoder) Columns() []string { return e.table.Describe() }

// tenantOf returns the index of the tenant of the resource whose rows are added next. fromClient is what client metadata names, or empty.
// Rows of a resource whose name can't be a tenant's are the default tenant's, and counted.
func (e *encoder) tenantOf(fromClient string, res pcommon.Resource) int32 {
	name, err := tenant.Of(fromClient, res.Attributes())
	e.begins(err != nil)
	return e.tenant(name)
}

// write encodes a partition. repetition is what is known of columns. row puts the columns of one row, apart from the origin's, and returns where it comes from.
//
// A panic below comes back as an error: whatever a client sent must not end the process.
func (e *encoder) write(w io.Writer, p Partition, repetition map[string]columnar.Repetition, row func(i int32) *scope) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("encode %s: panic: %v\n%s", e.signal, r, debug.Stack())
		}
	}()
	f, err := e.table.NewFile(w, columnar.FileSettings{
		Rows:      p.Rows,
		SortedBy:  e.sortedBy,
		CreatedBy: createdBy,

		Repetition: repetition,
		Metadata:   map[string]string{"penstock.schema": e.signal + "/" + SchemaVersion, "penstock.tenant": p.Tenant},
	})
	if err != nil {
		return err
	}
	e.arena.reset()
	tenantID := []byte(p.Tenant)
	for _, o := range e.order[p.begin : p.begin+p.Rows] {
		e.exact = e.exact[:0]
		s := row(o.row)
		e.time.Put(int64(o.time / 1000))
		e.origins.put(s)
		e.tenantID.PutShared(tenantID)
		if day, ok := eventDay(o.time); ok {
			e.date.Put(day)
		} else {
			e.date.Null()
		}
		e.putExact(s.exact)
		if err := f.EndRow(); err != nil {
			return err
		}
		if f.Pending() == 0 {
			e.arena.reset()
		}
	}
	return f.Close()
}

// putExact joins what origin and record add to the column exact: a KeyValueList is the concatenation of its entries.
func (e *encoder) putExact(origin []byte) {
	if len(origin)+len(e.exact) == 0 {
		e.exactCol.Null()
		return
	}
	mark := e.mark()
	e.b = append(append(e.b, origin...), e.exact...)
	e.exactCol.Put(e.since(mark))
}

// putID puts an id in hex, or null for one of zeros.
func (e *encoder) putID(c *stringColumn, id []byte, empty bool) {
	if empty {
		c.Null()
	} else {
		c.Put(e.id(id))
	}
}
