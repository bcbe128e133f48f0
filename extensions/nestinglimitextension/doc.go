// Package nestinglimitextension is a middleware of OTLP receivers that refuses requests which would cost too much to decode, before they
// are decoded, and bounds what all requests take together.
package nestinglimitextension

//go:generate mdatagen metadata.yaml
