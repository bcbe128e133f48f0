package prometheustsdbexporter

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Two tenants with the same series stay separate, and a sender's own tenant attributes are overwritten.
func TestTheTenantIsALabel(t *testing.T) {
	now := time.Now()
	md := pmetric.NewMetrics()
	for _, name := range []string{"acme", "", "beta"} {
		allTypes(now).ResourceMetrics().MoveAndAppendTo(md.ResourceMetrics())
		rm := md.ResourceMetrics().At(md.ResourceMetrics().Len() - 1)
		rm.Resource().Attributes().PutStr("host.name", "h")
		rm.ScopeMetrics().At(0).Metrics().At(0).Gauge().DataPoints().At(0).Attributes().PutStr("tenant.id", "mallory")
		rm.ScopeMetrics().At(0).Metrics().At(1).Sum().DataPoints().At(0).Attributes().PutStr("tenant_id", "mallory")
		if name != "" {
			rm.Resource().Attributes().PutStr("tenant.id", name)
		}
	}
	db := newDatabase(t)
	id := component.MustNewID("tsdb")
	cfg := noQueue(func(c *Config) { c.TSDB, c.Translation.TenantLabel = id, "tenant_id" })
	_, err := export(t, cfg, host{id: db}, md)
	require.NoError(t, err)
	got := db.values(`{__name__=~".+"}`, now)
	assert.Len(t, got, 3*(len(wantAllTypes)+1))
	for _, name := range []string{"acme", "default", "beta"} {
		for series, value := range wantAllTypes {
			metric, rest, _ := strings.Cut(series, ", ")
			found := false
			for have, v := range got {
				if strings.HasPrefix(have, metric+", ") && strings.Contains(have, `tenant_id="`+name+`"`) && v == value {
					found = true
				}
			}
			assert.True(t, found, "%s %s of %s", metric, rest, name)
		}
		assert.Equal(t, "1", got[`{__name__="target_info", host_name="h", job="shop", tenant_id="`+name+`"}`])
	}
	cfg.Translation.TenantLabel = "tenant.id"
	assert.ErrorContains(t, cfg.Validate(), "translation::tenant_label: ")
}
