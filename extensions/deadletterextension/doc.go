// Package deadletterextension is a middleware of OTLP exporters: items that a server refuses permanently go to files that can be sent again, and no
// request is discarded for a reason that an operator can remove.
package deadletterextension

//go:generate mdatagen metadata.yaml
