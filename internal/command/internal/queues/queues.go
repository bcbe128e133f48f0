// Package queues checks the files in which queue_storage and file_storage store queues, positions and states.
package queues

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"go.etcd.io/bbolt"

	"github.com/penstockhq/penstock/internal/boltfile"
	"github.com/penstockhq/penstock/internal/command/internal/repair"
	"github.com/penstockhq/penstock/internal/durable"
	"github.com/penstockhq/penstock/internal/seal"
)

const (
	bucket    = "default"
	ownerLock = "owner.lock"
)

// fileName is file_storage's name of a file: the kind, type and name of a component, or a hash if that is too long.
var fileName = regexp.MustCompile(`^((receiver|processor|exporter|connector|extension|other)_.*|[0-9a-f]{64})$`)

// Check returns the check of all such files below dir, without those in the directories except, which other checks handle.
func Check(dir string, except ...string) repair.Check {
	return repair.Check{Name: "queues, positions and states", Open: func(context.Context) (repair.Stores, error) {
		s := &files{}
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir():
				for _, e := range except {
					if path == e {
						return fs.SkipDir
					}
				}
				return nil
			case !d.Type().IsRegular() || durable.IsAside(path):
				return nil
			case d.Name() == ownerLock:
				return s.lock(path)
			case fileName.MatchString(d.Name()):
				s.paths = append(s.paths, path)
				return s.lock(path)
			}
			return nil
		})
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		return s, nil
	}}
}

// files are locked as bbolt does it: a process that has one open keeps us out, and the other way round.
type files struct {
	paths []string
	locks []*flock.Flock
}

func (s *files) lock(path string) error {
	lock := flock.New(path)
	taken, err := lock.TryLock()
	if err != nil {
		return err
	}
	if !taken {
		return fmt.Errorf("%s is %w by a collector", path, repair.ErrInUse)
	}
	s.locks = append(s.locks, lock)
	return nil
}

// Close unlocks the files.
func (s *files) Close() error {
	var err error
	for _, lock := range s.locks {
		err = errors.Join(err, lock.Close())
	}
	s.locks = nil
	return err
}

// Find reads all pages and all values of each file.
func (s *files) Find(ctx context.Context) (int, []repair.Finding, error) {
	var found []repair.Finding
	var failed error
	for _, path := range s.paths {
		if ctx.Err() != nil {
			return 0, nil, ctx.Err()
		}
		of, err := s.examine(path)
		failed = errors.Join(failed, err)
		found = append(found, of...)
	}
	return len(s.paths), found, failed
}

func (s *files) examine(path string) ([]repair.Finding, error) {
	var damagedKeys []string
	report, err := boltfile.CheckFile(path, bucket, func(key []byte, value func() ([]byte, error)) error {
		stored, err := value()
		if err != nil {
			return err
		}
		if _, err := seal.Open(stored); err != nil {
			damagedKeys = append(damagedKeys, string(key))
		}
		return nil
	})
	var damage *boltfile.Damage
	switch {
	case errors.As(err, &damage):
		return []repair.Finding{wholeFile(path, damage)}, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var found []repair.Finding
	if report.OneRoot {
		found = append(found, repair.Finding{Path: path, Damage: "one of its two root pages does not match its checksum",
			Lost:    "the last change, if that page was the newer one",
			Follows: "nothing to do: the file is read from the other page, and the next change rewrites the damaged one"})
	}
	for _, key := range damagedKeys {
		found = append(found, s.value(path, key))
	}
	return found, nil
}

func wholeFile(path string, damage *boltfile.Damage) repair.Finding {
	lost, follows := consequences(filepath.Base(path))
	text := damage.Text
	if info, err := os.Stat(path); err == nil {
		text += fmt.Sprintf("; %d bytes, last written %s", info.Size(), info.ModTime().UTC().Format(time.RFC3339))
	}
	return repair.Finding{Path: path, Damage: text, Lost: lost, Follows: follows,
		Action: "rename it to " + filepath.Base(path) + ".damaged-<time>",
		Repair: func(context.Context) (string, error) {
			aside, err := durable.SetAside(path, time.Now())
			return "renamed to " + aside, err
		}}
}

// value is a finding about one value of an otherwise undamaged file.
func (s *files) value(path, key string) repair.Finding {
	lost, _ := consequences(filepath.Base(path))
	return repair.Finding{Path: path, Damage: fmt.Sprintf("the value of %q does not match its checksum", key),
		Lost:    "one value of " + lost,
		Action:  "move the value to " + filepath.Base(path) + ".damaged-<time>",
		Follows: "it counts as never stored; the other values stay",
		Repair: func(context.Context) (string, error) {
			return s.moveValue(path, key)
		}}
}

// moveValue lets bbolt open the file for as long as it takes to delete a value from it.
func (s *files) moveValue(path, key string) (done string, err error) {
	for _, lock := range s.locks {
		if lock.Path() == path {
			if err := lock.Unlock(); err != nil {
				return "", err
			}
			defer func() {
				if taken, lerr := lock.TryLock(); lerr != nil || !taken {
					err = errors.Join(err, lerr, fmt.Errorf("%s was opened by another process meanwhile", path))
				}
			}()
		}
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return "", err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		aside, err := durable.WriteAside(path, time.Now(), b.Get([]byte(key)))
		if err != nil {
			return err
		}
		done = "moved to " + aside
		return b.Delete([]byte(key))
	})
	return done, errors.Join(err, db.Close())
}

// consequences describes what may be lost with a file, by its name, and the consequence.
func consequences(name string) (lost, follows string) {
	kind, of, _ := strings.Cut(name, "_")
	switch kind {
	case "exporter":
		return "requests that exporter " + of + " had accepted and not yet sent", "the queue starts empty"
	case "receiver":
		return "the position up to which receiver " + of + " had read",
			"it starts again where its configuration says (start_at): entries may be read twice, or skipped"
	case "processor":
		return "the state of processor " + of + ": open windows, and the last value of each stream", "it starts afresh"
	default:
		return "what the component had stored", "it starts afresh"
	}
}
