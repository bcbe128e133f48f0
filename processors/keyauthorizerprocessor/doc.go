// Package keyauthorizerprocessor refuses telemetry of signals and services that the client's API key is not for.
package keyauthorizerprocessor

//go:generate mdatagen metadata.yaml
