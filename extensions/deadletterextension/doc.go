// Package deadletterextension is a middleware of OTLP exporters: a refusal costs the items that it is about, which go to files that can
// be sent again, and nothing is given up for a reason that somebody can mend.
package deadletterextension

//go:generate mdatagen metadata.yaml
