// Package journal proves what docs/delivery.md promises, on a real Kafka of three brokers: clients send to gateways until they are
// answered, processes and brokers are killed and stopped meanwhile, and in the end every record is where it belongs, once.
package journal
