package target_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/target"
)

func TestConfine(t *testing.T) {
	p := &target.Prometheus{TenantLabel: "tenant_id"}
	for _, c := range []struct {
		match   string
		tenants []string
		want    string
	}{
		{`up`, []string{"acme"}, `{__name__="up",tenant_id="acme"}`},
		{`{job="a}"}`, []string{"acme"}, `{job="a}",tenant_id="acme"}`},
		{`up{job="x"} #}`, []string{"acme"}, `{job="x",__name__="up",tenant_id="acme"}`},
		{`{tenant_id="beta"}`, []string{"acme"}, `{tenant_id="beta",tenant_id="acme"}`},
		{`up`, []string{"a.b", "c|d"}, `{__name__="up",tenant_id=~"a\\.b|c\\|d"}`},
		{`up`, nil, `up`},
	} {
		got, err := p.Confine([]string{c.match}, c.tenants)
		require.NoError(t, err)
		assert.Equal(t, []string{c.want}, got)
	}
	_, err := p.Confine([]string{`up or down`}, []string{"acme"})
	assert.ErrorContains(t, err, "replace.match: number 1")
	got, err := (&target.Prometheus{}).Confine([]string{"up"}, []string{"acme"})
	require.NoError(t, err)
	assert.Equal(t, []string{"up"}, got)
	assert.True(t, target.KeepsTenants([]target.Target{p}))
	assert.False(t, target.KeepsTenants([]target.Target{p, &target.Fixed{}}))
	assert.False(t, target.KeepsTenants([]target.Target{&target.Prometheus{}}))
}
