// Package embeddedlogsextension keeps logs and traces in the collector, for full-text search, and answers LogsQL over HTTP.
package embeddedlogsextension

//go:generate mdatagen metadata.yaml
