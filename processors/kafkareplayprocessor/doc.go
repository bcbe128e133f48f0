//go:generate mdatagen metadata.yaml

// Package kafkareplayprocessor makes a pipeline durable: Kafka has the data, on all in-sync replicas, before the processor answers.
package kafkareplayprocessor
