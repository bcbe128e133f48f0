// Package protectedtelemetry is the collector's own telemetry, otelconftelemetry, with a Prometheus listener that web pages can't use
// and a log in which retries and connections that fail don't repeat themselves.
//
// It has a module of its own, so that who takes one component does not get the collector's service with it. In an ocb manifest:
//
//	telemetry:
//	  gomod: github.com/penstockhq/penstock/telemetry/protectedtelemetry v0.1.0
package protectedtelemetry
