//go:generate mdatagen metadata.yaml

// Package lokiexporter sends logs to Grafana Loki's push API: few, bounded stream
// labels, everything else as structured metadata, and only what Loki refuses is lost.
package lokiexporter
