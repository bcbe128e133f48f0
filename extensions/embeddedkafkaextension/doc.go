//go:generate mdatagen metadata.yaml

// Package embeddedkafkaextension runs a Kafka broker for one machine inside the collector, so that journal and replay
// need no other service.
package embeddedkafkaextension
