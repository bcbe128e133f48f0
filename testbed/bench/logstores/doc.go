// Package logstores sends the same log records over OTLP to Penstock, VictoriaLogs and Loki and asks each the same five questions: rows per CPU second, bytes a
// row on disk, times of queries. The answers are compared, so a store that left rows out has no figures.
//
//	make build && make -C testbed/backends victorialogs loki && cd testbed
//	go test -tags full -run '^$' -bench Stores -benchtime 1x -timeout 4h ./bench/logstores -args -lines 10000000
//
// A day of 10 GB: -stores standalone -lines 20000000 -directory on a disk with 6 GB.
package logstores
