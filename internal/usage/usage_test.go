package usage_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/penstockhq/penstock/internal/usage"
)

func ExampleMeter() {
	m := usage.NewMeter[usage.Sum](1000)
	for range 3 {
		m.Use(usage.Key{Tenant: "acme", Service: "shop", Signal: "logs"}, usage.Sum{Items: 10, Bytes: 2000})
	}
	m.Each(func(k usage.Key, s usage.Sum) { fmt.Println(k.Tenant, k.Service, s.Items, s.Bytes) })
	// Output: acme shop 30 6000
}

// However many names come, memory is bounded, and nothing is missing in the sum over all.
func TestBounds(t *testing.T) {
	m := usage.NewMeter[usage.Sum](10)
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
	none := usage.Find(componenttest.NewNopHost())
	none.Use(usage.Key{}, usage.Sum{})
	none.Query("", "", usage.Queries{})
	none.Watch(nil)()
}

// Of two drivers the one with more values stays, in either order.
func TestDrivers(t *testing.T) {
	few := usage.Series{Active: 10, Driver: usage.Driver{Metric: "a", Series: 10}}
	many := usage.Series{Active: 3, Driver: usage.Driver{Metric: "b", Attribute: "user", Values: 2, Series: 3}}
	want := usage.Series{Active: 13, Driver: many.Driver}
	assert.Equal(t, want, few.Plus(many))
	assert.Equal(t, want, many.Plus(few))
	more := usage.Series{Active: 11, Driver: usage.Driver{Metric: "c", Series: 11}}
	assert.Equal(t, usage.Series{Active: 21, Driver: more.Driver}, few.Plus(more))
	assert.Equal(t, usage.Queries{Number: 3, Time: 5}, usage.Queries{Number: 1, Time: 2}.Plus(usage.Queries{Number: 2, Time: 3}))
}
