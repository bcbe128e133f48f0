// Package journal measures the cost of the journal, compared with passing data on, contrib's kafkaexporter and sarama, on a real Kafka of three brokers:
//
//	make kafka build && cd testbed && go test -run '^$' -bench . -benchtime 5x ./bench/journal
package journal
