//go:build unix

package cputime

import (
	"syscall"
	"time"
)

// Spent is the user and system time of this process so far.
func Spent() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // can't fail for the process itself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
