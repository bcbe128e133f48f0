package lokiapi

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlengine"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
)

// selection reads start, end and a selector; without one all streams are selected.
func (r *request) selection(selector string) (logqlengine.Selection, error) {
	start, end, err := r.bounds()
	if err != nil {
		return logqlengine.Selection{}, err
	}
	s := logqlengine.Selection{From: start.UnixNano(), To: end.UnixNano()}
	if selector = strings.TrimSpace(selector); selector != "" && selector != "{}" {
		s.Matchers, err = logql.ParseSelector(selector, r.syntax)
	}
	return s, err
}

// streams hands over the streams of a selection, each once, up to a bound.
func (a *API) streams(r *request, s logqlengine.Selection, each func(logqlengine.Stream)) error {
	count := 0
	return r.source.Streams(r.Context(), s, func(stream logqlengine.Stream) error {
		if count++; count > a.Limits.InnerSeries {
			return bad("more than %d streams are selected: ask for a shorter time or fewer streams", a.Limits.InnerSeries)
		}
		each(stream)
		return nil
	})
}

func (a *API) labels(r *request) (any, error) {
	s, err := r.selection(r.Form.Get("query"))
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	err = a.streams(r, s, func(stream logqlengine.Stream) {
		for _, l := range stream.Labels {
			names[l.Name] = true
		}
	})
	return list(names), err
}

func (a *API) labelValues(r *request) (any, error) {
	s, err := r.selection(r.Form.Get("query"))
	if err != nil {
		return nil, err
	}
	values := map[string]bool{}
	name := r.PathValue("name")
	err = a.streams(r, s, func(stream logqlengine.Stream) {
		if v := stream.Labels.Value(name); v != "" {
			values[v] = true
		}
	})
	return list(values), err
}

// list has no data when it is empty.
func list(values map[string]bool) success {
	if len(values) == 0 {
		return succeeded(nil)
	}
	return succeeded(slices.Sorted(maps.Keys(values)))
}

func (a *API) series(r *request) (any, error) {
	selectors := slices.Concat(r.Form["match[]"], r.Form["match"])
	if len(selectors) == 0 {
		selectors = []string{""}
	}
	all := []map[string]string{}
	known := map[string]bool{}
	for _, selector := range selectors {
		s, err := r.selection(selector)
		if err != nil {
			return nil, err
		}
		err = a.streams(r, s, func(stream logqlengine.Stream) {
			if key := stream.Labels.Key(); !known[key] {
				known[key] = true
				all = append(all, stream.Labels.Map())
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return succeeded(all), nil
}

func (a *API) indexStats(r *request) (any, error) {
	s, err := r.selection(r.Form.Get("query"))
	if err != nil {
		return nil, err
	}
	total := struct {
		Streams int64 `json:"streams"`
		Chunks  int64 `json:"chunks"`
		Bytes   int64 `json:"bytes"`
		Entries int64 `json:"entries"`
	}{}
	err = a.streams(r, s, func(stream logqlengine.Stream) {
		total.Streams++
		total.Chunks++
		total.Bytes += stream.Bytes
		total.Entries += stream.Entries
	})
	return total, err
}

// volumeLabels are the labels by which volumes are summed up: those that are asked for, else those of the selector.
func volumeLabels(r *request, matchers []logql.Matcher) []string {
	if text := r.Form.Get("targetLabels"); text != "" {
		return strings.Split(text, ",")
	}
	var names []string
	for _, m := range matchers {
		if !slices.Contains(names, m.Name) {
			names = append(names, m.Name)
		}
	}
	return names
}

func (r *request) byLabels() (bool, error) {
	switch by := r.Form.Get("aggregateBy"); by {
	case "", "series":
		return false, nil
	case "labels":
		return true, nil
	default:
		return false, bad("invalid aggregateBy %q: series or labels", by)
	}
}

func (a *API) volume(r *request) (any, error) {
	s, err := r.selection(r.Form.Get("query"))
	if err != nil {
		return nil, err
	}
	limit, err := r.limit(defaultLimit)
	if err != nil {
		return nil, err
	}
	byLabels, err := r.byLabels()
	if err != nil {
		return nil, err
	}
	names := volumeLabels(r, s.Matchers)
	volumes := map[string]*logqlengine.Series{}
	add := func(labels logqlpipeline.Labels, bytes int64) {
		key := labels.Key()
		if volumes[key] == nil {
			volumes[key] = &logqlengine.Series{Labels: labels, Points: []logqlengine.Point{{Nanos: s.To}}}
		}
		volumes[key].Points[0].Value += float64(bytes)
	}
	err = a.streams(r, s, func(stream logqlengine.Stream) {
		labels := stream.Labels
		if len(names) > 0 {
			labels = labels.Only(names)
		}
		if !byLabels {
			add(labels, stream.Bytes)
			return
		}
		for _, l := range labels {
			add(logqlpipeline.Labels{{Name: l.Name}}, stream.Bytes)
		}
	})
	if err != nil {
		return nil, err
	}
	samples := []sample{}
	for _, v := range sortedVolumes(volumes) {
		if len(samples) < limit {
			samples = append(samples, sample{Metric: v.Labels.Map(), Value: point(v.Points[0])})
		}
	}
	return succeeded(result{Type: "vector", Result: samples}), nil
}

func sortedVolumes(volumes map[string]*logqlengine.Series) []*logqlengine.Series {
	return slices.SortedFunc(maps.Values(volumes), func(a, b *logqlengine.Series) int {
		return cmp.Or(cmp.Compare(b.Points[0].Value, a.Points[0].Value), strings.Compare(a.Labels.Key(), b.Labels.Key()))
	})
}

// volumeRange sums up the bytes of each step's time.
func (a *API) volumeRange(r *request) (any, error) {
	s, err := r.selection(r.Form.Get("query"))
	if err != nil {
		return nil, err
	}
	byLabels, err := r.byLabels()
	if err != nil {
		return nil, err
	}
	if len(s.Matchers) == 0 || byLabels {
		return nil, bad("volumes over time are supported for a selector with matchers, aggregated by series")
	}
	start, end, err := r.bounds()
	if err != nil {
		return nil, err
	}
	step, err := r.duration("step", defaultStep(start, end))
	if err != nil {
		return nil, err
	}
	e := &logql.Aggregate{
		Op: "sum", Group: &logql.Grouping{Labels: volumeLabels(r, s.Matchers)},
		Inner: &logql.Range{Op: "bytes_over_time", Query: &logql.LogQuery{Matchers: s.Matchers}, Window: step},
	}
	series, stats, err := r.engine.Range(r.Context(), e.String(), e, start.UnixNano(), end.UnixNano(), step)
	if err != nil {
		return nil, err
	}
	return succeeded(result{Type: "matrix", Result: matrices(series), Stats: statsOf(stats)}), nil
}

type detectedLabel struct {
	Label       string `json:"label"`
	Cardinality int    `json:"cardinality"`
}

func (a *API) detectedLabels(r *request) (any, error) {
	s, err := r.selection(r.Form.Get("query"))
	if err != nil {
		return nil, err
	}
	values := map[string]map[string]bool{}
	err = a.streams(r, s, func(stream logqlengine.Stream) {
		for _, l := range stream.Labels {
			if values[l.Name] == nil {
				values[l.Name] = map[string]bool{}
			}
			values[l.Name][l.Value] = true
		}
	})
	found := []detectedLabel{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		found = append(found, detectedLabel{name, len(values[name])})
	}
	return map[string]any{"detectedLabels": found}, err
}
