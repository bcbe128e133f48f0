// Package sampler takes records out of batches that pass a tap's point, scrubs them, and makes lines of JSON of them.
//
// Nothing is shown that was not scrubbed: a record is copied, every scrubber of the collector works on the copy, and what comes out is
// cut to a bounded length. Without a scrubber, nothing is shown.
package sampler
