// Package logqlengine evaluates LogQL over a source of entries, within bounds that it states in its errors.
//
// A query reads its entries in any order, so a source may hand them over as they lie on disk. Lines are searched in slices of time
// that grow from the end (or the beginning) at which the answer begins, so the newest hundred lines of a month cost about what they are.
package logqlengine
