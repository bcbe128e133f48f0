package logsql

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/valyala/quicktemplate"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// sendAt is how many bytes of rows are sent at once.
const sendAt = 32 << 10

// rowsOf is /select/logsql/query: a line of JSON for each row, or of CSV.
func rowsOf(ctx context.Context, q *request, w http.ResponseWriter) error {
	offset, err := q.number("offset")
	if err != nil {
		return err
	}
	limit, err := q.number("limit")
	if err != nil {
		return err
	}
	format := q.FormValue("format")
	if format != "" && format != "csv" {
		return badf("format: %q is neither csv nor empty", format)
	}
	query := q.prepared.Query
	if limit > 0 {
		if query.CanReturnLastNResults() {
			query.AddPipeSortByTimeDesc()
		}
		query.AddPipeOffsetLimit(uint64(offset), uint64(limit))
	}
	var fields []string
	if format == "csv" {
		if fields, err = q.csvFields(ctx); err != nil {
			return err
		}
	}
	out := &sender{w: w, begin: func() {
		if format == "csv" {
			w.Header().Set("Content-Type", "text/csv")
		} else {
			w.Header().Set("Content-Type", "application/stream+json")
		}
		q.header(w)
	}}
	if fields != nil {
		out.buffer = appendCSV(out.buffer, fields, func(i int) string { return fields[i] })
	}
	sorted := !query.IsFixedOutputFieldsOrder()
	err = q.store.RunPrepared(ctx, q.prepared, func(b *store.Block) error {
		columns := b.Columns()
		if sorted {
			columns = slices.Clone(columns)
			slices.SortFunc(columns, func(a, b logstorage.BlockColumn) int { return strings.Compare(a.Name, b.Name) })
		}
		for i := range b.Len() {
			if fields != nil {
				out.buffer = appendCSV(out.buffer, fields, func(j int) string { return valueOf(columns, fields[j], i) })
			} else {
				out.buffer = appendRow(out.buffer, columns, i)
			}
			if err := out.sendAt(sendAt); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return out.sendAt(0)
}

// csvFields are the columns of CSV: those that the query names, else those that its rows have.
func (q *request) csvFields(ctx context.Context) ([]string, error) {
	if fields, ok := q.prepared.Query.GetFixedFields(); ok {
		return fields, nil
	}
	found, err := q.store.FieldNames(ctx, q.prepared, "")
	if err != nil {
		return nil, err
	}
	fields := make([]string, 0, len(found))
	for _, f := range found {
		fields = append(fields, f.Value)
	}
	slices.Sort(fields)
	q.prepared.Query.AddPipeFields(fields)
	return fields, nil
}

// sender sends what it has collected.
type sender struct {
	w      http.ResponseWriter
	begin  func() // sets the headers
	begun  bool
	buffer []byte
}

// sendAt sends if there are so many bytes.
func (s *sender) sendAt(n int) error {
	if len(s.buffer) < n {
		return nil
	}
	if !s.begun {
		s.begin()
		s.begun = true
	}
	_, err := s.w.Write(s.buffer)
	s.buffer = s.buffer[:0]
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the client does not read: %w", context.DeadlineExceeded)
	}
	return err
}

// appendRow appends a row as JSON on a line; nothing for one without fields.
func appendRow(to []byte, columns []logstorage.BlockColumn, row int) []byte {
	begin := len(to)
	for i := range columns {
		to = appendField(to, len(to) == begin, columns[i].Name, columns[i].Values[row])
	}
	if len(to) == begin {
		return to
	}
	return append(to, "}\n"...)
}

func appendField(to []byte, first bool, name, value string) []byte {
	if value == "" {
		return to
	}
	if first {
		to = append(to, '{')
	} else {
		to = append(to, ',')
	}
	to = quicktemplate.AppendJSONString(to, name, true)
	to = append(to, ':')
	return quicktemplate.AppendJSONString(to, value, true)
}

func valueOf(columns []logstorage.BlockColumn, name string, row int) string {
	for i := range columns {
		if columns[i].Name == name {
			return columns[i].Values[row]
		}
	}
	return ""
}

// appendCSV appends a line. See RFC 4180, but for the end of the line.
func appendCSV(to []byte, fields []string, value func(int) string) []byte {
	for i := range fields {
		if i > 0 {
			to = append(to, ',')
		}
		v := value(i)
		if strings.ContainsAny(v, "\",\r\n") {
			v = `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
		}
		to = append(to, v...)
	}
	return append(to, '\n')
}
