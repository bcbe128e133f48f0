// Package ledgerextension adds up what became of everything that the journal has received, for people, programs and alerts.
package ledgerextension

//go:generate mdatagen metadata.yaml
