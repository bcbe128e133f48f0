//go:build !unix

package disk

// freeBytes does not know on this system: only the size cap holds.
func freeBytes(string) (int64, error) { return 1 << 62, nil }

// SyncDirectory implements [FS]. This system has no call for it: NTFS writes names to its own journal.
func (OS) SyncDirectory(string) error { return nil }
