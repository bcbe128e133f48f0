package database

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/wal"
	"github.com/penstockhq/penstock/internal/durable"
)

const (
	identityFile = "penstock.json"
	// maxRuns bounds how many earlier runs a directory knows. A position of an older one counts as unknown.
	maxRuns = 64
	// bootFile has the id of the machine's boot, on Linux.
	bootFile = "/proc/sys/kernel/random/boot_id"
)

// ends are where both logs of the head end.
type ends struct {
	WAL wal.Position `json:"wal"`
	WBL wal.Position `json:"wbl"`
}

// run is one period in which the logs were open, and their ends afterwards.
type run struct {
	ID   string `json:"run"`
	Ends ends   `json:"ends"`
}

// identity says which database a directory holds, and the history of its logs. It has its own file.
type identity struct {
	ID string `json:"id"`
	// Run is the open run, or the one that was open when the process ended.
	Run string `json:"run"`
	// Clean says that the run was closed in good order.
	Clean bool `json:"clean"`
	// Boot is the machine's boot of the run; empty if it is unknown.
	Boot string `json:"boot,omitempty"`
	// Earlier are the runs before, oldest first.
	Earlier []run `json:"earlier,omitempty"`
}

func randomID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // rand.Read never fails
	return hex.EncodeToString(b[:])
}

// readIdentity returns a new identity if there is none. An invalid file is set aside; lost is its new name.
func readIdentity(dir string) (i identity, lost string, err error) {
	file := filepath.Join(dir, identityFile)
	text, err := os.ReadFile(file)
	if err == nil {
		if json.Unmarshal(text, &i) == nil && i.ID != "" {
			return i, "", nil
		}
		if lost, err = durable.SetAside(file, time.Now()); err != nil {
			return i, "", fmt.Errorf("set aside a damaged %s: %w", identityFile, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return i, "", fmt.Errorf("read %s: %w", identityFile, err)
	}
	return identity{ID: randomID()}, lost, nil
}

// begin starts a run. The previous one ended at before.
func (i *identity) begin(before ends) {
	if i.Run != "" {
		i.Earlier = append(i.Earlier, run{i.Run, before})
		i.Earlier = slices.Delete(i.Earlier, 0, max(0, len(i.Earlier)-maxRuns))
	}
	i.Run, i.Clean, i.Boot = randomID(), false, boot()
}

func boot() string {
	text, err := os.ReadFile(bootFile)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// write replaces the file, durably.
func (i *identity) write(dir string) error {
	text, err := json.Marshal(i)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(dir, identityFile), text, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", identityFile, err)
	}
	return nil
}

// position is the end of a database's logs in one of its runs.
type position struct {
	ID   string `json:"id"`
	Run  string `json:"run"`
	Ends ends   `json:"ends"`
}

func (p position) String() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // numbers and strings always encode
	}
	return string(text)
}

// GoneError says that the storage no longer holds everything that it held at a position.
type GoneError struct{ Reason string }

func (e *GoneError) Error() string { return e.Reason }

// holds compares a position with the ends of the runs of i. now is the end of the logs in the open run.
func (i *identity) holds(text string, now ends) error {
	var p position
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return fmt.Errorf("position %q: %w", text, err)
	}
	left := now
	switch at := slices.IndexFunc(i.Earlier, func(r run) bool { return r.ID == p.Run }); {
	case p.ID != i.ID:
		return &GoneError{fmt.Sprintf("the storage is not the same (its identity is %s and was %s): its directory was emptied or replaced", i.ID, p.ID)}
	case p.Run == i.Run:
	case at >= 0:
		left = i.Earlier[at].Ends
	case len(i.Earlier) == maxRuns:
		return &GoneError{fmt.Sprintf("the position belongs to a run that is not among the storage's last %d", maxRuns)}
	default:
		return &GoneError{"the position belongs to a run that the storage doesn't know: its directory was restored from a backup"}
	}
	for _, log := range []struct {
		name      string
		was, left wal.Position
	}{{"write-ahead log", p.Ends.WAL, left.WAL}, {"write-behind log (out-of-order samples)", p.Ends.WBL, left.WBL}} {
		if log.left.Before(log.was) {
			return &GoneError{fmt.Sprintf("the %s ended at %v, and was durable up to %v: it was cut, emptied or restored from a backup", log.name, log.left, log.was)}
		}
	}
	return nil
}
