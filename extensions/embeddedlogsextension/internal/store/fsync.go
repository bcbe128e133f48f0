package store

import (
	"errors"
	"testing"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/fs/fsutil"
)

// errNoFsync names the variable that the engine reads.
var errNoFsync = errors.New("the environment has DISABLE_FSYNC_FOR_TESTING=true: the storage engine would not fsync, and a power cut would lose rows that were taken for durable; unset it")

// CheckFsync returns an error if rows would not be durable: the engine reads a variable of the environment that turns fsync off, which is
// meant for tests. In Go tests it is off unless the variable says otherwise, and that is fine.
func CheckFsync() error {
	if fsutil.IsFsyncDisabled() && !testing.Testing() {
		return errNoFsync
	}
	return nil
}
