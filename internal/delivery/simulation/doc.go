// Package simulation runs the real worker of internal/delivery with a pipeline of real or model components, against models of a log, a
// state topic, a sink and a clock. It injects the faults of real machines: processes die between any two effects, stop and wake late
// (zombies), partitions move, answers are lost, sinks accept half of a request. A schedule follows from its seed alone, so a violation can
// be reproduced.
//
// It then checks whether everything in the log is at the sink exactly once.
package simulation
