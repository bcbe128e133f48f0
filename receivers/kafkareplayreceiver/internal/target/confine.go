package target

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// KeepsTenants reports whether every target separates the series of tenants.
func KeepsTenants(all []Target) bool {
	for _, t := range all {
		if p, ok := t.(*Prometheus); !ok || p.TenantLabel == "" {
			return false
		}
	}
	return true
}

// Confine adds a matcher for the tenants to selectors. It builds the result from the parsed selector, so that a text that ends in a
// comment can't remove the matcher.
func (p *Prometheus) Confine(match, tenants []string) ([]string, error) {
	if p.TenantLabel == "" || len(tenants) == 0 {
		return match, nil
	}
	quoted := make([]string, len(tenants))
	for i, t := range tenants {
		quoted[i] = regexp.QuoteMeta(t)
	}
	own, err := labels.NewMatcher(labels.MatchRegexp, p.TenantLabel, strings.Join(quoted, "|"))
	if len(tenants) == 1 {
		own, err = labels.NewMatcher(labels.MatchEqual, p.TenantLabel, tenants[0])
	}
	if err != nil {
		return nil, err
	}
	reader := parser.NewParser(parser.Options{})
	confined := make([]string, len(match))
	for i, m := range match {
		ms, err := reader.ParseMetricSelector(m)
		if err != nil {
			return nil, fmt.Errorf("replace.match: number %d is not a selector", i+1)
		}
		var text []string
		for _, one := range append(ms, own) {
			text = append(text, one.String())
		}
		confined[i] = "{" + strings.Join(text, ",") + "}"
	}
	return confined, nil
}
