package jaegerapi

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

const (
	// mostNames bounds lists of services and of operations.
	mostNames = 10_000
	// mostKept is how many names of fields are remembered so that spans share them.
	mostKept = 10_000
	// traceSlack is how much earlier or later than the times of a search the other spans of a found trace may start.
	traceSlack = time.Hour
	// firstSlices is how many of the first slice a search's time has, slices grow by growth, and are no shorter than leastSlice.
	firstSlices = 64
	growth      = 4
	leastSlice  = time.Minute
)

// run runs a query over the client's spans.
func (r *request) run(ctx context.Context, text string, start, end time.Time, f func(*store.Block) error) error {
	return r.reader.Run(ctx, store.Query{Text: text, At: r.now, Start: start, End: end, Signal: store.Traces}, f)
}

// column returns the values of a field, empty ones where no row has it.
func column(b *store.Block, name string) []string {
	if values := b.Column(name); values != nil {
		return values
	}
	return make([]string, b.Len())
}

func services(ctx context.Context, r *request) (*Answer, error) {
	p, err := r.store.Prepare(store.Query{Text: "*", At: r.now, View: r.reader.View, Signal: store.Traces, MaxRead: r.reader.Most})
	if err != nil {
		return nil, err
	}
	found, err := r.store.StreamFieldValues(ctx, p, store.ServiceName, "", mostNames)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(found))
	for _, f := range found {
		names = append(names, f.Value)
	}
	slices.Sort(names)
	return &Answer{Data: names, Total: len(names), Errors: tooMany(len(names), "services")}, nil
}

func tooMany(n int, what string) []Error {
	if n < mostNames {
		return nil
	}
	return []Error{{Msg: fmt.Sprintf("there may be more than these %d %s", mostNames, what)}}
}

// findOperations returns the operations of a service, of a kind if it is named, by name and kind.
func findOperations(ctx context.Context, r *request, service, kind string) ([]Operation, error) {
	filter := serviceFilter(service)
	switch kind = strings.ToLower(kind); kind {
	case "":
	case "unspecified":
		filter += " " + is(store.Kind, "")
	default:
		filter += " " + is(store.Kind, kind)
	}
	all := []Operation{}
	err := r.run(ctx, fmt.Sprintf("%s | uniq by (%s, %s) limit %d", filter, store.Message, store.Kind, mostNames), time.Time{}, time.Time{}, func(b *store.Block) error {
		names, kinds := column(b, store.Message), column(b, store.Kind)
		for i := range b.Len() {
			if names[i] != "" {
				all = append(all, Operation{strings.Clone(names[i]), strings.Clone(kinds[i])})
			}
		}
		return nil
	})
	slices.SortFunc(all, func(a, b Operation) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.SpanKind, b.SpanKind)
	})
	return all, err
}

func operations(ctx context.Context, r *request) (*Answer, error) {
	service := r.form.Get("service")
	if service == "" {
		return nil, bad("parameter 'service' is required")
	}
	all, err := findOperations(ctx, r, service, r.form.Get("spanKind"))
	return &Answer{Data: all, Total: len(all), Errors: tooMany(len(all), "operations")}, err
}

// operationNames is operations of older clients.
func operationNames(ctx context.Context, r *request) (*Answer, error) {
	all, err := findOperations(ctx, r, r.PathValue("service"), "")
	names := []string{}
	for _, o := range all {
		names = append(names, o.Name)
	}
	names = slices.Compact(names)
	return &Answer{Data: names, Total: len(names), Errors: tooMany(len(all), "operations")}, err
}

func traces(ctx context.Context, r *request) (*Answer, error) {
	s, err := parseSearch(r.form, r.now)
	if err != nil {
		return nil, err
	}
	if len(s.ids) > 0 {
		return r.tracesOf(ctx, s.ids, s.start, s.end, true)
	}
	ids, err := r.newest(ctx, &s)
	if err != nil || len(ids) == 0 {
		return &Answer{Data: []*Trace{}}, err
	}
	return r.tracesOf(ctx, ids, s.start.Add(-traceSlack), s.end.Add(traceSlack), false)
}

func oneTrace(ctx context.Context, r *request) (*Answer, error) {
	id, err := parseTraceID(r.PathValue("id"))
	if err != nil {
		return nil, bad("%w", err)
	}
	start, end, err := parseRange(r.form)
	if err != nil {
		return nil, err
	}
	answer, err := r.tracesOf(ctx, []string{id}, start, end, false)
	if err == nil && len(answer.Data.([]*Trace)) == 0 {
		err = errNotFound
	}
	return answer, err
}

// newest returns the ids of the traces that a search finds, those with the newest such spans first. It looks at slices of the time from its end
// on, which grow, and stops when it has enough: so a search of a week costs what the newest hour does, where that has them.
func (r *request) newest(ctx context.Context, s *search) ([]string, error) {
	text := fmt.Sprintf("%s | stats by (%s) max(%s) last | sort by (last desc, %s) limit %d", s.filter(func(a string) string { return r.store.NameOf(store.Traces, a) }),
		store.TraceID, store.Time, store.TraceID, s.limit)
	var ids []string
	known := map[string]bool{}
	until := s.end.Add(1) // the end is within
	for width := max(s.end.Sub(s.start)/firstSlices, leastSlice); len(ids) < s.limit && until.After(s.start); width *= growth {
		from := until.Add(-width)
		if from.Before(s.start) {
			from = s.start
		}
		err := r.run(ctx, text, from, until, func(b *store.Block) error {
			for _, id := range column(b, store.TraceID) {
				if !known[id] && len(ids) < s.limit {
					id = strings.Clone(id)
					known[id] = true
					ids = append(ids, id)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		until = from
	}
	return ids, nil
}

// tracesOf returns the traces of ids in their order, as far as the client sees spans of them. miss names those of which there are none.
func (r *request) tracesOf(ctx context.Context, ids []string, start, end time.Time, miss bool) (*Answer, error) {
	if !end.IsZero() {
		end = end.Add(1)
	}
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = store.Quote(id)
	}
	c := newCollector(ids, mostSpans, mostBytes)
	names := map[string]string{}
	err := r.run(ctx, store.TraceID+":in("+strings.Join(quoted, ",")+")", start, end, func(b *store.Block) error { return collect(b, c, names) })
	if err != nil {
		return nil, err
	}
	found := make([]*Trace, 0, len(ids))
	answer := &Answer{}
	for i, id := range ids[:c.kept] {
		rows, partial := c.rowsOf(i)
		if len(rows) == 0 {
			if miss {
				answer.Errors = append(answer.Errors, Error{Msg: errNotFound.Error(), TraceID: showTraceID(id)})
			}
			continue
		}
		t := makeTrace(id, rows, func(name, value string, f func(store.Part, string, string)) {
			r.store.Each(store.Traces, name, value, f)
		})
		if partial {
			said := "the trace has " + strconv.Itoa(c.seen[i]) + " spans: these are the earliest " + strconv.Itoa(len(rows)) + "; an answer has at most " + bounds()
			t.Warnings = []string{said}
			t.Spans[0].Warnings = []string{said} // shown by clients that don't show those of a trace
			answer.Errors = append(answer.Errors, Error{Msg: said, TraceID: t.TraceID})
		}
		found = append(found, t)
	}
	if left := len(ids) - c.kept; left > 0 {
		answer.Errors = append(answer.Errors, Error{Msg: fmt.Sprintf("%d more traces were found and are left out: an answer has at most %s; ask for fewer (limit)", left, bounds())})
	}
	answer.Data = found
	return answer, nil
}

func bounds() string { return fmt.Sprintf("%d spans and %d MiB", mostSpans, mostBytes>>20) }

// collect adds the rows of a block; names are those of fields, which the rows share.
func collect(b *store.Block, c *collector, names map[string]string) error {
	times, _ := b.Times()
	columns := b.Columns()
	if len(names) > mostKept { // of a sender who never repeats one
		clear(names)
	}
	for _, col := range columns {
		if _, ok := names[col.Name]; !ok {
			name := strings.Clone(col.Name)
			names[name] = name
		}
	}
	columns = slices.Clone(columns)
	slices.SortFunc(columns, func(a, b logstorage.BlockColumn) int { return strings.Compare(a.Name, b.Name) })
	ids, spans := column(b, store.TraceID), column(b, store.SpanID)
	for i := range b.Len() {
		if !c.wants(ids[i]) {
			continue
		}
		r := &row{time: times[i], span: strings.Clone(spans[i]), bytes: rowCost}
		for _, col := range columns {
			if value := col.Values[i]; value != "" && !skipped[col.Name] {
				r.fields = append(r.fields, field{names[col.Name], strings.Clone(value)})
				r.bytes += fieldCost + len(value)
			}
		}
		c.add(ids[i], r)
	}
	return nil
}

// skipped are fields that say the same as others.
var skipped = map[string]bool{store.Time: true, store.Stream: true, store.StreamID: true, store.TraceID: true}
