package quota

import (
	"maps"
	"slices"
)

// Series are budgets of active series of tenants, for a cardinality_guard: it holds them, for what is over a budget is folded, and not refused at a
// listener. A value does not change; who has one returns another when its configuration changes.
type Series struct {
	// Tenants are the budgets by name, 0: none. They go before all others.
	Tenants map[string]int64 `json:"tenants,omitempty"`
	// Matching are the budgets of tenants that match; the first holds.
	Matching []SeriesOf `json:"matching,omitempty"`
	// Default is the budget of all others; nil: none is set.
	Default *int64 `json:"default,omitempty"`
}

// SeriesOf is the budget of each tenant that matches a pattern, in which * stands for any characters.
type SeriesOf struct {
	Tenant string `json:"tenant"`
	Series int64  `json:"series"`
}

// Of returns the budget of a tenant that is named or matches; nil: there is none.
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

// Rest is the budget of tenants for which Of has none; nil: there is none.
func (s *Series) Rest() *int64 {
	if s == nil {
		return nil
	}
	return s.Default
}

// MergeSeries returns the budgets of several places. Where two name one tenant the smaller holds.
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

// Smaller is the smaller of two limits, of which 0 is none.
func Smaller(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
