//go:build linux

package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is how much of the machine's processors was used so far, and how much of it by processes that this one has waited for.
type usage struct {
	busy, all float64 // of /proc/stat, in ticks
	ours      time.Duration
}

func now() usage {
	var u usage
	stat, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(stat), "\n")
	for i, field := range strings.Fields(line) {
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil || i > 8 { // the name; guests, which user time contains
			continue
		}
		u.all += ticks
		if i != 4 && i != 5 { // idle, waiting for a disk
			u.busy += ticks
		}
	}
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &r) == nil {
		u.ours = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return u
}

// others is the share of the processors since then, in %, that other processes and other guests of the host took. It is nil
// where the system does not say.
func (u usage) others() *int {
	end := now()
	all := end.all - u.all
	if all <= 0 {
		return nil
	}
	const ticks = 100 // a second: USER_HZ, the same on all architectures that Go supports
	percent := int(100*(end.busy-u.busy-(end.ours-u.ours).Seconds()*ticks)/all + 0.5)
	percent = min(max(percent, 0), 100)
	return &percent
}
