package quota

import (
	"maps"
	"slices"
)

// Series are budgets of active series of tenants for a cardinality_guard, which enforces them by folding; listeners do not refuse. A value does not
// change: its source returns a new one when its configuration changes.
type Series struct {
	// Tenants are the budgets by name; 0 means none. They take precedence over all others.
	Tenants map[string]int64 `json:"tenants,omitempty"`
	// Matching are the budgets of matching tenants; the first match applies.
	Matching []SeriesOf `json:"matching,omitempty"`
	// Default is the budget of all others; nil if none is set.
	Default *int64 `json:"default,omitempty"`
}

// SeriesOf is the budget of each tenant that matches a pattern, in which * matches any characters.
type SeriesOf struct {
	Tenant string `json:"tenant"`
	Series int64  `json:"series"`
}

// Of returns the budget of a tenant that is named or matches; nil if there is none.
func (s *Series) Of(tenant string) *int64 {
	if s == nil {
		return nil
	}
	if n, ok := s.Tenants[tenant]; ok {
		return &n
	}
	for i := range s.Matching {
		if m := &s.Matching[i]; Matches(m.Tenant, tenant) {
			return &m.Series
		}
	}
	return nil
}

// Rest is the budget of tenants for which Of has none; nil if there is none.
func (s *Series) Rest() *int64 {
	if s == nil {
		return nil
	}
	return s.Default
}

// MergeSeries merges the budgets of several sources. If two name one tenant, the smaller budget applies.
func MergeSeries(all []*Series) *Series {
	merged := &Series{}
	for _, s := range all {
		if s == nil {
			continue
		}
		if merged.Tenants == nil && len(s.Tenants) > 0 {
			merged.Tenants = map[string]int64{}
		}
		for _, name := range slices.Sorted(maps.Keys(s.Tenants)) {
			merged.Tenants[name] = Smaller(merged.Tenants[name], s.Tenants[name])
		}
		merged.Matching = append(merged.Matching, s.Matching...)
		if s.Default != nil && (merged.Default == nil || *s.Default < *merged.Default) {
			merged.Default = s.Default
		}
	}
	return merged
}

// Smaller is the smaller of two limits, where 0 means no limit.
func Smaller(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
