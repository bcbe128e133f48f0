//go:generate mdatagen metadata.yaml

// Package kafkareplayreceiver follows a journal in Kafka: a worker per partition delivers its records, in order, to one
// pipeline, and resumes from checkpoints.
package kafkareplayreceiver
