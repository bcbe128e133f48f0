// Package ingestreceiver receives logs, metrics and events as plain JSON, from clients without an SDK.
package ingestreceiver

//go:generate mdatagen metadata.yaml
