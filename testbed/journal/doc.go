// Package journal tests the promises of docs/delivery.md on a real Kafka of three brokers: clients send to gateways until they are
// answered, meanwhile processes and brokers are killed and stopped, and in the end every record is stored exactly once in its sinks.
package journal
