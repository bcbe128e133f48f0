// Package admission decides which series are let through. It holds the set of active series ([Table]), the budgets they
// use up ([Tree]: total, tenant, service, metric), the distinct values of a metric's attributes ([Sketches]), and the
// event-time clock ([Clock]) by which idle series give their place back.
//
// Nothing here knows telemetry: series are 64-bit fingerprints, tenants, services, metrics and attributes are strings.
package admission
