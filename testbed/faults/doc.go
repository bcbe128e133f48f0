// Package faults kills, ends and starves collectors at random moments while clients send numbered items, and counts from
// outside what became of each acknowledged one. The same schedules run against a stock collector with a queue on disk: a
// schedule that costs that one nothing may be too weak, and the report says so.
//
//	make faults        # a hundred rounds of each schedule; the report is in build/faults
//
// Without -args -rounds, and in `make testbed`, a few rounds of each schedule run against Penstock alone.
package faults
