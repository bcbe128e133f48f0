// Package statsdserverreceiver receives lines of StatsD and DogStatsD, and makes points for each interval. It keeps fractions, counts each
// line that it refuses, and keeps the points of an interval that the pipeline doesn't accept.
package statsdserverreceiver

//go:generate mdatagen metadata.yaml
