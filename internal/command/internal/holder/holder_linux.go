// Package holder finds the process that listens on a port of this machine.
package holder

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Of returns the process that listens on the port, over TCP or bound to it over UDP. ok is false if it is unknown: the process belongs to another
// user, or has ended meanwhile.
func Of(network string, port int) (name string, pid int, ok bool) {
	inodes := map[string]bool{}
	for _, table := range []string{network, network + "6"} {
		text, err := os.ReadFile(filepath.Join("/proc/net", table))
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			if inode := listening(line, network, port); inode != "" {
				inodes["socket:["+inode+"]"] = true
			}
		}
	}
	if len(inodes) == 0 {
		return "", 0, false
	}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return "", 0, false
	}
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !inodes[target] {
			continue
		}
		process := strings.Split(link, "/")[2]
		comm, err := os.ReadFile(filepath.Join("/proc", process, "comm"))
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(process)
		return strings.TrimSpace(string(comm)), pid, err == nil
	}
	return "", 0, false
}

// listening returns the inode in a line of /proc/net/tcp or udp, if its socket is bound to the port: proc(5). Column 1 is the local
// address, column 3 the state (0A listens, 07 is an unconnected UDP socket), column 9 the inode.
func listening(line, network string, port int) string {
	fields := strings.Fields(line)
	state := map[string]string{"tcp": "0A", "udp": "07"}[network]
	if len(fields) < 10 || fields[3] != state || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
		return ""
	}
	return fields[9]
}
