package logsql

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/statistics"
)

// metricOf is a point's labels as JSON, in Prometheus' form and in the order of the query.
func metricOf(p *statistics.Point) json.RawMessage {
	var b strings.Builder
	write := func(name, value string) {
		n, _ := json.Marshal(name)  // a text
		v, _ := json.Marshal(value) // a text
		b.Write(n)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('{')
	write("__name__", p.Name)
	for _, l := range p.Labels {
		b.WriteByte(',')
		write(l.Name, l.Value)
	}
	b.WriteByte('}')
	return json.RawMessage(b.String())
}

// pairOf is the value as Prometheus' API has it.
func pairOf(p *statistics.Point) [2]any {
	return [2]any{json.Number(strconv.FormatFloat(float64(p.Time)/1e9, 'f', -1, 64)), p.Value}
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
	points, err := statistics.Of(ctx, q.store, q.prepared, labels, 0)
	if err != nil {
		return err
	}
	type matrix struct {
		Metric json.RawMessage `json:"metric"`
		Values [][2]any        `json:"values"`
	}
	slices.SortStableFunc(points, func(a, b statistics.Point) int {
		return cmp.Or(cmp.Compare(a.Place, b.Place), cmp.Compare(a.Name, b.Name), cmp.Compare(string(metricOf(&a)), string(metricOf(&b))), cmp.Compare(a.Time, b.Time))
	})
	result := []matrix{}
	for i := range points {
		metric := metricOf(&points[i])
		if n := len(result); n == 0 || string(result[n-1].Metric) != string(metric) {
			result = append(result, matrix{Metric: metric})
		}
		last := &result[len(result)-1]
		last.Values = append(last.Values, pairOf(&points[i]))
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
	points, err := statistics.Of(ctx, q.store, q.prepared, labels, 0)
	if err != nil {
		return err
	}
	type vector struct {
		Metric json.RawMessage `json:"metric"`
		Value  [2]any          `json:"value"`
	}
	result := []vector{}
	for i := range points {
		result = append(result, vector{metricOf(&points[i]), pairOf(&points[i])})
	}
	q.header(w)
	writeJSON(w, map[string]any{"status": "success", "data": map[string]any{"resultType": "vector", "result": result}})
	return nil
}
