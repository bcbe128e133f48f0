package lokiapi

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlengine"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
)

// categorize is what a client writes into this header to get the categories of labels apart.
const (
	flagsHeader = "X-Loki-Response-Encoding-Flags"
	categorize  = "categorize-labels"
)

type result struct {
	Type   string   `json:"resultType"`
	Result any      `json:"result"`
	Flags  []string `json:"encodingFlags,omitempty"`
	Stats  stats    `json:"stats"`
}

func (r *request) categorized() bool {
	return strings.Contains(strings.Join(r.Header.Values(flagsHeader), ","), categorize)
}

func (a *API) query(r *request) (any, error) {
	text := r.Form.Get("query")
	e, err := r.parse(text)
	if err != nil {
		return nil, err
	}
	at, err := r.moment("time", r.now)
	if err != nil {
		return nil, err
	}
	series, scalar, s, err := r.engine.Instant(r.Context(), text, e, at.UnixNano())
	if err != nil {
		return nil, err
	}
	if scalar {
		return succeeded(result{Type: "scalar", Result: point(series[0].Points[0]), Stats: statsOf(s)}), nil
	}
	samples := make([]sample, len(series))
	for i, s := range series {
		samples[i] = sample{Metric: s.Labels.Map(), Value: point(s.Points[0])}
	}
	return succeeded(result{Type: "vector", Result: samples, Stats: statsOf(s)}), nil
}

type sample struct {
	Metric map[string]string `json:"metric"`
	Value  point             `json:"value"`
}

type matrix struct {
	Metric map[string]string `json:"metric"`
	Values []point           `json:"values"`
}

// point is written as [seconds, "value"].
type point logqlengine.Point

func (p point) MarshalJSON() ([]byte, error) {
	out := append([]byte(nil), '[')
	millis := p.Nanos / int64(time.Millisecond)
	out = strconv.AppendInt(out, millis/1000, 10)
	if rest := millis % 1000; rest > 0 {
		out = append(out, '.')
		out = append(out, strings.TrimRight(strconv.FormatInt(1000+rest, 10)[1:], "0")...)
	}
	out = append(out, ',', '"')
	out = append(out, number(p.Value)...)
	return append(out, '"', ']'), nil
}

func number(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func (a *API) queryRange(r *request) (any, error) {
	text := r.Form.Get("query")
	start, end, err := r.bounds()
	if err != nil {
		return nil, err
	}
	e, err := r.parse(text)
	if err != nil {
		return nil, err
	}
	if q, ok := e.(*logql.LogQuery); ok {
		return a.lines(r, text, q, start, end)
	}
	step, err := r.duration("step", defaultStep(start, end))
	if err != nil {
		return nil, err
	}
	from, to := aligned(start.UnixNano(), end.UnixNano(), int64(step))
	series, s, err := r.engine.Range(r.Context(), text, e, from, to, step)
	if err != nil {
		return nil, err
	}
	return succeeded(result{Type: "matrix", Result: matrices(series), Stats: statsOf(s)}), nil
}

// aligned moves both to multiples of the step, outwards, as Loki does.
func aligned(start, end, step int64) (from, to int64) {
	if step <= 0 {
		return start, end
	}
	from, to = start-start%step, end-end%step
	if from > start {
		from -= step
	}
	if to < end {
		to += step
	}
	return from, to
}

func matrices(series []logqlengine.Series) []matrix {
	all := make([]matrix, len(series))
	for i, s := range series {
		all[i] = matrix{Metric: s.Labels.Map(), Values: make([]point, len(s.Points))}
		for j, p := range s.Points {
			all[i].Values[j] = point(p)
		}
	}
	return all
}

func (a *API) lines(r *request, text string, q *logql.LogQuery, start, end time.Time) (any, error) {
	limit, err := r.limit(defaultLimit)
	if err != nil {
		return nil, err
	}
	forward, err := r.forward()
	if err != nil {
		return nil, err
	}
	interval, err := r.duration("interval", 0)
	if err != nil {
		return nil, err
	}
	if interval < 0 {
		return nil, bad("interval must be >= 0")
	}
	lines, s, err := r.engine.Lines(r.Context(), text, q, logqlengine.Lines{
		From: start.UnixNano(), To: end.UnixNano(), Limit: limit, Forward: forward, Interval: interval,
	})
	if err != nil {
		return nil, err
	}
	answer := result{Type: "streams", Result: streams(lines, r.categorized()), Stats: statsOf(s)}
	if r.categorized() {
		answer.Flags = []string{categorize}
	}
	return succeeded(answer), nil
}

type stream struct {
	Stream map[string]string `json:"stream"`
	Values []value           `json:"values"`

	labels logqlpipeline.Labels
}

// value is written as ["nanoseconds", "line"], with the categories of labels behind it where they are asked for.
type value struct {
	line       *logqlengine.Line
	categories bool
}

type categories struct {
	Metadata map[string]string `json:"structuredMetadata,omitempty"`
	Parsed   map[string]string `json:"parsed,omitempty"`
}

func (v value) MarshalJSON() ([]byte, error) {
	parts := []any{strconv.FormatInt(v.line.Time, 10), v.line.Text}
	if v.categories {
		parts = append(parts, categories{v.line.Metadata.Map(), v.line.Parsed.Map()})
	}
	return marshal(parts)
}

// marshal leaves <, > and & readable.
func marshal(v any) ([]byte, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return []byte(b.String()), err
}

// streams groups lines by their labels, or by those of the stream alone.
func streams(lines []logqlengine.Line, categorized bool) []*stream {
	known := map[string]*stream{}
	all := []*stream{}
	for i := range lines {
		labels := lines[i].Labels
		if categorized {
			labels = lines[i].Stream
		}
		key := labels.Key()
		found, ok := known[key]
		if !ok {
			found = &stream{Stream: labels.Map(), labels: labels}
			known[key] = found
			all = append(all, found)
		}
		found.Values = append(found.Values, value{&lines[i], categorized})
	}
	slices.SortFunc(all, func(a, b *stream) int { return strings.Compare(a.labels.String(), b.labels.String()) })
	return all
}
