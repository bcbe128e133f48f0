// Package journal defines Penstock's data in Kafka: topic names, the conversion of a batch of telemetry to records, and the
// headers of a record.
//
// A record's value is one OTLP export request in protobuf, so every consumer of OTLP in Kafka can read the journal, and
// records of other producers (contrib's kafkaexporter with otlp_proto, for example) can be followed. Compression is Kafka's own, per
// batch of records. Headers have the data that is not in the request: tenant, time of receipt, client metadata.
//
// All records of one key go to one partition, in order. The key puts all data that needs one worker into one partition:
//
//	metrics  tenant, service.namespace, service.name and shard: all points of a series share a partition
//	logs     tenant, service.namespace, service.name, host.name
//	traces   tenant and a bucket of the trace id: all spans of a trace share a partition
//
// A record has one tenant and one key. Requests that mix them are divided in their encoded form, without decoding
// (package wire), and so are requests that are larger than a record may be.
package journal
