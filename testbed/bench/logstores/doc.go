// Package logstores sends the same log records over OTLP to Penstock, VictoriaLogs and Loki and asks each the same five questions: rows per CPU second, bytes a
// row on disk, times of queries. The answers are compared, so a store that left rows out has no figures.
//
//	make build && make -C testbed/backends victorialogs loki && cd testbed
//	go test -tags full -run '^$' -bench Stores -benchtime 1x -timeout 4h ./bench/logstores -args -lines 10000000
//
// A day of 10 GB: -args -lines 20000000 -stores nojournal,victorialogs -directory <on a disk with 8 GB>. The stores:
//
//	standalone    profile:standalone without its lake: scrubber, journal with fsync, one row for each place in the journal
//	unscrubbed    the same without pii_scrubber
//	nojournal     OTLP receiver and embedded_logs alone
//	victorialogs  VictoriaLogs with its defaults
//	loki          Loki with its defaults, one process, limits of rates raised
package logstores
