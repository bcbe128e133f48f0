// Package shop is a small web shop that exists only as telemetry: four services, a slow dependency, errors, card numbers in logs, a label
// that explodes, and data that arrives late. `make demo` and the tests of the console send it.
//
//	shop.go      the services' present telemetry, with the OpenTelemetry SDK for Go
//	incident.go  an incident some hours ago, and a phone that was offline: points with old times, as plain OTLP
package shop
