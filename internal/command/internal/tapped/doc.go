// Package tapped lets taps look at what goes into and comes out of each component of a collector: it wraps the collector's factories.
//
// While nobody looks, a batch costs one atomic load at each point. Components keep their names, stability, capabilities and telemetry.
package tapped
