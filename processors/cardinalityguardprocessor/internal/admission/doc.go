// Package admission decides which series are admitted. It holds the set of active series ([Table]), the budgets that they use ([Tree]:
// total, tenant, service, metric), the distinct values of a metric's attributes ([Sketches]), and the event-time clock ([Clock]) by which
// series become idle and free their place.
//
// The package is independent of telemetry: series are 64-bit fingerprints, tenants, services, metrics and attributes are strings.
package admission
