package searchapi

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

const (
	defaultSize = 100
	mostSize    = 1000
	// mostHits bounds the texts of the hits.
	mostHits = 32 << 20
)

// searchRequest is the body of /api/v1/logs/search.
type searchRequest struct {
	// Query is LogsQL without pipes: words, "phrases", field:value. Empty: all.
	Query string `json:"query"`
	// TimeRange is when the records happened.
	TimeRange timeRange `json:"time_range"`
	// Size is how many hits are returned, newest first; absent: 100.
	Size *int `json:"size"`
	// Filters are values that fields must have exactly: a text, a number, a truth value, or a list, one of which it must be.
	Filters map[string]any `json:"filters"`
}

// hit is a log record.
type hit struct {
	Timestamp  string            `json:"timestamp"`
	Body       string            `json:"body"`
	Attributes map[string]string `json:"attributes"`
	Resource   map[string]string `json:"resource"`
	TraceID    string            `json:"trace_id"`
	SpanID     string            `json:"span_id,omitempty"`
	Level      string            `json:"level,omitempty"`

	time int64
}

type searchAnswer struct {
	Total int64 `json:"total"`
	Hits  []hit `json:"hits"`
	Took  int64 `json:"took_ms"`
}

func (a *API) search(ctx context.Context, r *request) (any, error) {
	var q searchRequest
	if err := r.decode(&q); err != nil {
		return nil, err
	}
	filter, err := a.filter("query", q.Query, q.Filters)
	if err != nil {
		return nil, err
	}
	start, end, err := q.TimeRange.bounds(r.began)
	if err != nil {
		return nil, err
	}
	size := defaultSize
	if q.Size != nil {
		size = *q.Size
	}
	if size < 0 || size > mostSize {
		return nil, bad("size: %d is not between 0 and %d", size, mostSize)
	}
	answer := searchAnswer{Hits: []hit{}}
	err = r.run(ctx, filter+" | stats count() total", start, end, func(b *store.Block) error {
		for _, v := range column(b, "total") {
			answer.Total, _ = strconv.ParseInt(v, 10, 64)
		}
		return nil
	})
	if err == nil && size > 0 && answer.Total > 0 {
		answer.Hits, err = r.hits(ctx, filter, start, end, size)
	}
	answer.Took = time.Since(r.began).Milliseconds()
	return answer, err
}

// filter is LogsQL for a query and exact values.
func (a *API) filter(name, query string, exact map[string]any) (string, error) {
	if err := a.Bounds.CheckLength(name, query); err != nil {
		return "", err
	}
	if strings.TrimSpace(query) == "" {
		query = "*"
	}
	if err := store.CheckFilter(query); err != nil {
		return "", bad("%s: it must be LogsQL without pipes: %w", name, err)
	}
	parts := []string{"(" + query + "\n)"} // a comment ends with its line
	for _, field := range slices.Sorted(maps.Keys(exact)) {
		values, ok := exact[field].([]any)
		if !ok {
			values = []any{exact[field]}
		}
		var quoted []string
		for _, v := range values {
			switch v.(type) {
			case string, json.Number, bool:
				quoted = append(quoted, store.Quote(textOf(v)))
			default:
				return "", bad("filters: a value of %q is neither a text nor a number nor a truth value", field)
			}
		}
		if len(quoted) == 0 {
			return "", bad("filters: %q has no value", field)
		}
		parts = append(parts, store.Quote(field)+":in("+strings.Join(quoted, ",")+")")
	}
	text := strings.Join(parts, " ")
	if err := store.CheckFilter(text); err != nil { // a query that ends with a semicolon is a filter alone, but not within brackets
		return "", bad("%s: %w", name, err)
	}
	return text, nil
}

// textOf writes a value as the store does: whole numbers keep all their digits.
func textOf(v any) string {
	if n, ok := v.(json.Number); ok {
		if _, err := n.Int64(); err == nil {
			return n.String()
		}
		if f, err := n.Float64(); err == nil {
			return pcommon.NewValueDouble(f).AsString()
		}
	}
	return fmt.Sprint(v)
}

func (r *request) run(ctx context.Context, text string, start, end time.Time, f func(*store.Block) error) error {
	return r.reader.Run(ctx, store.Query{Text: text, At: r.began, Start: start, End: end, Signal: store.Logs}, f)
}

// column returns the values of a field, empty ones where no row has it.
func column(b *store.Block, name string) []string {
	if values := b.Column(name); values != nil {
		return values
	}
	return make([]string, b.Len())
}

// hits returns the newest records.
func (r *request) hits(ctx context.Context, filter string, start, end time.Time, size int) ([]hit, error) {
	hits, held := []hit{}, 0
	err := r.run(ctx, fmt.Sprintf("%s | sort by (%s desc) limit %d", filter, store.Time, size), start, end, func(b *store.Block) error {
		columns := b.Columns()
		for i := range b.Len() {
			h := hit{Attributes: map[string]string{}, Resource: map[string]string{}}
			for _, c := range columns {
				if c.Values[i] != "" {
					held += len(c.Name) + len(c.Values[i])
					r.put(&h, c.Name, c.Values[i])
				}
			}
			if held > mostHits {
				return &store.CostError{What: "bytes of hits (ask for fewer: size)", Cost: int64(held), Most: mostHits}
			}
			hits = append(hits, h)
		}
		return nil
	})
	slices.SortStableFunc(hits, func(a, b hit) int { return int(min(1, max(-1, b.time-a.time))) })
	return hits, err
}

func (r *request) put(h *hit, field, value string) {
	value = strings.Clone(value)
	switch field {
	case store.Time:
		h.Timestamp = value
		if t, err := time.Parse(time.RFC3339Nano, value); err == nil {
			h.time = t.UnixNano()
		}
	case store.Message:
		h.Body = value
	case store.TraceID:
		h.TraceID = value
	case store.SpanID:
		h.SpanID = value
	case store.Level:
		h.Level = value
	default:
		r.store.Each(store.Logs, field, value, func(part store.Part, name, value string) {
			switch part {
			case store.Attribute:
				h.Attributes[strings.Clone(name)] = value
			case store.Resource:
				h.Resource[strings.Clone(name)] = value
			case store.Own, store.Scope, store.Copied:
			}
		})
	}
}
