// Package simulation runs the real worker of internal/delivery, with a pipeline of real or model components behind it,
// against a log, a state topic, a sink and a clock that are models, and does to them what machines do: processes die
// between any two effects, stop and wake late (zombies), partitions move, answers are lost, sinks take half of a
// request. A schedule follows from its seed alone, so a violation can be run again.
//
// It then asks whether everything that the log holds is at the sink exactly once.
package simulation
