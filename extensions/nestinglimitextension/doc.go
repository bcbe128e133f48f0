// Package nestinglimitextension is a middleware of OTLP receivers that refuses requests which are nested too deeply, before
// they are decoded.
package nestinglimitextension

//go:generate mdatagen metadata.yaml
