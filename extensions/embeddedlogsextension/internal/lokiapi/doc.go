// Package lokiapi answers Grafana Loki's HTTP API for reading: Grafana's Loki data source works against it.
//
// Source: https://grafana.com/docs/loki/latest/reference/loki-http-api/.
package lokiapi
