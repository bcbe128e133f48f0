package logsql

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// point is a value of a statistic.
type point struct {
	name   string // of the statistic
	place  int    // among the statistics of the query
	labels []label
	time   int64
	value  string
}

type label struct{ name, value string }

// metric is a point's labels as JSON, in Prometheus' form and in the order of the query.
func (p *point) metric() json.RawMessage {
	var b strings.Builder
	write := func(name, value string) {
		n, _ := json.Marshal(name)  // a text
		v, _ := json.Marshal(value) // a text
		b.Write(n)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('{')
	write("__name__", p.name)
	for _, l := range p.labels {
		b.WriteByte(',')
		write(l.name, l.value)
	}
	b.WriteByte('}')
	return json.RawMessage(b.String())
}

// pair is the value as Prometheus' API has it.
func (p *point) pair() [2]any {
	return [2]any{json.Number(strconv.FormatFloat(float64(p.time)/1e9, 'f', -1, 64)), p.value}
}

// statsRange is /select/logsql/stats_query_range: statistics for each step.
func statsRange(ctx context.Context, q *request, w http.ResponseWriter) error {
	step, offset, err := q.step()
	if err != nil {
		return err
	}
	labels, err := q.prepared.Query.GetStatsLabelsAddGroupingByTime(step, offset)
	if err != nil {
		return badf("query: %w", err)
	}
	points, err := q.points(ctx, labels)
	if err != nil {
		return err
	}
	type matrix struct {
		Metric json.RawMessage `json:"metric"`
		Values [][2]any        `json:"values"`
	}
	slices.SortStableFunc(points, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.name, b.name), cmp.Compare(string(a.metric()), string(b.metric())), cmp.Compare(a.time, b.time))
	})
	result := []matrix{}
	for i := range points {
		metric := points[i].metric()
		if n := len(result); n == 0 || string(result[n-1].Metric) != string(metric) {
			result = append(result, matrix{Metric: metric})
		}
		last := &result[len(result)-1]
		last.Values = append(last.Values, points[i].pair())
	}
	q.header(w)
	writeJSON(w, map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}})
	return nil
}

// stats is /select/logsql/stats_query: statistics at one time.
func stats(ctx context.Context, q *request, w http.ResponseWriter) error {
	labels, err := q.prepared.Query.GetStatsLabels()
	if err != nil {
		return badf("query: %w", err)
	}
	points, err := q.points(ctx, labels)
	if err != nil {
		return err
	}
	type vector struct {
		Metric json.RawMessage `json:"metric"`
		Value  [2]any          `json:"value"`
	}
	result := []vector{}
	for i := range points {
		result = append(result, vector{points[i].metric(), points[i].pair()})
	}
	q.header(w)
	writeJSON(w, map[string]any{"status": "success", "data": map[string]any{"resultType": "vector", "result": result}})
	return nil
}

// points runs the query. Columns that are no labels are statistics; a histogram is one for each of its buckets.
func (q *request) points(ctx context.Context, labelNames []string) ([]point, error) {
	var points []point
	err := q.store.RunPrepared(ctx, q.prepared, func(b *store.Block) error {
		columns := b.Columns()
		for i := range b.Len() {
			at := q.prepared.Query.GetTimestamp()
			var labels []label
			for _, c := range columns {
				switch {
				case c.Name == store.Time:
					if t, ok := logstorage.TryParseTimestampRFC3339Nano(c.Values[i]); ok {
						at = t
					}
				case slices.Contains(labelNames, c.Name):
					labels = append(labels, label{strings.Clone(c.Name), strings.Clone(c.Values[i])})
				}
			}
			place := 0
			for _, c := range columns {
				if c.Name != store.Time && !slices.Contains(labelNames, c.Name) {
					points = appendStatistic(points, point{strings.Clone(c.Name), place, labels, at, strings.Clone(c.Values[i])})
					place++
				}
			}
		}
		return nil
	})
	return points, err
}

// bucket is one of a histogram's, as the engine writes them.
type bucket struct {
	Range string `json:"vmrange"`
	Hits  uint64 `json:"hits"`
}

func appendStatistic(to []point, p point) []point {
	var buckets []bucket
	if p.value != "[]" && !strings.HasPrefix(p.value, `[{"vmrange":`) || json.Unmarshal([]byte(p.value), &buckets) != nil {
		return append(to, p)
	}
	for _, b := range buckets {
		one := p
		one.name = p.name + "_bucket"
		one.labels = append(slices.Clone(p.labels), label{"vmrange", b.Range})
		one.value = strconv.FormatUint(b.Hits, 10)
		to = append(to, one)
	}
	return to
}
