// Package prometheustsdbexporter writes metrics to Prometheus-compatible databases: by remote write, or straight into the
// collector's own.
package prometheustsdbexporter

//go:generate mdatagen metadata.yaml
