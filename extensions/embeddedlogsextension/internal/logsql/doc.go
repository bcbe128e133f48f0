// Package logsql is the HTTP API of VictoriaLogs that reads: its routes, parameters and answers, so that its Grafana data source and its
// command line work.
//
// It differs where the store does: a query sees the tenant of the client's key, not that of the headers AccountID and ProjectID; ProjectID 1 stands for
// spans. The fields that say where in the journal a row came from are hidden unless the parameter provenance is 1. See
// https://docs.victoriametrics.com/victorialogs/querying/#http-api
package logsql
