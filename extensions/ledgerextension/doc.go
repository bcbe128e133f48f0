// Package ledgerextension adds up the fate of everything that the journal has received, for people, programs and alerts.
package ledgerextension

//go:generate mdatagen metadata.yaml
