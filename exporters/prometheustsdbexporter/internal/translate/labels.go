package translate

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/zeebo/xxh3"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// extra is a label of a series in addition to those of its point.
type extra int

const (
	noExtra extra = iota
	le
	quantile
	numExtras
)

var extraNames = [numExtras]string{"", model.BucketLabel, model.QuantileLabel}

// maxPlans bounds the plans of a scope.
const maxPlans = 32

// constants are labels that all points of a scope share, each sorted by name.
type constants struct {
	wins []labels.Label // replaces an attribute of that name; an empty value removes the label
	fill []labels.Label // used if no attribute gives a value; not empty
}

// slot is the source of a label's value: the positions of attributes, or else a constant.
type slot struct {
	name       string
	attributes []int // several, if their names become one label: then their values are joined
	constant   string
	kind       slotKind
}

type slotKind int

const (
	fromPoint slotKind = iota
	fromConstant
	fromMetric
	fromExtra
)

// plan builds the labels of points whose attributes have the same names in the same order.
type plan struct {
	names []string
	hash  uint64 // of names
	slots []slot // sorted by name
	// unnamed is the number of attributes whose name can't become a label: the series lacks them.
	unnamed int
	// hidden are the attributes that are not visible in a separate label in all series of a point: a constant or a bucket's bound uses the
	// label, others are joined with it, or it has no name.
	hidden []int
}

// attributes reads the attributes of the next point, and hashes what distinguishes streams and is in no label.
func (c *converter) attributes(m pcommon.Map) {
	c.names, c.values, c.hidden = c.names[:0], c.values[:0], 0
	for name, v := range m.All() {
		shown := text(v)
		switch {
		case name == model.MetricNameLabel:
			c.hide(name, shown)
			continue
		case v.Type() != pcommon.ValueTypeStr: // the labels of the integer 200 and "200" are equal
			c.hide(name, v.Type().String())
		case shown != v.Str():
			c.hide(name, v.Str())
		}
		c.names = append(c.names, name)
		c.values = append(c.values, shown)
	}
}

// hide hashes a property of an attribute that no label shows. The order makes no difference.
func (c *converter) hide(name, what string) {
	if c.t.set.Streams {
		c.hidden += (xxh3.HashString(name) | 1) * (xxh3.HashString(what) | 1)
	}
}

// stream returns the stream of the current point in its metric; never 0.
func (c *converter) stream(p *plan) uint64 {
	for _, i := range p.hidden {
		c.hide(c.names[i], c.values[i])
	}
	return c.metricKey ^ (p.hash + c.hidden) | 1
}

// text is the text of a value in a label.
func text(v pcommon.Value) string {
	if v.Type() == pcommon.ValueTypeStr {
		return valid(v.Str())
	}
	return valid(v.AsString())
}

// valid returns s as valid UTF-8: stores accept nothing else, and OTLP clients don't always send it.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// plan returns the plan for the current attributes.
func (c *converter) plan(x extra) *plan {
	known := c.plans[x]
	for i := len(known) - 1; i >= 0; i-- {
		if slices.Equal(known[i].names, c.names) {
			return known[i]
		}
	}
	p := c.newPlan(c.names, &c.scope, x)
	if len(known) >= maxPlans {
		known = known[:0]
	}
	c.plans[x] = append(known, p)
	return p
}

func (c *converter) newPlan(names []string, shared *constants, x extra) *plan {
	p := &plan{names: slices.Clone(names)}
	order := make([]int, len(names))
	for i, name := range names {
		order[i] = i
		p.hash += xxh3.HashString(name)
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(names[a], names[b]) })
	at := make(map[string]int, len(names)+len(shared.wins)+len(shared.fill)+2)
	for _, i := range order {
		name, err := valid(names[i]), error(nil)
		if !c.utf8 {
			name, err = c.labelName(name)
		}
		j, twice := at[name]
		switch {
		case err != nil || name == "":
			p.unnamed++
		case twice:
			p.slots[j].attributes = append(p.slots[j].attributes, i)
		default:
			at[name] = len(p.slots)
			p.slots = append(p.slots, slot{name: name, attributes: []int{i}})
		}
	}
	set := func(l labels.Label, kind slotKind) {
		s := slot{name: l.Name, constant: l.Value, kind: kind}
		if j, ok := at[l.Name]; ok {
			p.slots[j] = s
			return
		}
		at[l.Name] = len(p.slots)
		p.slots = append(p.slots, s)
	}
	for _, l := range shared.fill {
		if j, ok := at[l.Name]; !ok {
			set(l, fromConstant)
		} else if s := &p.slots[j]; s.constant == "" {
			s.constant = l.Value
		}
	}
	for _, l := range shared.wins {
		set(l, fromConstant)
	}
	if x != noExtra {
		set(labels.Label{Name: extraNames[x]}, fromExtra)
	}
	set(labels.Label{Name: model.MetricNameLabel}, fromMetric)
	slices.SortFunc(p.slots, func(a, b slot) int { return strings.Compare(a.name, b.name) })
	for i := range names {
		shown := func(s slot) bool {
			return s.kind == fromPoint && len(s.attributes) == 1 && s.attributes[0] == i && !slices.Contains(extraNames[:], s.name)
		}
		if !slices.ContainsFunc(p.slots, shown) {
			p.hidden = append(p.hidden, i)
		}
	}
	return p
}

// labels returns the labels of a series of the current point, and their hash.
func (c *converter) labels(p *plan, metric, more string) (labels.Labels, uint64) {
	built := c.build(p, metric, more)
	hash := built.Hash()
	return c.known.of(built, hash), hash
}

// build builds labels in memory that the next call reuses.
func (c *converter) build(p *plan, metric, more string) labels.Labels {
	c.builder.Reset()
	for i := range p.slots {
		s := &p.slots[i]
		v := s.constant
		switch s.kind {
		case fromPoint:
			if of := c.joined(s.attributes); of != "" {
				v = of
			}
		case fromMetric:
			v = metric
		case fromExtra:
			v = more
		}
		if v != "" {
			c.builder.Add(s.name, v)
		}
	}
	c.builder.Overwrite(&c.built)
	return c.built
}

// joined is the value of a label: of one attribute, or of several whose names became one.
func (c *converter) joined(attributes []int) string {
	v := c.values[attributes[0]]
	for _, i := range attributes[1:] {
		if v == "" {
			v = c.values[i]
		} else {
			v += ";" + c.values[i]
		}
	}
	return v
}

// labelName is the label that an attribute becomes.
func (c *converter) labelName(name string) (string, error) {
	if l, ok := c.labelNames[name]; ok {
		return l, nil
	}
	l, err := c.labelNamer.Build(valid(name))
	if err != nil {
		return "", err
	}
	c.labelNames[name] = l
	return l, nil
}
