package cardinalityguardprocessor

import (
	"github.com/penstockhq/penstock/internal/usage"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/admission"
)

// series returns the active series of this process's partitions, metric by metric, with the attribute that has the most values.
func (g *guard) series(each func(tenant, service string, s usage.Series)) {
	g.partitions.Each(func(p *partition) {
		p.tree.Each(func(n *admission.Node) {
			active := n.Series.Used()
			if active == 0 {
				return
			}
			d := usage.Driver{Metric: n.Metric, Series: active}
			if all := n.Growth.Distinct(); len(all) > 0 && all[0].Values > 1 {
				d.Attribute, d.Values = all[0].Name, all[0].Values
			}
			each(n.Tenant, n.Service, usage.Series{Active: active, Driver: d})
		})
	})
}
