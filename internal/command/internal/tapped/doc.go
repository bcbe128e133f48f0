// Package tapped lets taps see the input and output of each component of a collector: it wraps the collector's factories.
//
// Without an open tap, a batch costs one atomic load at each point. Components keep their names, stability, capabilities and telemetry.
package tapped
