// Package embeddedlogsexporter writes logs and traces into the store of the embedded_logs extension, in process and behind a journal each
// once.
package embeddedlogsexporter

//go:generate mdatagen metadata.yaml
