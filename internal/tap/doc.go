// Package tap shows records of a running pipeline to people who look, and costs one atomic load a batch while nobody does.
//
// A Point is a place that batches pass. A Tap is what one viewer sees of the points that its Filter selects: some records a second, and how
// many passed without being shown. The package knows neither the collector nor what a record is; package sampler does.
package tap
