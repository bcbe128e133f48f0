// Package udpstat reads the kernel's table of UDP sockets.
package udpstat

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ErrMalformed says that a line is not one of /proc/net/udp.
var ErrMalformed = errors.New("malformed line in the table of UDP sockets")

// Columns of /proc/net/udp; ref and pointer, which the kernel prints between inode and drops, are not used.
const (
	columnLocal  = 1
	columnRemote = 2
	columnInode  = 9
	columnDrops  = 12
	columns      = 13
)

// Socket is one line of the table.
type Socket struct {
	Local     netip.AddrPort
	Connected bool   // connected to one remote address
	Inode     uint64 // the target of /proc/<pid>/fd, socket:[<inode>]
	Drops     uint64 // datagrams dropped since the socket was opened
}

// Parse parses /proc/net/udp or /proc/net/udp6: see proc(5) and udp4_format_sock in the kernel's net/ipv4/udp.c. It is written for little-endian
// machines, on which the words of an address are printed with their bytes reversed.
func Parse(table io.Reader) ([]Socket, error) {
	lines := bufio.NewScanner(table)
	lines.Scan() // the heading
	var sockets []Socket
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < columns {
			return nil, fmt.Errorf("%w: %d columns", ErrMalformed, len(fields))
		}
		local, err := address(fields[columnLocal])
		if err != nil {
			return nil, err
		}
		remote, err := address(fields[columnRemote])
		if err != nil {
			return nil, err
		}
		inode, err := strconv.ParseUint(fields[columnInode], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: inode: %w", ErrMalformed, err)
		}
		drops, err := strconv.ParseUint(fields[columnDrops], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: drops: %w", ErrMalformed, err)
		}
		sockets = append(sockets, Socket{Local: local, Connected: remote.Port() != 0, Inode: inode, Drops: drops})
	}
	return sockets, lines.Err()
}

// address decodes hexadecimal address:port.
func address(text string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if !ok || err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("%w: address %q", ErrMalformed, text)
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	addr, ok := netip.AddrFromSlice(raw)
	number, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: address %q", ErrMalformed, text)
	}
	return netip.AddrPortFrom(addr, uint16(number)), nil
}
