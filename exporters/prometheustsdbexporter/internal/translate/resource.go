package translate

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
	"github.com/penstockhq/penstock/internal/streamkey"
)

const (
	serviceName      = "service.name"
	serviceNamespace = "service.namespace"
	serviceInstance  = "service.instance.id"
	targetInfo       = "target_info"
)

// converter translates one batch at a time, resource by resource, and caches names and labels.
type converter struct {
	t    *Translator
	uses int
	utf8 bool

	labelNamer  otlptranslator.LabelNamer
	metricNamer otlptranslator.MetricNamer
	labelNames  map[string]string
	metricNames map[metricKind]string
	families    map[sample.Family]*sample.Family
	bounds      map[float64]string

	// State of the batch.
	limit   pcommon.Timestamp // later points are refused
	samples []sample.Sample
	points  int32 // resources with samples so far
	refused [NumReasons]int
	infos   map[info]struct{} // samples of target_info
	tenant  []labels.Label    // the label with the tenant's name, if configured

	// State of the resource.
	record           int32          // number of its record
	resource         []labels.Label // job and instance
	resourceKey      streamkey.Key
	earliest, latest pcommon.Timestamp // times of its points; latest 0: it has none

	// State of the scope.
	scope    constants
	scopeKey streamkey.Key
	plans    [numExtras][]*plan

	// State of the metric.
	metricKey uint64

	// State of the point.
	names, values []string
	hidden        uint64   // hash of the attributes that no label shows
	exemplar      []string // names of the labels of the exemplar
	builder       labels.ScratchBuilder
	built         labels.Labels // valid until the next
	known         known
}

// info is a sample of target_info.
type info struct {
	series uint64
	at     int64
}

func newConverter(t *Translator) *converter {
	s := t.set.Strategy
	return &converter{
		t: t, utf8: !s.ShouldEscape(),
		//lint:ignore SA1019 Prometheus' own OTLP endpoint sets it too: the same attribute is to be the same label in both.
		labelNamer:  otlptranslator.LabelNamer{UTF8Allowed: !s.ShouldEscape(), UnderscoreLabelSanitization: true},
		metricNamer: otlptranslator.MetricNamer{Namespace: t.set.Namespace, WithMetricSuffixes: s.ShouldAddSuffixes(), UTF8Allowed: !s.ShouldEscape()},
		labelNames:  make(map[string]string),
		metricNames: make(map[metricKind]string),
		families:    make(map[sample.Family]*sample.Family),
		bounds:      make(map[float64]string),
		infos:       make(map[info]struct{}),
		builder:     labels.NewScratchBuilder(16),
	}
}

// forgetBatch clears the state of the batch.
func (c *converter) forgetBatch() {
	c.samples, c.points, c.refused, c.tenant = nil, 0, [NumReasons]int{}, nil
	c.resource, c.scope = nil, constants{}
	c.plans = [numExtras][]*plan{}
	clear(c.infos)
	clear(c.names[:cap(c.names)])
	clear(c.values[:cap(c.values)])
	clear(c.exemplar[:cap(c.exemplar)])
	c.builder = labels.NewScratchBuilder(16)
}

// resourceMetrics translates the metrics of one resource, which came in the record with that number.
func (c *converter) resourceMetrics(rm pmetric.ResourceMetrics, record int) {
	attributes := rm.Resource().Attributes()
	c.resource, c.record = identity(attributes), int32(record)
	c.earliest, c.latest = 0, 0
	if c.t.set.Streams {
		c.resourceKey = streamkey.Resource(rm.Resource())
	}
	promoted := c.promote(attributes)
	for _, sm := range rm.ScopeMetrics().All() {
		if c.t.set.Streams {
			c.scopeKey = streamkey.Scope(sm.Scope())
		}
		c.enter(promoted, c.scopeLabels(sm))
		for _, m := range sm.Metrics().All() {
			c.metric(m)
		}
	}
	if c.t.set.TargetInfo && c.latest != 0 {
		c.targetInfo(attributes)
	}
}

// identity is job and instance.
func identity(attributes pcommon.Map) (ls []labels.Label) {
	if v, ok := attributes.Get(serviceInstance); ok && text(v) != "" {
		ls = append(ls, labels.Label{Name: model.InstanceLabel, Value: text(v)})
	}
	if v, ok := attributes.Get(serviceName); ok {
		job := text(v)
		if ns, ok := attributes.Get(serviceNamespace); ok {
			job = text(ns) + "/" + job
		}
		if job != "" {
			ls = append(ls, labels.Label{Name: model.JobLabel, Value: job})
		}
	}
	return ls
}

// promote returns the labels of promoted resource attributes.
func (c *converter) promote(attributes pcommon.Map) []labels.Label {
	if !c.t.set.PromoteAll && len(c.t.promote) == 0 {
		return nil
	}
	return c.joinedLabels(attributes, "", func(name string) bool {
		_, wanted := c.t.promote[name]
		return wanted || c.t.set.PromoteAll
	})
}

// scopeLabels returns the labels of a scope; an empty value removes the label.
func (c *converter) scopeLabels(sm pmetric.ScopeMetrics) []labels.Label {
	if !c.t.set.ScopeLabels || sm.Scope().Name() == "" {
		return nil
	}
	own := map[string]string{
		"otel_scope_name":       valid(sm.Scope().Name()),
		"otel_scope_version":    valid(sm.Scope().Version()), // empty: removes even an attribute of that name
		"otel_scope_schema_url": valid(sm.SchemaUrl()),
	}
	ls := c.joinedLabels(sm.Scope().Attributes(), "otel_scope_", func(string) bool { return true })
	ls = slices.DeleteFunc(ls, func(l labels.Label) bool { _, ok := own[l.Name]; return ok })
	for _, name := range slices.Sorted(maps.Keys(own)) {
		ls = append(ls, labels.Label{Name: name, Value: own[name]})
	}
	slices.SortFunc(ls, func(a, b labels.Label) int { return strings.Compare(a.Name, b.Name) })
	return ls
}

// joinedLabels returns the labels that attributes become, sorted. If several become one label, their values are joined in the order of the
// attributes' names; data points and target_info follow the same rule. An empty value is no label.
func (c *converter) joinedLabels(attributes pcommon.Map, prefix string, wanted func(name string) bool) (ls []labels.Label) {
	c.names, c.values = c.names[:0], c.values[:0]
	for name, v := range attributes.All() {
		if wanted(name) {
			c.names, c.values = append(c.names, prefix+name), append(c.values, text(v))
		}
	}
	p := c.newPlan(c.names, &constants{}, noExtra)
	if p.unnamed > 0 {
		c.refused[BadAttribute]++
	}
	for i := range p.slots {
		if s := &p.slots[i]; s.kind == fromPoint {
			if v := c.joined(s.attributes); v != "" {
				ls = append(ls, labels.Label{Name: s.name, Value: v})
			}
		}
	}
	return ls
}

// enter starts a scope.
func (c *converter) enter(promoted, scope []labels.Label) {
	for i := range c.plans {
		c.plans[i] = c.plans[i][:0]
	}
	c.scope = constants{wins: append(append(slices.Clone(c.resource), scope...), c.tenant...)}
	c.scope.fill = append(slices.Clone(promoted), c.t.external...) // if it is promoted as well, the first is kept
}

// targetInfo appends the resource's attributes as a series, from the earliest to the latest of its points, with samples close enough that
// queries in between find it.
func (c *converter) targetInfo(attributes pcommon.Map) {
	c.names, c.values = c.names[:0], c.values[:0]
	for name, v := range attributes.All() {
		switch name {
		case model.MetricNameLabel, serviceName, serviceNamespace, serviceInstance:
			continue
		}
		c.names, c.values = append(c.names, name), append(c.values, text(v))
	}
	if len(c.names) == 0 {
		return // job and instance alone are useless
	}
	p := c.newPlan(c.names, &constants{wins: append(slices.Clip(c.resource), c.tenant...), fill: c.t.external}, noExtra)
	if p.unnamed > 0 && len(c.t.promote) == 0 && !c.t.set.PromoteAll { // else promote has counted it
		c.refused[BadAttribute]++
	}
	name := targetInfo
	if c.t.set.Namespace != "" {
		name = c.t.set.Namespace + "_" + name
	}
	family := c.family(sample.Family{Name: name, Metadata: metadata.Metadata{Type: model.MetricTypeGauge, Help: "Target metadata"}, TargetInfo: true})
	ls, hash := c.labels(p, name, "")
	if ls.Get(model.JobLabel) == "" && ls.Get(model.InstanceLabel) == "" {
		return // no label to join it by
	}
	step := pcommon.Timestamp(max(lookback/2, time.Duration(c.latest-c.earliest)/maxTargetInfo))
	add := func(t pcommon.Timestamp) {
		at := info{hash, milliseconds(t)}
		if _, ok := c.infos[at]; !ok {
			c.infos[at] = struct{}{}
			c.samples = append(c.samples, sample.Sample{Labels: ls, Hash: hash, Record: c.record, Time: at.at, Value: 1, Family: family})
		}
	}
	for t := c.earliest; t < c.latest; t += step {
		add(t)
	}
	add(c.latest)
}

// milliseconds is Prometheus' unit of time.
func milliseconds(t pcommon.Timestamp) int64 { return int64(t / 1e6) }
