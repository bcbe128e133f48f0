package cardinalityguardprocessor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/penstockhq/penstock/internal/quota"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/admission"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/fold"
)

// rules decide about points. They are part of the state, so that a changed configuration is applied at a moment that the session's driver
// chooses. They are immutable.
type rules struct {
	Limits        LimitsConfig       `json:"limits"`
	OnLimit       string             `json:"on_limit"`
	IdleTimeout   time.Duration      `json:"idle_timeout"`
	FlushInterval time.Duration      `json:"flush_interval"`
	Gauge         string             `json:"gauge"`
	Overrides     []OverrideConfig   `json:"overrides,omitempty"`
	Attributes    []AttributesConfig `json:"attributes,omitempty"`
	Series        *quota.Series      `json:"series,omitempty"` // extensions' budgets of tenants

	gauge     fold.Aggregation
	overrides []override
	lists     []*lists
}

type override struct {
	tenant, service, metric *regexp.Regexp
	limits                  OverrideLimitsConfig
}

// lists are the attribute lists of the metrics that match; nil lists allow everything.
type lists struct {
	metric               *regexp.Regexp
	allow, deny, protect map[string]bool
}

// denies reports whether the data point attribute has to be folded away.
func (l *lists) denies(name string) bool {
	return l != nil && (l.deny[name] || l.allow != nil && !l.allow[name])
}

// protects reports whether an attribute (of a resource: with prefix) must not be considered guilty.
func (l *lists) protects(name string) bool {
	return protectedResource[name] || l != nil && l.protect[name]
}

// restrictive reports whether l can deny anything.
func (l *lists) restrictive() bool { return l != nil && (l.allow != nil || len(l.deny) > 0) }

// resourcePrefix distinguishes attributes of the resource from those of the data point in verdicts and reports.
const resourcePrefix = "resource."

// protectedResource are the attributes on which budgets and tenants depend.
var protectedResource = map[string]bool{
	resourcePrefix + "service.name": true, resourcePrefix + "service.namespace": true, resourcePrefix + "tenant.id": true,
}

var aggregations = map[string]fold.Aggregation{
	"last": fold.Last, "min": fold.Min, "max": fold.Max, "mean": fold.Mean, "sum": fold.Running,
}

func gaugeModes() []string { return slices.Sorted(maps.Keys(aggregations)) }

func compareStrings(a, b string) int { return strings.Compare(a, b) }

func newRules(c *Config) *rules {
	r := &rules{
		Limits: c.Limits, OnLimit: c.OnLimit, IdleTimeout: c.IdleTimeout, FlushInterval: c.FlushInterval,
		Gauge: c.Gauge, Overrides: c.Overrides, Attributes: c.Attributes,
	}
	r.compile()
	return r
}

// with returns the rules with other budgets of tenants, and with overrides that take precedence over its own.
func (r *rules) with(series *quota.Series, first []OverrideConfig) *rules {
	other := *r
	other.Series = series
	other.Overrides = slices.Concat(first, r.Overrides)
	other.overrides, other.lists = nil, nil
	other.compile()
	return &other
}

// equal reports whether both decide alike.
func (r *rules) equal(o *rules) bool {
	a, errA := json.Marshal(r)
	b, errB := json.Marshal(o)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// decodeRules reads rules from a state.
func decodeRules(data []byte) (*rules, error) {
	r := &rules{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	if _, ok := aggregations[r.Gauge]; !ok || r.FlushInterval <= 0 || r.IdleTimeout < r.FlushInterval {
		return nil, fmt.Errorf("rules: gauge %q, flush_interval %v, idle_timeout %v", r.Gauge, r.FlushInterval, r.IdleTimeout)
	}
	r.compile()
	return r, nil
}

func (r *rules) compile() {
	r.gauge = aggregations[r.Gauge]
	for _, o := range r.Overrides {
		r.overrides = append(r.overrides, override{glob(o.Tenant), glob(o.Service), glob(o.Metric), o.Limits})
	}
	for _, a := range r.Attributes {
		r.lists = append(r.lists, &lists{metric: glob(a.Metric), allow: set(a.Allow), deny: set(a.Deny), protect: set(a.Protect)})
	}
}

func set(names []string) map[string]bool {
	if len(names) == 0 {
		return nil
	}
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// glob compiles a pattern in which * matches any characters; the empty one matches everything.
func glob(pattern string) *regexp.Regexp {
	if pattern == "" {
		pattern = "*"
	}
	return regexp.MustCompile(`(?s)\A` + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`) + `\z`)
}

// limitsOf returns the budgets of a metric.
func (r *rules) limitsOf(tenant, service, metric string) admission.Limits {
	var perTenant, perService, perMetric, values *int64
	pick := func(to **int64, v *int64) {
		if *to == nil {
			*to = v // nil keeps it
		}
	}
	pick(&perTenant, r.Series.Of(tenant))
	for _, o := range r.overrides {
		if o.tenant.MatchString(tenant) && o.service.MatchString(service) && o.metric.MatchString(metric) {
			pick(&perTenant, o.limits.SeriesPerTenant)
			pick(&perService, o.limits.SeriesPerService)
			pick(&perMetric, o.limits.SeriesPerMetric)
			pick(&values, o.limits.ValuesPerAttribute)
		}
	}
	pick(&perTenant, r.Series.Rest())
	pick(&perTenant, &r.Limits.SeriesPerTenant)
	pick(&perService, &r.Limits.SeriesPerService)
	pick(&perMetric, &r.Limits.SeriesPerMetric)
	pick(&values, &r.Limits.ValuesPerAttribute)
	return admission.Limits{Total: r.Limits.Series, Tenant: *perTenant, Service: *perService, Metric: *perMetric, Values: uint64(*values), Extra: r.listsOf(metric)}
}

// listsOf returns the attribute lists of a metric, nil if none match.
func (r *rules) listsOf(metric string) *lists {
	for _, l := range r.lists {
		if l.metric.MatchString(metric) {
			return l
		}
	}
	return nil
}
