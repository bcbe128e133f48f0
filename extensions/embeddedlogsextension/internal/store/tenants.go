package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/penstockhq/penstock/internal/durable"
)

const (
	tenantsName    = "tenants.json"
	tenantsVersion = 1
)

// errTenants says that no further tenant may have rows.
var errTenants = errors.New("max_tenants: there are as many tenants as are allowed")

// tenants maps names to the engine's numbers. A number is durable before it is used, and is never used again for another name. It is safe for
// concurrent use.
type tenants struct {
	path string
	max  int

	mu  sync.RWMutex
	ids map[string]uint32 // guarded by mu; from 1
}

// tenantsFile is the file's content.
type tenantsFile struct {
	Version int               `json:"version"`
	Tenants map[string]uint32 `json:"tenants"`
}

func openTenants(directory string, max int) (*tenants, error) {
	t := &tenants{path: filepath.Join(directory, tenantsName), max: max, ids: map[string]uint32{}}
	data, err := os.ReadFile(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	var f tenantsFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", t.path, err)
	}
	if f.Version != tenantsVersion {
		return nil, fmt.Errorf("%s: version %d is not known", t.path, f.Version)
	}
	if f.Tenants != nil {
		t.ids = f.Tenants
	}
	return t, nil
}

// of returns the number of a tenant that is to have rows: a new one, if it has none. The error is errTenants, or the file system's.
func (t *tenants) of(name string) (uint32, error) {
	if id, ok := t.known(name); ok {
		return id, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if id, ok := t.ids[name]; ok {
		return id, nil
	}
	if len(t.ids) >= t.max {
		return 0, errTenants
	}
	with := maps.Clone(t.ids)
	with[name] = uint32(len(with)) + 1 // names are never taken out
	data, err := json.Marshal(tenantsFile{Version: tenantsVersion, Tenants: with})
	if err != nil {
		return 0, err
	}
	if err := durable.WriteFile(t.path, data, 0o600); err != nil {
		return 0, err
	}
	t.ids = with
	return with[name], nil
}

func (t *tenants) known(name string) (uint32, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	id, ok := t.ids[name]
	return id, ok
}

func (t *tenants) count() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.ids)
}

// seen returns the engine's tenants that v sees of a signal; none where v's tenant has no rows.
func (t *tenants) seen(v View, signal Signal) []logstorage.TenantID {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var all []logstorage.TenantID
	for name, id := range t.ids {
		if v.All || name == v.Tenant {
			all = append(all, logstorage.TenantID{AccountID: id, ProjectID: uint32(signal)})
		}
	}
	return all
}

// Tenants lists the names that have, or had, rows and that v sees.
func (s *Store) Tenants(v View) []string {
	s.tenants.mu.RLock()
	defer s.tenants.mu.RUnlock()
	names := slices.Sorted(maps.Keys(s.tenants.ids))
	return slices.DeleteFunc(names, func(n string) bool { return !v.All && n != v.Tenant })
}
