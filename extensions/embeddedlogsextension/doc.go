// Package embeddedlogsextension keeps logs and traces in the collector, for full-text search, and answers LogsQL, LogQL, Jaeger's API and a JSON search over HTTP.
package embeddedlogsextension

//go:generate mdatagen metadata.yaml
