// Package queuestorageextension stores exporters' sending queues on disk: contrib's file_storage with fsync, one owner per directory, and without
// the data loss of the stock queue's recovery.
package queuestorageextension

//go:generate mdatagen metadata.yaml
