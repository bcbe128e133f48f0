package api

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
)

type key map[string]any

func (k key) GetAttribute(name string) any { return k[name] }
func (key) GetAttributeNames() []string    { return nil }

func holder(tenant string, scopes ...string) access.Client {
	return access.Of(client.NewContext(context.Background(), client.Info{Auth: key{"tenant": tenant, "scopes": scopes}}))
}

func TestATenantsJobIsItsOwn(t *testing.T) {
	acme, boss := holder("acme", access.Replay), holder("acme", access.Admin)
	for name, c := range map[string]struct {
		tenants    []string
		seen, made bool
	}{
		"its own":        {[]string{"acme"}, true, true},
		"none":           {nil, false, true},
		"another's":      {[]string{"beta"}, false, false},
		"another's, too": {[]string{"acme", "beta"}, false, false},
	} {
		spec := replay.Spec{Tenants: c.tenants}
		assert.Equal(t, c.seen, sees(acme, &replay.Job{Spec: spec}), name)
		assert.True(t, sees(boss, &replay.Job{Spec: spec}), name)
		tenant, err := confine(acme, &spec)
		if !c.made {
			assert.ErrorIs(t, err, errOtherTenant, name)
			continue
		}
		require.NoError(t, err, name)
		assert.Equal(t, "acme", tenant)
		assert.Equal(t, []string{"acme"}, spec.Tenants, name)
		assert.Empty(t, spec.ID, "a name is made for it")
	}
	_, err := confine(holder("", access.Replay), &replay.Spec{})
	assert.ErrorIs(t, err, errOtherTenant)
	spec := replay.Spec{ID: "again", Tenants: []string{"a", "b"}}
	tenant, err := confine(boss, &spec)
	require.NoError(t, err)
	assert.Empty(t, tenant)
	assert.Equal(t, replay.Spec{ID: "again", Tenants: []string{"a", "b"}}, spec, "an operator's stays as it is")
}

func TestNamesOfJobsBelongToTenants(t *testing.T) {
	one := ownID("acme", "again")
	assert.Equal(t, one, ownID("acme", one), "the name that the answer gave is the job's")
	assert.NotEqual(t, one, ownID("beta", "again"))
	assert.NotContains(t, one, "acme")
	assert.NoError(t, (&replay.Spec{ID: one, From: "-1h"}).Validate())
}
