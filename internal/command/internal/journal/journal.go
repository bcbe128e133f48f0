// Package journal checks the log of embedded_kafka.
package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension"
	"github.com/penstockhq/penstock/internal/command/internal/repair"
)

// lockFile is the file that embedded_kafka locks in its directory.
const lockFile = "penstock.lock"

// Check returns the check of the log in directory. A start of the collector repairs everything that can be repaired, so the check reports what the
// next start will do, and what is lost.
func Check(directory string) repair.Check {
	return repair.Check{Name: "journal", Open: func(context.Context) (repair.Stores, error) {
		if _, err := os.Stat(directory); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		lock := flock.New(filepath.Join(directory, lockFile), flock.SetPermissions(0o600))
		taken, err := lock.TryLock()
		if err != nil {
			return nil, err
		}
		if !taken {
			return nil, fmt.Errorf("%s is %w by a collector", directory, repair.ErrInUse)
		}
		return &log{directory, lock}, nil
	}}
}

type log struct {
	directory string
	lock      *flock.Flock
}

// Close unlocks the directory.
func (l *log) Close() error { return l.lock.Close() }

// Find reads every record.
func (l *log) Find(context.Context) (int, []repair.Finding, error) {
	places, err := embeddedkafkaextension.Check(l.directory)
	found := make([]repair.Finding, len(places))
	for i, p := range places {
		found[i] = repair.Finding{Path: p.File, Damage: p.Text, Lost: lost(p.Records),
			Action:  "leave it: the collector repairs it at its next start",
			Follows: follows(p.Records),
			Repair: func(context.Context) (string, error) {
				return "left: the collector repairs it at its next start", nil
			}}
	}
	return 1, found, err
}

func lost(records int64) string {
	if records == 0 {
		return ""
	}
	return fmt.Sprintf("%d records at most", records)
}

func follows(records int64) string {
	if records == 0 {
		return "no record is lost"
	}
	return "the broker counts these records in extension_embedded_kafka_lost_records; everything else is delivered"
}
