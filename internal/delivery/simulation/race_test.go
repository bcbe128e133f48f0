//go:build race

package simulation_test

// raceDetector makes everything ten times slower, and a schedule runs in one goroutine.
const raceDetector = true
