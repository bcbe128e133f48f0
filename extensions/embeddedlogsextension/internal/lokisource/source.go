// Package lokisource reads the store as LogQL's evaluator wants it.
package lokisource

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlengine"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/lokiview"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// Source is what a client may read of a store.
type Source struct {
	Store   *store.Store
	View    store.View
	Hidden  []string
	MaxRead int64
}

var _ logqlengine.Source = (*Source)(nil)

func (s *Source) query(text string, from, to int64) store.Query {
	return store.Query{
		Text: text, Start: time.Unix(0, from), End: time.Unix(0, to), View: s.View, Signal: store.Logs, Hidden: s.Hidden, MaxRead: s.MaxRead,
	}
}

// Select reads rows of any order.
func (s *Source) Select(ctx context.Context, selection logqlengine.Selection, each func(*logqlpipeline.Entry) error) error {
	text, none, err := s.filter(ctx, &selection)
	if err != nil || none {
		return err
	}
	detector := lokiview.NewLevelDetector()
	if selection.Needed != nil && !slices.Contains(selection.Needed, lokiview.DetectedLevelLabel) {
		detector = nil
	}
	q := s.query(text, selection.From, selection.To)
	if selection.Placed {
		q.Hidden = nil // parts of it are no labels, whatever is hidden
	}
	return refused(s.Store.Run(ctx, q, func(b *store.Block) error {
		times, ok := b.Times()
		if !ok {
			return nil
		}
		offsets, indexes := b.Column(store.OffsetField), b.Column(store.IndexField)
		rows := s.rows(b, detector)
		lines := b.Column(store.Message)
		for i := range b.Len() {
			if !matches(selection.Matchers, rows.Stream(i)) {
				continue
			}
			line := ""
			if lines != nil {
				line = lines[i]
			}
			entry := rows.Entry(i, times[i], line)
			entry.Place = logqlpipeline.Place{Offset: number(offsets, i), Index: number(indexes, i)}
			if err := each(entry); err != nil {
				return err
			}
		}
		return nil
	}))
}

// number is 0 where a row has none.
func number(column []string, i int) int64 {
	if column == nil {
		return 0
	}
	n, _ := strconv.ParseInt(column[i], 10, 64)
	return n
}

// refused gives the refusals of the store the name that those of queries have.
func refused(err error) error {
	if cost, ok := errors.AsType[*store.CostError](err); ok {
		return logqlengine.TooMuch("max_read", cost.Error())
	}
	return err
}

func matches(matchers []logql.Matcher, stream logqlpipeline.Labels) bool {
	for i := range matchers {
		if m := &matchers[i]; !m.Matches(stream.Value(m.Name)) {
			return false
		}
	}
	return true
}

// rows tells the fields of a block apart.
func (s *Source) rows(b *store.Block, detector *lokiview.LevelDetector) *lokiview.Rows {
	var columns []lokiview.Column
	var level []string
	for _, c := range b.Columns() {
		if c.Name == store.Level {
			level = c.Values
			continue
		}
		if part, name, ok := s.part(c.Name); ok {
			columns = append(columns, lokiview.Column{Part: part, Name: name, Values: c.Values})
		}
	}
	return lokiview.NewRows(columns, level, detector)
}

// part is false for fields that Loki knows nothing of.
func (s *Source) part(field string) (lokiview.Part, string, bool) {
	switch field {
	case store.ScopeName:
		return lokiview.ScopeName, "scope_name", true
	case store.ScopeVersion:
		return lokiview.ScopeName, "scope_version", true
	case store.SeverityText, store.SeverityNum, store.TraceID, store.SpanID, store.EventName:
		return lokiview.Record, field, true
	}
	if strings.HasPrefix(field, "_") || strings.HasPrefix(field, "penstock_") {
		return 0, "", false
	}
	switch part, name := s.Store.Split(store.Logs, field); part {
	case store.Attribute:
		return lokiview.Attribute, name, true
	case store.Scope:
		return lokiview.ScopeAttribute, name, true
	case store.Resource:
		return lokiview.Resource, name, true
	}
	return 0, "", false
}

// streamFields are the fields that make the labels of streams.
func streamFields() []string {
	fields := []string{store.Level}
	for _, name := range []string{lokiview.ServiceName, lokiview.ServiceNamespace, lokiview.Environment} {
		for _, attribute := range lokiview.From[name] {
			fields = append(fields, resource(attribute))
		}
	}
	return fields
}

func resource(attribute string) string { return "resource." + attribute }

// Streams counts the lines and bytes of each stream.
func (s *Source) Streams(ctx context.Context, selection logqlengine.Selection, each func(logqlengine.Stream) error) error {
	text := and(matcherFilters(selection.Matchers))
	quoted := make([]string, 0, len(streamFields()))
	for _, f := range streamFields() {
		quoted = append(quoted, store.Quote(f))
	}
	text += " | stats by (" + strings.Join(quoted, ", ") + ") count() as entries, sum_len(" + store.Message + ") as bytes"
	found := map[string]*logqlengine.Stream{}
	var order []string
	err := s.Store.Run(ctx, s.query(text, selection.From, selection.To), func(b *store.Block) error {
		rows := s.rows(b, nil)
		entries, bytes := b.Column("entries"), b.Column("bytes")
		for i := range b.Len() {
			labels := rows.Stream(i)
			if !matches(selection.Matchers, labels) {
				continue
			}
			key := labels.Key()
			if found[key] == nil {
				found[key] = &logqlengine.Stream{Labels: labels.Clone()}
				order = append(order, key)
			}
			n, _ := strconv.ParseInt(entries[i], 10, 64)
			size, _ := strconv.ParseFloat(bytes[i], 64)
			found[key].Entries += n
			found[key].Bytes += int64(size)
		}
		return nil
	})
	for _, key := range order {
		if err != nil {
			break
		}
		err = each(*found[key])
	}
	return refused(err)
}

func and(filters []string) string {
	if len(filters) == 0 {
		return "*"
	}
	return strings.Join(filters, " ")
}

// matcherFilters are LogsQL for the matchers that need a value. The others drop little, and rows are compared again.
func matcherFilters(matchers []logql.Matcher) []string {
	var filters []string
	for i := range matchers {
		m := &matchers[i]
		if m.Matches("") {
			continue
		}
		var fields []string
		if m.Name == lokiview.Level {
			fields = []string{store.Level}
		}
		for _, attribute := range lokiview.From[m.Name] {
			fields = append(fields, resource(attribute))
		}
		if m.Name == lokiview.ServiceName && m.Matches("unknown_service") {
			fields = []string{store.ServiceName} // which has the word where the resource has no name
		}
		filters = append(filters, any(fields, m))
	}
	return filters
}

// any is that one of the fields has a value that the matcher, which needs a value, takes.
func any(fields []string, m *logql.Matcher) string {
	parts := make([]string, len(fields))
	for i, f := range fields {
		switch m.Op {
		case "=":
			parts[i] = store.Quote(f) + ":=" + store.Quote(m.Value)
		case "=~":
			parts[i] = store.Quote(f) + ":~" + store.Quote("^(?s:"+m.Value+")$")
		default:
			parts[i] = store.Quote(f) + ":*"
		}
	}
	if len(parts) == 0 {
		return "!*"
	}
	return "(" + strings.Join(parts, " or ") + ")"
}

// without leaves out what Loki knows nothing of. The engine skips rows whose _stream is asked for while its index of streams does not show it yet,
// which takes longer than rows take.
func without(selection *logqlengine.Selection) string {
	fields := []string{store.Stream, store.StreamID, store.LogField, store.TenantField}
	if !selection.Placed {
		fields = append(fields, store.OffsetField, store.IndexField)
	}
	return " | delete " + strings.Join(fields, ", ")
}

// filter is LogsQL that selects at least what the selection does. none: nothing can be selected.
func (s *Source) filter(ctx context.Context, selection *logqlengine.Selection) (text string, none bool, err error) {
	filters := matcherFilters(selection.Matchers)
	for _, l := range selection.Lines {
		if f := lineFilter(l); f != "" {
			filters = append(filters, f)
		}
	}
	hints := slices.DeleteFunc(slices.Clone(selection.Labels), func(m *logql.Matcher) bool {
		return m.Matches("") || m.Name == lokiview.DetectedLevelLabel || m.Op != "=" && m.Op != "=~"
	})
	if len(hints) == 0 && selection.Needed == nil {
		return and(filters) + without(selection), false, nil
	}
	byLabel, err := s.fieldsByLabel(ctx, and(filters), selection)
	if err != nil {
		return "", false, err
	}
	for _, m := range hints {
		fields := fieldsOf(byLabel, m.Name)
		if len(fields) == 0 {
			return "", true, nil
		}
		filters = append(filters, any(fields, m))
	}
	if selection.Needed != nil {
		return and(filters) + " | fields " + fieldList(byLabel, selection), false, nil
	}
	return and(filters) + without(selection), false, nil
}

// fieldsByLabel are the fields of the selected rows, by the labels that they are in Loki.
func (s *Source) fieldsByLabel(ctx context.Context, text string, selection *logqlengine.Selection) (map[string][]string, error) {
	p, err := s.Store.Prepare(s.query(text, selection.From, selection.To))
	if err != nil {
		return nil, err
	}
	names, err := s.Store.FieldNames(ctx, p, "")
	if err != nil {
		return nil, refused(err)
	}
	byLabel := map[string][]string{lokiview.Level: {store.Level}}
	for _, f := range names {
		if _, name, ok := s.part(f.Value); ok {
			label := lokiview.Name(name)
			byLabel[label] = append(byLabel[label], f.Value)
		}
	}
	for label, attributes := range lokiview.From {
		for _, attribute := range attributes {
			byLabel[label] = append(byLabel[label], resource(attribute))
		}
	}
	return byLabel, nil
}

var numbered = regexp.MustCompile(`_[0-9]+$`)

// fieldsOf are the fields that may be a label, which may be the second or an _extracted one of its name.
func fieldsOf(byLabel map[string][]string, label string) []string {
	plain := strings.TrimSuffix(label, "_extracted")
	fields := slices.Clone(byLabel[label])
	for _, name := range []string{plain, numbered.ReplaceAllString(plain, "")} {
		for _, f := range byLabel[name] {
			if !slices.Contains(fields, f) {
				fields = append(fields, f)
			}
		}
	}
	return fields
}

func fieldList(byLabel map[string][]string, selection *logqlengine.Selection) string {
	fields := append([]string{store.Time, store.Message}, streamFields()...)
	if selection.Placed {
		fields = append(fields, store.OffsetField, store.IndexField)
	}
	for _, label := range selection.Needed {
		for _, f := range fieldsOf(byLabel, label) {
			if !slices.Contains(fields, f) {
				fields = append(fields, f)
			}
		}
	}
	if slices.Contains(selection.Needed, lokiview.DetectedLevelLabel) {
		fields = append(fields, store.SeverityNum, store.SeverityText)
	}
	for i, f := range fields {
		fields[i] = store.Quote(f)
	}
	return strings.Join(slices.Compact(fields), ", ")
}

// lineFilter is empty for what LogsQL is not asked to do.
func lineFilter(f *logql.LineFilter) string {
	if f.Op != "|=" && f.Op != "|~" && f.Op != "!=" {
		return ""
	}
	var parts []string
	for _, a := range f.Alternatives {
		if a.IP {
			return ""
		}
		expression := a.Text
		if f.Op != "|~" {
			expression = regexp.QuoteMeta(a.Text)
		}
		if re, err := logql.CompileRegexp(expression); err != nil || re.MatchString("") {
			return ""
		}
		parts = append(parts, store.Message+":~"+store.Quote(expression))
	}
	text := "(" + strings.Join(parts, " or ") + ")"
	if f.Op == "!=" {
		return "!" + text
	}
	return text
}
