package logsql

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

type valueJSON struct {
	Value string `json:"value"`
	Hits  uint64 `json:"hits"`
}

// answerHits answers with values and how many rows have each.
func answerHits(q *request, w http.ResponseWriter, all []store.Hit, err error) error {
	if err != nil {
		return err
	}
	values := make([]valueJSON, 0, len(all))
	for _, h := range all {
		values = append(values, valueJSON{h.Value, h.Hits})
	}
	q.header(w)
	writeJSON(w, map[string]any{"values": values})
	return nil
}

func fieldNames(ctx context.Context, q *request, w http.ResponseWriter) error {
	all, err := q.store.FieldNames(ctx, q.prepared, q.FormValue("filter"))
	return answerHits(q, w, all, err)
}

func fieldValues(ctx context.Context, q *request, w http.ResponseWriter) error {
	return q.values(ctx, w, q.store.FieldValues)
}

func streamFieldNames(ctx context.Context, q *request, w http.ResponseWriter) error {
	all, err := q.store.StreamFieldNames(ctx, q.prepared, q.FormValue("filter"))
	return answerHits(q, w, all, err)
}

func streamFieldValues(ctx context.Context, q *request, w http.ResponseWriter) error {
	return q.values(ctx, w, q.store.StreamFieldValues)
}

// values answers with those of the parameter field.
func (q *request) values(ctx context.Context, w http.ResponseWriter, ask func(context.Context, *store.Prepared, string, string, uint64) ([]store.Hit, error)) error {
	field := q.FormValue("field")
	if field == "" {
		return badf("field: it must not be empty")
	}
	limit, err := q.number("limit")
	if err != nil {
		return err
	}
	all, err := ask(ctx, q.prepared, field, q.FormValue("filter"), uint64(limit))
	return answerHits(q, w, all, err)
}

func streams(ctx context.Context, q *request, w http.ResponseWriter) error {
	limit, err := q.number("limit")
	if err != nil {
		return err
	}
	all, err := q.store.Streams(ctx, q.prepared, uint64(limit))
	return answerHits(q, w, all, err)
}

func streamIDs(ctx context.Context, q *request, w http.ResponseWriter) error {
	limit, err := q.number("limit")
	if err != nil {
		return err
	}
	all, err := q.store.FieldValues(ctx, q.prepared, store.StreamID, "", uint64(limit))
	return answerHits(q, w, all, err)
}

// timeRange says which time a query selects by itself, now, and where it says nothing, which one the request does.
func timeRange(_ context.Context, q *request, w http.ResponseWriter) error {
	p, err := q.store.Prepare(store.Query{Text: q.FormValue("query"), At: q.began})
	if err != nil {
		return err
	}
	start, end := p.Query.GetFilterTimeRange()
	own := start != math.MinInt64 || end != math.MaxInt64
	if start == math.MinInt64 {
		start = q.start
	}
	if end == math.MaxInt64 && q.end != math.MaxInt64 {
		end = q.end + 1
	}
	writeJSON(w, map[string]any{"start": formatTime(start), "end": formatTime(end), "hasTimeFilter": own})
	return nil
}

func formatTime(t int64) string { return time.Unix(0, t).UTC().Format(time.RFC3339Nano) }
