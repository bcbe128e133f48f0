//go:build unix

// Package umask protects the files of this process from other users of the machine.
package umask

import "syscall"

// others are the permissions of group and others.
const others = 0o077

// Close makes new files 0600 and new directories 0700 from now on, in the whole process. Libraries that write the journal, the TSDB and queues
// leave the modes of their files to the umask, and all of these files contain data of clients. A stricter umask stays.
func Close() {
	syscall.Umask(syscall.Umask(others) | others)
}
