package quota_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/internal/quota"
)

func TestSeries(t *testing.T) {
	five, nine := int64(5), int64(9)
	merged := quota.MergeSeries([]*quota.Series{
		{Tenants: map[string]int64{"acme": 7, "open": 0}, Default: &nine}, nil,
		{Tenants: map[string]int64{"acme": 3}, Matching: []quota.SeriesOf{{Tenant: "b*", Series: 4}, {Tenant: "beta", Series: 6}}, Default: &five},
	})
	for name, want := range map[string]int64{"acme": 3, "open": 0, "beta": 4} {
		assert.Equal(t, want, *merged.Of(name), name)
	}
	assert.Nil(t, merged.Of("gamma"))
	assert.Equal(t, &five, merged.Rest())
	var none *quota.Series
	assert.Nil(t, none.Of("acme"))
	assert.Nil(t, none.Rest())
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "any", true}, {"a", "a", true}, {"a", "ab", false}, {"a*", "ab", true}, {"*b", "ab", true}, {"a*b", "ab", true}, {"a*b", "a", false},
		{"a*c*e", "abcde", true}, {"a*c*e", "abde", false}, {"*", "", true}, {"ab*b", "ab", false},
	} {
		assert.Equal(t, c.want, quota.Matches(c.pattern, c.name), "%q %q", c.pattern, c.name)
	}
}
