// Package statsdserverreceiver takes lines of StatsD and DogStatsD, and makes points of each interval. It keeps fractions, counts each line that it
// refuses, and holds an interval that the pipeline doesn't take.
package statsdserverreceiver

//go:generate mdatagen metadata.yaml
