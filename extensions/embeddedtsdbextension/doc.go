// Package embeddedtsdbextension runs Prometheus' own storage, PromQL engine, rule manager and HTTP API inside the collector.
package embeddedtsdbextension

//go:generate mdatagen metadata.yaml
