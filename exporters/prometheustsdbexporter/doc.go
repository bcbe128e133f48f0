// Package prometheustsdbexporter writes metrics to Prometheus-compatible databases, by remote write or directly into the collector's own
// TSDB.
package prometheustsdbexporter

//go:generate mdatagen metadata.yaml
