//go:build unix

package profileprovider

import "syscall"

// otherUsers are the permissions of group and others.
const otherUsers = 0o077

// closeToOthers makes files 0600 and directories 0700 from now on, in the whole process: libraries that we use for the journal, the
// TSDB and queues leave the modes of their files to the umask, and all of these hold what clients sent.
func closeToOthers() {
	syscall.Umask(syscall.Umask(otherUsers) | otherUsers)
}
