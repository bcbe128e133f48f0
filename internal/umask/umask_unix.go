//go:build unix

// Package umask keeps other users of the machine out of the files of this process.
package umask

import "syscall"

// others are the permissions of group and others.
const others = 0o077

// Close makes files 0600 and directories 0700 from now on, in the whole process. Libraries that write the journal, the TSDB and queues
// leave the modes of their files to the umask, and all of these hold what clients sent. A stricter umask stays.
func Close() {
	syscall.Umask(syscall.Umask(others) | others)
}
