// Package quota measures what quotas cost: the CPU of a collector for each request that it appends to the journal, with quotas of the client's key,
// its tenant and its service, and without.
//
//	make build && cd testbed && go test -run '^$' -bench . -benchtime 9x ./bench/quota
package quota
