//go:build linux && !full

package store_test

// crashMoments is at how many moments the process is stopped.
const crashMoments = 25
