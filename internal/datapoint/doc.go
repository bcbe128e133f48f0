// Package datapoint merges metric data points and takes the increase of
// cumulative ones. It is the arithmetic that every stateful metric component
// shares; it has no streams, no counters and no clock.
//
// There is one value type per kind of data point: [Number], [Histogram],
// [Exponential] and [Summary]. Each of them
//
//   - is read from a pdata point with its From function, which copies, so the
//     point may be changed or dropped afterwards, and refuses malformed points
//     with an error that wraps [ErrMalformed];
//   - has the zero value as the neutral element of Add;
//   - has Sub, the increase since an earlier value of the same cumulative run;
//   - is written into a pdata point with CopyTo, which touches value fields only:
//     never attributes, times, flags or exemplars;
//   - is written to and read from bytes with Append and Decode.
//
// How to interpret an increase when a stream begins, resets, repeats or arrives
// out of order is decided by one function: [Follow].
//
// Add is commutative and associative for counts and buckets. For floating point
// sums it is so up to rounding: the order of additions decides the last bits.
//
// No type is safe for concurrent use. Slices inside a value belong to it.
//
// Source: https://opentelemetry.io/docs/specs/otel/metrics/data-model/
package datapoint
