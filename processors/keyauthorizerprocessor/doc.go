// Package keyauthorizerprocessor refuses telemetry of signals and services that the client's API key does not allow.
package keyauthorizerprocessor

//go:generate mdatagen metadata.yaml
