// Package querylimit bounds the cost of a PromQL query before Prometheus' parser sees it, and the number of running and waiting queries.
package querylimit
