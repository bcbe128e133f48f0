package store

import (
	"slices"
	"strings"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// order puts the fields of rows in the order that the engine sorts them into, so that its own sort finds them sorted. It sorts once for a run of rows
// that have the same names, and leaves the first row of a run as it is. The zero value is ready.
type order struct {
	names []string // of the row before
	at    []int    // where the fields of such rows are in the row; nil: not known yet
	out   []logstorage.Field
}

// of returns the fields in order. They are valid until the next call or until fields change.
func (o *order) of(fields []logstorage.Field) []logstorage.Field {
	if !o.same(fields) {
		o.names, o.at = o.names[:0], nil
		for i := range fields {
			o.names = append(o.names, fields[i].Name)
		}
		return fields
	}
	if o.at == nil {
		for i := range fields {
			o.at = append(o.at, i)
		}
		slices.SortFunc(o.at, func(i, j int) int { return strings.Compare(sortName(o.names[i]), sortName(o.names[j])) })
	}
	o.out = o.out[:0]
	for _, i := range o.at {
		o.out = append(o.out, fields[i])
	}
	return o.out
}

func (o *order) same(fields []logstorage.Field) bool {
	if len(fields) != len(o.names) {
		return false
	}
	for i := range fields {
		if fields[i].Name != o.names[i] {
			return false
		}
	}
	return true
}

// sortName is the name that the engine sorts a field by.
func sortName(name string) string {
	if name == Message {
		return ""
	}
	return name
}
