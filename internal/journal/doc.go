// Package journal defines what Penstock keeps in Kafka: topic names, how a batch of telemetry becomes records, and what a
// record says about itself.
//
// A record's value is one OTLP export request in protobuf, so whatever reads OTLP from Kafka reads the journal, and what
// others write (contrib's kafkaexporter with otlp_proto, for example) can be followed. Compression is Kafka's own, per
// batch of records. Headers carry what the request does not: tenant, time of receipt, client metadata.
//
// All records of one key go to one partition, in order. The key is chosen such that whatever needs one worker gets one:
//
//	metrics  tenant, service.namespace, service.name and shard: all points of a series share a partition
//	logs     tenant, service.namespace, service.name, host.name
//	traces   tenant and a bucket of the trace id: all spans of a trace share a partition
//
// A record has one tenant and one key. Requests that mix them are taken apart on the wire, without decoding (package
// wire), and so are requests larger than a record may be.
package journal
