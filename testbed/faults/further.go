//go:build !full

package faults

// further needs more than `make testbed` has: see further_full_test.go.
var further []schedule
