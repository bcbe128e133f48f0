// Package iceberg keeps an Apache Iceberg table (format version 2) over Parquet files that somebody else writes: it lists them in manifests and never
// touches them.
//
// All state of a table is in its metadata directory, so any process can be its next committer. The versions v1, v2, ... of the metadata are created one
// after another, and a version can be created once: Store.Create refuses a name that is there. So of two committers that start from the same version
// one loses, reads again and finds what the other one did. Everything else in the directory has a name that is never used again.
//
//	_iceberg/<table>/metadata/vN.metadata.json    schema, snapshots, properties
//	_iceberg/<table>/metadata/snap-<uuid>.avro    the manifests of a snapshot
//	_iceberg/<table>/metadata/<uuid>-mN.avro      files with their partitions, counts and bounds
//
// Table.Commit adds and removes files. It can be repeated: files that are there already are not added again, and files that are gone are not removed
// again. A process that dies in the middle leaves files that no version refers to; the next commit removes them.
//
// Specification: https://iceberg.apache.org/spec/
package iceberg
