// Package keyguardprocessor refuses telemetry of signals and services that the client's API key is not for.
package keyguardprocessor

//go:generate mdatagen metadata.yaml
