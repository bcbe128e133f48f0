// Package logrules evaluates rules over logs: every interval a rule's LogsQL statistics become samples of recorded series, as Prometheus'
// recording rules do it with PromQL.
//
// A rule is evaluated for whole multiples of its interval since 1970. The evaluation for time T sees the rows from T minus the interval up to, without, T,
// unless the query has a filter on _time of its own; its samples have the time T. It runs when T plus the delay has passed, because rows come late.
package logrules
