//go:build linux || darwin || freebsd

package freespace

import "syscall"

// readOnlyFlag is ST_RDONLY of statfs(2).
const readOnlyFlag = 1

// Look queries the file system of directory.
func Look(directory string) (State, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(directory, &s); err != nil {
		return State{}, err
	}
	block := uint64(s.Bsize)
	return State{Free: uint64(s.Bavail) * block, Total: s.Blocks * block, ReadOnly: s.Flags&readOnlyFlag != 0}, nil
}
