//go:build unix

package tail

import (
	"io/fs"
	"syscall"
)

// idOf returns the id of a file, unique on this machine.
func idOf(_ string, info fs.FileInfo) ID {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return ID{Device: uint64(stat.Dev), Inode: stat.Ino} //nolint:unconvert // int32 on darwin
	}
	return ID{}
}

// handles is how many files this process may have open.
func handles() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || limit.Cur > 1<<20 {
		return 1 << 20
	}
	return int(limit.Cur)
}
