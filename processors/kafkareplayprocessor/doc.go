//go:generate mdatagen metadata.yaml

// Package kafkareplayprocessor is the durable line of a pipeline: what reaches it is in Kafka, on all in-sync replicas,
// before it answers.
package kafkareplayprocessor
