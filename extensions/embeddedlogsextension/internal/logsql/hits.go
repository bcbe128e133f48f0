package logsql

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/stringsutil"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// mostBuckets bounds the steps of one series: what a client gets grows with their number times that of its series.
const mostBuckets = 50_000

// series are hits over time of rows that have the same fields.
type series struct {
	fields json.RawMessage
	hits   map[int64]uint64
	total  uint64
}

type seriesJSON struct {
	Fields     json.RawMessage `json:"fields"`
	Timestamps []string        `json:"timestamps"`
	Values     []uint64        `json:"values"`
	Total      uint64          `json:"total"`
}

// hits is /select/logsql/hits: how many rows there are in each step, by fields if any are named.
func hits(ctx context.Context, q *request, w http.ResponseWriter) error {
	step, offset, err := q.step()
	if err != nil {
		return err
	}
	top, err := q.number("fields_limit")
	if err != nil {
		return err
	}
	q.prepared.Query.AddCountByTimePipe(step, offset, q.Form["field"])
	all := map[string]*series{}
	err = q.store.RunPrepared(ctx, q.prepared, func(b *store.Block) error {
		columns := b.Columns()
		last := len(columns) - 1
		for i := range b.Len() {
			t, ok := logstorage.TryParseTimestampRFC3339Nano(columns[0].Values[i])
			n, err := strconv.ParseUint(columns[last].Values[i], 10, 64)
			if !ok || err != nil {
				return fmt.Errorf("hits at %q: %q", columns[0].Values[i], columns[last].Values[i])
			}
			key := fieldsJSON(columns[1:last], i)
			s := all[key]
			if s == nil {
				s = &series{fields: json.RawMessage(key), hits: map[int64]uint64{}}
				all[key] = s
			}
			s.hits[t] += n
			s.total += n
		}
		return nil
	})
	if err != nil {
		return err
	}
	all = topSeries(all, top)
	if err := fill(all, q.start, q.end, step, offset); err != nil {
		return err
	}
	out := []seriesJSON{}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		s := all[key]
		one := seriesJSON{Fields: s.fields, Timestamps: []string{}, Values: []uint64{}, Total: s.total}
		for _, t := range slices.Sorted(maps.Keys(s.hits)) {
			one.Timestamps, one.Values = append(one.Timestamps, formatTime(t)), append(one.Values, s.hits[t])
		}
		out = append(out, one)
	}
	q.header(w)
	writeJSON(w, map[string]any{"hits": out})
	return nil
}

// fieldsJSON is an object of a row's fields, empty ones among them.
func fieldsJSON(columns []logstorage.BlockColumn, row int) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, c := range columns {
		if i > 0 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(c.Name)         // a text
		value, _ := json.Marshal(c.Values[row]) // a text
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.String()
}

// topSeries keeps the series with the most hits; the sum of the others has no fields. n 0: all.
func topSeries(all map[string]*series, n int) map[string]*series {
	if n == 0 || len(all) <= n {
		return all
	}
	keys := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(cmp.Compare(all[b].total, all[a].total), cmp.Compare(a, b))
	})
	kept := map[string]*series{}
	for _, k := range keys[:n] {
		kept[k] = all[k]
	}
	others := &series{fields: json.RawMessage("{}"), hits: map[int64]uint64{}}
	for _, k := range keys[n:] {
		others.total += all[k].total
		for t, hits := range all[k].hits {
			others.hits[t] += hits
		}
	}
	kept["{}"] = others
	return kept
}

// fill gives each series a zero for each step in which it has no rows.
func fill(all map[string]*series, start, end, step, offset int64) error {
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for _, s := range all {
		for t := range s.hits {
			first, last = min(first, t), max(last, t)
		}
	}
	if first > last {
		return nil
	}
	if start != math.MinInt64 {
		first, _ = wholeSteps(start, start, step, offset)
	}
	if end != math.MaxInt64 {
		last = end
	}
	if n := (last - first) / step; n > mostBuckets || n < 0 {
		return &store.CostError{What: "steps", Cost: n, Most: mostBuckets}
	}
	for _, s := range all {
		for t := first; t <= last; t += step {
			if _, ok := s.hits[t]; !ok {
				s.hits[t] = 0
			}
		}
	}
	return nil
}

type facetJSON struct {
	FieldName string           `json:"field_name"`
	Values    []facetValueJSON `json:"values"`
}

type facetValueJSON struct {
	FieldValue string      `json:"field_value"`
	Hits       json.Number `json:"hits"`
}

// facets is /select/logsql/facets: the most frequent values of each field.
func facets(ctx context.Context, q *request, w http.ResponseWriter) error {
	var n [3]int
	for i, name := range []string{"limit", "max_values_per_field", "max_value_len"} {
		var err error
		if n[i], err = q.number(name); err != nil {
			return err
		}
	}
	keep, _ := strconv.ParseBool(q.FormValue("keep_const_fields"))
	q.prepared.Query.AddFacetsPipe(n[0], n[1], n[2], keep)
	found := map[string][]facetValueJSON{}
	err := q.store.RunPrepared(ctx, q.prepared, func(b *store.Block) error {
		columns := b.Columns()
		if len(columns) != 3 {
			return fmt.Errorf("facets have %d columns", len(columns))
		}
		for i := range b.Len() {
			name := columns[0].Values[i]
			found[strings.Clone(name)] = append(found[name], facetValueJSON{strings.Clone(columns[1].Values[i]), json.Number(strings.Clone(columns[2].Values[i]))})
		}
		return nil
	})
	if err != nil {
		return err
	}
	all := []facetJSON{}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		values := found[name]
		slices.SortFunc(values, func(a, b facetValueJSON) int {
			switch {
			case a.Hits == b.Hits:
				return cmp.Compare(a.FieldValue, b.FieldValue)
			case stringsutil.LessNatural(string(b.Hits), string(a.Hits)):
				return -1
			}
			return 1
		})
		all = append(all, facetJSON{name, values})
	}
	q.header(w)
	writeJSON(w, map[string]any{"facets": all})
	return nil
}
