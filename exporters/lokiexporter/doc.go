//go:generate mdatagen metadata.yaml

// Package lokiexporter sends logs to Grafana Loki's push API with few, bounded stream labels and everything else as structured metadata.
// Only entries that Loki refuses are lost.
package lokiexporter
