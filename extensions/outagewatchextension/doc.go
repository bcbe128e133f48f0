// Package outagewatchextension is a middleware of exporters that says when the server they send to is away, and when it is back.
package outagewatchextension

//go:generate mdatagen metadata.yaml
