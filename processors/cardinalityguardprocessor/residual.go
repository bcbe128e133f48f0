package cardinalityguardprocessor

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/admission"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/fold"
)

// removes reports whether a level removes a data point attribute.
func (a *absorber) removes(name string, v *admission.Verdict, level int) bool {
	return level == lastResort || a.origin.lists.denies(name) || v.Removes(name, level)
}

// removesResource does the same for a resource attribute.
func (a *absorber) removesResource(name string, v *admission.Verdict, level int) bool {
	if level == lastResort {
		return !protectedResource[resourcePrefix+name]
	}
	for _, guilty := range v.Names[:v.Ends[level]] {
		if strings.TrimPrefix(guilty, resourcePrefix) == name && len(guilty) != len(name) {
			return true
		}
	}
	return false
}

// overflowKey distinguishes overflow streams from all others.
var overflowKey = streamkey.Key{Hi: 0x6f766572666c6f77, Lo: 0x70656e73746f636b}

// residual returns the key of a stream without the attributes that a level removes.
func (a *absorber) residual(attrs pcommon.Map, attrsKey streamkey.Key, v *admission.Verdict, level int) streamkey.Key {
	_, _, metric := a.parts(v, level)
	if level == lastResort {
		attrsKey = streamkey.Key{}
	} else {
		for name, value := range attrs.All() {
			if a.removes(name, v, level) {
				attrsKey = attrsKey.Minus(streamkey.Attribute(name, value))
			}
		}
	}
	return attrsKey.In(metric).In(overflowKey)
}

// parts returns the keys of resource, scope and metric without the attributes that a level removes.
func (a *absorber) parts(v *admission.Verdict, level int) (resource, scope, metric streamkey.Key) {
	for name, value := range a.origin.resource.Attributes().All() {
		if !a.removesResource(name, v, level) {
			resource = resource.Plus(streamkey.Attribute(name, value))
		}
	}
	if level != lastResort {
		scope = a.origin.scopeKey
	}
	// Tenants from client metadata are not part of the resource.
	resource = resource.In(tenantKey(a.origin.tenant))
	return resource, scope, streamkey.Metric(resource, scope, a.m)
}

// identity describes a new overflow stream.
func (a *absorber) identity(key streamkey.Key, attrs pcommon.Map, v *admission.Verdict, level int, kind fold.Kind, owned bool) fold.Identity {
	id := fold.Identity{
		Key: key, Node: a.origin.node.ID, Kind: kind, Aggregation: a.agg, Monotonic: a.mono, Owned: owned,
		Tenant: strings.Clone(a.origin.tenant), FromClient: a.in.fromClient, Template: pmetric.NewMetrics(),
	}
	id.Resource, id.Scope, id.Metric = a.parts(v, level)
	rm := id.Template.ResourceMetrics().AppendEmpty()
	for name, value := range a.origin.resource.Attributes().All() {
		if !a.removesResource(name, v, level) {
			value.CopyTo(rm.Resource().Attributes().PutEmpty(strings.Clone(name)))
		}
	}
	rm.SetSchemaUrl(strings.Clone(a.rm.SchemaUrl()))
	sm := rm.ScopeMetrics().AppendEmpty()
	if level != lastResort {
		a.sm.Scope().CopyTo(sm.Scope())
		sm.SetSchemaUrl(a.sm.SchemaUrl())
	}
	m := sm.Metrics().AppendEmpty()
	m.SetName(a.m.Name())
	m.SetDescription(a.m.Description())
	m.SetUnit(a.m.Unit())
	a.m.Metadata().CopyTo(m.Metadata())
	to := emptyPoint(a.m, m)
	if level != lastResort {
		for name, value := range attrs.All() {
			if !a.removes(name, v, level) {
				value.CopyTo(to.PutEmpty(name))
			}
		}
	}
	to.PutBool(overflowAttribute, true)
	sign(to, a.p.session.Label(), a.p.g.own)
	return id
}

// emptyPoint makes to a metric of from's type with one point, whose attributes it returns.
func emptyPoint(from, to pmetric.Metric) pcommon.Map {
	switch from.Type() {
	case pmetric.MetricTypeGauge:
		return to.SetEmptyGauge().DataPoints().AppendEmpty().Attributes()
	case pmetric.MetricTypeSum:
		sum := to.SetEmptySum()
		sum.SetAggregationTemporality(from.Sum().AggregationTemporality())
		sum.SetIsMonotonic(from.Sum().IsMonotonic())
		return sum.DataPoints().AppendEmpty().Attributes()
	case pmetric.MetricTypeHistogram:
		h := to.SetEmptyHistogram()
		h.SetAggregationTemporality(from.Histogram().AggregationTemporality())
		return h.DataPoints().AppendEmpty().Attributes()
	case pmetric.MetricTypeExponentialHistogram:
		h := to.SetEmptyExponentialHistogram()
		h.SetAggregationTemporality(from.ExponentialHistogram().AggregationTemporality())
		return h.DataPoints().AppendEmpty().Attributes()
	default:
		return to.SetEmptySummary().DataPoints().AppendEmpty().Attributes()
	}
}
