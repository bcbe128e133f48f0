// Package apikeyauthextension admits clients that send an API key of a file. The key says whose their telemetry is.
package apikeyauthextension

//go:generate mdatagen metadata.yaml
