// Package jaegerapi answers Jaeger's HTTP API for reading from the spans of the store, for Grafana's Jaeger data source and for Jaeger's own UI.
//
// The API is that of Jaeger 2's query service, https://www.jaegertracing.io/docs/latest/apis/, whose JSON is not versioned: the tests hold it against answers written by hand after its model.
package jaegerapi
