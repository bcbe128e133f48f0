package logrules

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/penstockhq/penstock/internal/durable"
)

const stateVersion = 1

// stateFile says for each rule which evaluation is next: those before it are done, and durable.
type stateFile struct {
	Version int              `json:"version"`
	Next    map[string]int64 `json:"next"` // Unix milliseconds
}

// key tells a rule from others, and from itself before it was changed: a changed rule begins anew.
func (r *Rule) key() string {
	text, _ := json.Marshal([]any{r.Group, r.Record, r.Expr, r.Labels, r.Interval, r.Tenant, r.Traces}) // of texts and numbers; maps are sorted
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}

// readState returns what was saved; nothing if there is no file.
func readState(path string) (map[string]time.Time, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var f stateFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if f.Version != stateVersion {
		return nil, fmt.Errorf("%s: version %d is not known", path, f.Version)
	}
	next := make(map[string]time.Time, len(f.Next))
	for key, ms := range f.Next {
		next[key] = time.UnixMilli(ms)
	}
	return next, nil
}

func writeState(path string, next map[string]time.Time) error {
	f := stateFile{Version: stateVersion, Next: make(map[string]int64, len(next))}
	for key, t := range next {
		f.Next[key] = t.UnixMilli()
	}
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return durable.WriteFile(path, data, 0o600)
}
