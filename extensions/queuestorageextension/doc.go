// Package queuestorageextension is the disk behind exporters' sending queues: contrib's file_storage with fsync, one owner per
// directory, and without the loss of the stock queue's recovery.
package queuestorageextension

//go:generate mdatagen metadata.yaml
