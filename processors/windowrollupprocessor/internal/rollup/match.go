package rollup

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/aggregate"
)

// Match selects metrics and points of them. Empty parts select everything.
type Match struct {
	// Metric is a pattern of the name: * matches any text, ? a character, [a-z] one of a set.
	Metric string
	// Types are gauge, sum, histogram, exponential_histogram, summary.
	Types []string
	// Attributes maps attribute names to patterns of their value; all must match. A data point's attribute hides the resource's attribute
	// of the same name.
	Attributes map[string]string
}

var metricTypes = map[string]pmetric.MetricType{
	"gauge":                 pmetric.MetricTypeGauge,
	"sum":                   pmetric.MetricTypeSum,
	"histogram":             pmetric.MetricTypeHistogram,
	"exponential_histogram": pmetric.MetricTypeExponentialHistogram,
	"summary":               pmetric.MetricTypeSummary,
}

func (m Match) validate() (errs error) {
	if err := validPattern(m.Metric); err != nil {
		errs = fmt.Errorf("match::metric: %w", err)
	}
	for i, name := range m.Types {
		if _, ok := metricTypes[name]; !ok {
			errs = errors.Join(errs, fmt.Errorf("match::type::%d: unknown type %q: want gauge, sum, histogram, exponential_histogram or summary", i, name))
		}
	}
	for name, pattern := range m.Attributes {
		if err := validPattern(pattern); err != nil {
			errs = errors.Join(errs, fmt.Errorf("match::attributes::%s: %w", name, err))
		}
	}
	return errs
}

// kinds returns the possible kinds of points of matching metrics.
func (m Match) kinds() (kinds []aggregate.Kind) {
	for k := range aggregate.Kinds {
		of := map[aggregate.Kind][]string{
			aggregate.Gauge: {"gauge", "sum"}, aggregate.Counter: {"sum"}, aggregate.Net: {"sum"},
			aggregate.Histogram: {"histogram"}, aggregate.Exponential: {"exponential_histogram"}, aggregate.Summary: {"summary"},
		}[k]
		if len(m.Types) == 0 || slices.ContainsFunc(of, func(t string) bool { return slices.Contains(m.Types, t) }) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

func (m Match) metric(name string, t pmetric.MetricType) bool {
	if len(m.Types) > 0 && !slices.ContainsFunc(m.Types, func(n string) bool { return metricTypes[n] == t }) {
		return false
	}
	return matches(m.Metric, name)
}

func (m Match) attributes(resource, point pcommon.Map) bool {
	for name, pattern := range m.Attributes {
		v, ok := point.Get(name)
		if !ok {
			if v, ok = resource.Get(name); !ok {
				return false
			}
		}
		if !matches(pattern, v.AsString()) {
			return false
		}
	}
	return true
}

// matches: path.Match ends a * at a slash, which has no such meaning in names, so slashes are replaced.
func matches(pattern, s string) bool {
	if pattern == "" || pattern == "*" {
		return true
	}
	if !strings.ContainsAny(pattern, `*?[\`) {
		return pattern == s
	}
	ok, _ := path.Match(hideSlash(pattern), hideSlash(s)) // validPattern has tested it
	return ok
}

func hideSlash(s string) string { return strings.ReplaceAll(s, "/", "\x00") }

func validPattern(pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil {
		return fmt.Errorf("pattern %q: %w", pattern, err)
	}
	return nil
}
