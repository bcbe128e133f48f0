package translate

import (
	"cmp"
	"encoding/hex"
	"slices"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/exemplar"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// exemplars translates the exemplars of a point at time t, in the order of their times. Remote write requires a time for each; an exemplar
// without one gets the point's.
func (c *converter) exemplars(xs pmetric.ExemplarSlice, t int64) []exemplar.Exemplar {
	out := make([]exemplar.Exemplar, 0, xs.Len())
	for _, x := range xs.All() {
		e := exemplar.Exemplar{Ts: t, HasTs: true}
		if at := milliseconds(x.Timestamp()); at != 0 {
			e.Ts = at
		}
		switch x.ValueType() {
		case pmetric.ExemplarValueTypeInt:
			e.Value = float64(x.IntValue())
		case pmetric.ExemplarValueTypeDouble:
			e.Value = x.DoubleValue()
		default:
			c.refused[BadExemplar]++
			continue
		}
		c.exemplarLabels(x)
		c.builder.Sort()
		e.Labels = c.builder.Labels()
		out = append(out, e)
	}
	byTime(out)
	return out
}

// byTime sorts exemplars of one series: a store refuses one that is older than the one before.
func byTime(xs []exemplar.Exemplar) {
	if len(xs) > 1 {
		slices.SortStableFunc(xs, func(a, b exemplar.Exemplar) int { return cmp.Compare(a.Ts, b.Ts) })
	}
}

// exemplarLabels puts the labels of x into the builder. If two have the same name, the first is kept, ids before all attributes; if the
// attributes are too long, all of them are left out.
func (c *converter) exemplarLabels(x pmetric.Exemplar) {
	c.builder.Reset()
	c.exemplar = c.exemplar[:0]
	runes := 0
	add := func(name, v string) {
		if name == "" || slices.Contains(c.exemplar, name) {
			c.refused[ExemplarAttribute]++
			return
		}
		c.exemplar = append(c.exemplar, name)
		c.builder.Add(name, v)
	}
	if id := x.TraceID(); !id.IsEmpty() {
		runes += len("trace_id") + 2*len(id)
		add("trace_id", hex.EncodeToString(id[:]))
	}
	if id := x.SpanID(); !id.IsEmpty() {
		runes += len("span_id") + 2*len(id)
		add("span_id", hex.EncodeToString(id[:]))
	}
	for name, v := range x.FilteredAttributes().All() {
		runes += utf8.RuneCountInString(name) + utf8.RuneCountInString(v.AsString())
	}
	if runes > maxExemplarRunes {
		c.refused[ExemplarAttribute] += x.FilteredAttributes().Len()
		return
	}
	for name, v := range x.FilteredAttributes().All() {
		if v := text(v); v != "" {
			add(valid(name), v)
		}
	}
}
