// Package querylimit bounds what a PromQL query may cost before Prometheus' parser sees it, and how many queries run and wait.
package querylimit
