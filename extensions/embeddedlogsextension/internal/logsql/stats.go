package logsql

import (
	"bytes"
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
	points, err := statistics.Of(ctx, q.store, q.prepared, labels, true, 0)
	if err != nil {
		return err
	}
	result := matrixOf(points)
	q.header(w)
	writeJSON(w, map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}})
	return nil
}

// rangeSeries is a series of a matrix.
type rangeSeries struct {
	Metric json.RawMessage `json:"metric"`
	Values [][2]any        `json:"values"`

	first  statistics.Point
	points []statistics.Point
}

// matrixOf groups points into series, in the order of the query's statistics, of names and of labels; the points of each are in the order of time.
func matrixOf(points []statistics.Point) []*rangeSeries {
	byKey := map[string]*rangeSeries{}
	result := []*rangeSeries{}
	var key []byte
	for _, p := range points {
		key = append(strconv.AppendInt(key[:0], int64(p.Place), 10), 0)
		key = append(append(key, p.Name...), 0)
		for _, l := range p.Labels {
			key = append(append(append(append(key, l.Name...), 0), l.Value...), 0)
		}
		of := byKey[string(key)]
		if of == nil {
			of = &rangeSeries{first: p, Metric: metricOf(&p)}
			byKey[string(key)] = of
			result = append(result, of)
		}
		of.points = append(of.points, p)
	}
	slices.SortFunc(result, func(a, b *rangeSeries) int {
		return cmp.Or(cmp.Compare(a.first.Place, b.first.Place), cmp.Compare(a.first.Name, b.first.Name), bytes.Compare(a.Metric, b.Metric))
	})
	for _, of := range result {
		slices.SortStableFunc(of.points, func(a, b statistics.Point) int { return cmp.Compare(a.Time, b.Time) })
		for i := range of.points {
			of.Values = append(of.Values, pairOf(&of.points[i]))
		}
	}
	return result
}

// stats is /select/logsql/stats_query: statistics at one time.
func stats(ctx context.Context, q *request, w http.ResponseWriter) error {
	labels, err := q.prepared.Query.GetStatsLabels()
	if err != nil {
		return badf("query: %w", err)
	}
	points, err := statistics.Of(ctx, q.store, q.prepared, labels, false, 0)
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
