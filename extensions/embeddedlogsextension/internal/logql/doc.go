// Package logql reads LogQL, the query language of Grafana Loki: text in, a tree out, and an error with line
// and column for what it does not know. It is written from Loki's documentation; the packages beside it evaluate the tree.
//
// Sources: https://grafana.com/docs/loki/latest/query/log_queries/, https://grafana.com/docs/loki/latest/query/metric_queries/.
package logql
