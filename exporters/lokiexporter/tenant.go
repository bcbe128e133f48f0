package lokiexporter

import (
	"container/list"
	"sync"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/streamlimit"
	"github.com/penstockhq/penstock/internal/tenant"
)

const tenantHeader = "X-Scope-OrgID"

// validTenant reports whether Loki accepts this tenant id (source: dskit, tenant.ValidTenantID), which is stricter than the journal. A bad
// one is never sent as another tenant's, because that tenant would see it.
func validTenant(id string) bool {
	if tenant.Check(id) != nil {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '!', c == '-', c == '_', c == '.', c == '*', c == '\'', c == '(', c == ')':
		default:
			return false
		}
	}
	return true
}

// tenants holds a stream limit for each of the most recently used tenants, at most limit of them. A forgotten tenant starts again: its
// streams are new, its labels not moved. Safe for concurrent use.
type tenants struct {
	settings streamlimit.Settings
	limit    int

	mu   sync.Mutex
	byID map[string]*list.Element
	used list.List // of *tenantEntry, most recent first
}

type tenantEntry struct {
	id    string
	limit *streamlimit.Tenant
}

func newTenants(settings streamlimit.Settings, limit int) *tenants {
	return &tenants{settings: settings, limit: limit, byID: make(map[string]*list.Element)}
}

func (t *tenants) get(id string) *streamlimit.Tenant {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.byID[id]; ok {
		t.used.MoveToFront(e)
		return e.Value.(*tenantEntry).limit
	}
	if len(t.byID) >= t.limit {
		oldest := t.used.Back()
		delete(t.byID, t.used.Remove(oldest).(*tenantEntry).id)
	}
	entry := &tenantEntry{id: id, limit: streamlimit.NewTenant(t.settings)}
	t.byID[id] = t.used.PushFront(entry)
	return entry.limit
}

// size returns the numbers of tenants, their streams and their moved labels.
func (t *tenants) size() (count, streams, moved int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for e := t.used.Front(); e != nil; e = e.Next() {
		s, m := e.Value.(*tenantEntry).limit.Size()
		count, streams, moved = count+1, streams+int64(s), moved+int64(m)
	}
	return count, streams, moved
}
