//go:build !unix

package disk

// freeBytes is unknown on this system: only max_size limits the log.
func freeBytes(string) (int64, error) { return 1 << 62, nil }

// SyncDirectory implements [FS]. This system has no call for it: NTFS writes names to its own journal.
func (OS) SyncDirectory(string) error { return nil }
