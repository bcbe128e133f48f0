// Package nestinglimitextension is a middleware of OTLP receivers that refuses requests which would cost too much to decode, before they are
// decoded, and bounds the memory of all requests together.
package nestinglimitextension

//go:generate mdatagen metadata.yaml
