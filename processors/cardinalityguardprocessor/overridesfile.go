package cardinalityguardprocessor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/durable"
)

// Bounds of overrides_file: entries, bytes of a pattern, and the interval of checks for a change.
const (
	maxFileOverrides    = 1000
	maxOverridePattern  = 256
	overridesFileMost   = 1 << 20
	overridesFileChecks = time.Second
)

// errNoOverride says that the file has no entry with these patterns.
var errNoOverride = errors.New("no override has these patterns")

// overridesFile holds the budgets of overrides_file, which users change while the collector runs, with an editor or through the admin
// listener. A nil one has no budgets. It is safe for concurrent use.
type overridesFile struct {
	path   string
	logger *zap.Logger

	mu      sync.Mutex
	list    []OverrideConfig // never changed in place; guarded by mu
	version int              // rises with every change of list; guarded by mu
	state   fileState        // of the file that was read last; guarded by mu
	checked time.Time        // guarded by mu
	failed  string           // the last warning; guarded by mu
}

// fileState tells one content of a file from the next. The zero value is a file that does not exist.
type fileState struct {
	modified time.Time
	size     int64
}

// overridesDocument is the content of the file.
type overridesDocument struct {
	Overrides []OverrideConfig `json:"overrides"`
}

// openOverridesFile reads the file. One that does not exist has no budgets. A file with a mistake is an error.
func openOverridesFile(path string, logger *zap.Logger) (*overridesFile, error) {
	f := &overridesFile{path: path, logger: logger}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.read(); err != nil {
		return nil, fmt.Errorf("overrides_file: %w", err)
	}
	return f, nil
}

// current returns the budgets, and a number that rises when they change. It reads a changed file again, at most once a second; while the
// file has a mistake the budgets stay as they were.
func (f *overridesFile) current() (list []OverrideConfig, version int) {
	if f == nil {
		return nil, 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.checked) >= overridesFileChecks {
		f.refresh(now)
	}
	return f.list, f.version
}

func (f *overridesFile) refresh(now time.Time) {
	f.checked = now
	if state, err := stateOf(f.path); err == nil && state == f.state {
		return
	}
	err := f.read()
	if err == nil {
		f.failed = ""
	} else if text := err.Error(); text != f.failed {
		f.failed = text
		f.logger.Warn("overrides_file can't be used: the budgets stay as they were", zap.String("file", f.path), zap.Error(err))
	}
}

// read replaces the budgets with those of the file.
func (f *overridesFile) read() error {
	state, err := stateOf(f.path)
	if err != nil {
		return err
	}
	f.state = state
	list := []OverrideConfig(nil)
	if state != (fileState{}) {
		data, err := durable.ReadFile(f.path, overridesFileMost)
		if err != nil {
			return err
		}
		if list, err = decodeOverrides(data); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
	}
	f.list, f.version = list, f.version+1
	return nil
}

// put adds an override in front of the others, or replaces the one with the same patterns where it is.
func (f *overridesFile) put(o OverrideConfig) ([]OverrideConfig, error) {
	return f.change(func(list []OverrideConfig) ([]OverrideConfig, error) {
		if i := indexOf(list, o); i >= 0 {
			list[i] = o
			return list, nil
		}
		return slices.Insert(list, 0, o), nil
	})
}

// remove takes out the override with the patterns of o, or returns errNoOverride.
func (f *overridesFile) remove(o OverrideConfig) ([]OverrideConfig, error) {
	return f.change(func(list []OverrideConfig) ([]OverrideConfig, error) {
		i := indexOf(list, o)
		if i < 0 {
			return nil, errNoOverride
		}
		return slices.Delete(list, i, i+1), nil
	})
}

// change writes what edit makes of a copy of the budgets. The file is on disk, whole, when it returns without an error.
func (f *overridesFile) change(edit func([]OverrideConfig) ([]OverrideConfig, error)) ([]OverrideConfig, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.read(); err != nil { // Another guard, or an editor, may have changed it.
		return nil, fmt.Errorf("overrides_file has a mistake, repair it first: %w", err)
	}
	list, err := edit(slices.Clone(f.list))
	if err != nil {
		return nil, err
	}
	if err := validateOverrides(list); err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(overridesDocument{list}, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return nil, &writeError{err}
	}
	if err := durable.WriteFile(f.path, append(data, '\n'), 0o600); err != nil {
		return nil, &writeError{err}
	}
	if err := f.read(); err != nil {
		return nil, err
	}
	return f.list, nil
}

// writeError is an error of the disk, not of the request.
type writeError struct{ err error }

func (e *writeError) Error() string { return "overrides_file can't be written: " + e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

func indexOf(list []OverrideConfig, o OverrideConfig) int {
	return slices.IndexFunc(list, func(have OverrideConfig) bool {
		return have.Tenant == o.Tenant && have.Service == o.Service && have.Metric == o.Metric
	})
}

func stateOf(path string) (fileState, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fileState{}, nil
	}
	if err != nil {
		return fileState{}, err
	}
	return fileState{info.ModTime(), info.Size()}, nil
}

// decodeOverrides reads the content of an overrides file.
func decodeOverrides(data []byte) ([]OverrideConfig, error) {
	var document overridesDocument
	if err := decodeStrictly(data, &document); err != nil {
		return nil, err
	}
	return document.Overrides, validateOverrides(document.Overrides)
}

// decodeStrictly reads one JSON value and refuses unknown members and anything after it.
func decodeStrictly(data []byte, to any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(to); err != nil {
		return fmt.Errorf("not the JSON that is expected: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more follows after the JSON value")
	}
	return nil
}

func validateOverrides(list []OverrideConfig) error {
	var errs []error
	if len(list) > maxFileOverrides {
		errs = append(errs, fmt.Errorf("overrides: %d are more than %d", len(list), maxFileOverrides))
	}
	for i, o := range list {
		if err := o.validate(); err != nil {
			errs = append(errs, fmt.Errorf("overrides::%d: %w", i, err))
		}
		if max(len(o.Tenant), len(o.Service), len(o.Metric)) > maxOverridePattern {
			errs = append(errs, fmt.Errorf("overrides::%d: a pattern is longer than %d bytes", i, maxOverridePattern))
		}
		if indexOf(list, o) < i {
			errs = append(errs, fmt.Errorf("overrides::%d: another entry has the same patterns", i))
		}
	}
	return errors.Join(errs...)
}
