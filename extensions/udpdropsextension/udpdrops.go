package udpdropsextension

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/udpdropsextension/internal/metadata"
	"github.com/penstockhq/penstock/extensions/udpdropsextension/internal/udpstat"
)

// udpDrops reports the kernel's counters when telemetry is collected. It does nothing in between.
type udpDrops struct {
	set       component.TelemetrySettings
	proc      string // path of the proc file system
	telemetry *metadata.TelemetryBuilder
}

var _ extension.Extension = (*udpDrops)(nil)

// Start registers the metric. Without Linux's proc file system there is nothing to report; it logs that once.
func (u *udpDrops) Start(context.Context, component.Host) error {
	if _, err := os.Stat(filepath.Join(u.proc, "self", "net", "udp")); err != nil {
		u.set.Logger.Warn("the kernel's table of UDP sockets can't be read; dropped datagrams are not counted", zap.Error(err))
		return nil
	}
	telemetry, err := metadata.NewTelemetryBuilder(u.set)
	if err != nil {
		return err
	}
	u.telemetry = telemetry
	return telemetry.RegisterExtensionUDPDropsDatagramsCallback(u.observe)
}

// Shutdown unregisters the metric.
func (u *udpDrops) Shutdown(context.Context) error {
	if u.telemetry != nil {
		u.telemetry.Shutdown()
	}
	return nil
}

// observe reports the listening sockets of this process. Connected ones are clients, such as the resolver's.
func (u *udpDrops) observe(_ context.Context, observer metric.Int64Observer) error {
	ours, err := u.inodes()
	if err != nil {
		return err
	}
	byAddress := make(map[string]uint64)
	for _, table := range []string{"udp", "udp6"} {
		sockets, err := u.read(table)
		if err != nil {
			return err
		}
		for _, socket := range sockets {
			if ours[socket.Inode] && !socket.Connected {
				byAddress[socket.Local.String()] += socket.Drops
			}
		}
	}
	for address, drops := range byAddress {
		observer.Observe(int64(drops), metric.WithAttributes(attribute.String("network.local.address", address)))
	}
	return nil
}

// read parses a table. A machine without IPv6 has no udp6.
func (u *udpDrops) read(table string) ([]udpstat.Socket, error) {
	file, err := os.Open(filepath.Join(u.proc, "self", "net", table))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer file.Close()
	return udpstat.Parse(file)
}

// inodes are the open sockets of this process.
func (u *udpDrops) inodes() (map[uint64]bool, error) {
	dir := filepath.Join(u.proc, "self", "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	inodes := make(map[uint64]bool)
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		number, ok := strings.CutPrefix(target, "socket:[")
		if !ok {
			continue
		}
		if inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64); err == nil {
			inodes[inode] = true
		}
	}
	return inodes, nil
}
