package usage_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/penstockhq/penstock/internal/usage"
)

func ExampleMeter() {
	m := usage.NewMeter(1000)
	for range 3 {
		m.Use(usage.Key{Tenant: "acme", Service: "shop", Signal: "logs"}, usage.Sum{Items: 10, Bytes: 2000})
	}
	m.Each(func(k usage.Key, s usage.Sum) { fmt.Println(k.Tenant, k.Service, s.Items, s.Bytes) })
	// Output: acme shop 30 6000
}

// However many names come, memory is bounded, and nothing is missing in the sum over all.
func TestBounds(t *testing.T) {
	m := usage.NewMeter(10)
	const tenants, services = 50, 20
	for i := range tenants {
		for j := range services {
			m.Use(usage.Key{fmt.Sprint(i), fmt.Sprint(j), "logs"}, usage.Sum{1, 2})
		}
	}
	n, all := 0, usage.Sum{}
	byTenant := map[string]int64{}
	m.Each(func(k usage.Key, s usage.Sum) {
		n++
		all.Items += s.Items
		all.Bytes += s.Bytes
		byTenant[k.Tenant] += s.Items
	})
	assert.Equal(t, 20, n)
	assert.Equal(t, usage.Sum{tenants * services, 2 * tenants * services}, all)
	assert.EqualValues(t, services, byTenant["0"], "the first tenants are whole")
	assert.Positive(t, byTenant[usage.Other])
	usage.Find(componenttest.NewNopHost()).Use(usage.Key{}, usage.Sum{})
}
