// Package outagewatchextension is a middleware of exporters that logs when their server does not answer, and when it answers again.
package outagewatchextension

//go:generate mdatagen metadata.yaml
