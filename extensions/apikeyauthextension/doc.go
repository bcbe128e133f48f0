// Package apikeyauthextension admits clients by API keys from a file. The key names the tenant of their telemetry.
package apikeyauthextension

//go:generate mdatagen metadata.yaml
