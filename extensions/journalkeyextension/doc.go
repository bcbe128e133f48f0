// Package journalkeyextension keeps one key for all collectors that share a journal, in the journal.
package journalkeyextension

//go:generate mdatagen metadata.yaml
