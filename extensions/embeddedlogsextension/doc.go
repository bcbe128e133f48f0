// Package embeddedlogsextension keeps logs and traces in the collector, for full-text search, and answers LogsQL and LogQL over HTTP.
package embeddedlogsextension

//go:generate mdatagen metadata.yaml
