// Package protectedtelemetry is the collector's own telemetry, otelconftelemetry, with two changes: its Prometheus listener refuses web
// pages, and its log does not repeat lines about retries and failed connections.
//
// It is a separate module, so that users of one component do not depend on the collector's service. In an ocb manifest:
//
//	telemetry:
//	  gomod: github.com/penstockhq/penstock/telemetry/protectedtelemetry v0.1.0
package protectedtelemetry
