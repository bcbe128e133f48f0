package quotaextension

import (
	"strings"
	"sync"

	"github.com/penstockhq/penstock/internal/quota"
)

// maxResolved bounds the names whose limits are remembered; they are looked for again then. About 250 bytes each.
const maxResolved = 20_000

// rules are the quotas of the configuration. They are safe for concurrent use.
type rules struct {
	cfg      *Config
	byScope  map[quota.Scope]bool // what may have a limit at all
	mu       sync.RWMutex
	resolved map[quota.Name]quota.Limits // guarded by mu
}

func newRules(cfg *Config) *rules {
	r := &rules{cfg: cfg, byScope: map[quota.Scope]bool{}, resolved: map[quota.Name]quota.Limits{}}
	for scope, o := range map[quota.Scope]*quota.Override{quota.Tenant: &cfg.Defaults.Tenant, quota.Service: &cfg.Defaults.Service, quota.Key: &cfg.Defaults.Key} {
		r.byScope[scope] = o.Apply(quota.Limits{}) != quota.Limits{}
	}
	for i := range cfg.Overrides {
		r.byScope[cfg.Overrides[i].scope()] = true
	}
	return r
}

// of returns the limits that the configuration has for a name.
func (r *rules) of(name quota.Name) quota.Limits {
	if !r.byScope[name.Scope] {
		return quota.Limits{}
	}
	r.mu.RLock()
	l, ok := r.resolved[name]
	r.mu.RUnlock()
	if ok {
		return l
	}
	l = r.resolve(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.resolved) >= maxResolved {
		clear(r.resolved)
	}
	r.resolved[name] = l
	return l
}

func (r *rules) resolve(name quota.Name) quota.Limits {
	var l quota.Limits
	switch name.Scope {
	case quota.Tenant:
		l = r.cfg.Defaults.Tenant.Apply(l)
	case quota.Service:
		l = r.cfg.Defaults.Service.Apply(l)
	case quota.Key:
		l = r.cfg.Defaults.Key.Apply(l)
	}
	for i := len(r.cfg.Overrides) - 1; i >= 0; i-- { // the first that sets a limit holds, so it is applied last
		if o := &r.cfg.Overrides[i]; o.matches(name) {
			l = o.Limits.Apply(l)
		}
	}
	return l
}

func (o *OverrideConfig) matches(name quota.Name) bool {
	if o.scope() != name.Scope {
		return false
	}
	if name.Scope == quota.Key {
		return o.Key == name.Key
	}
	return matches(o.Tenant, name.Tenant) && (name.Scope == quota.Tenant || matches(o.Service, name.Service))
}

// matches says whether a name matches a pattern, in which * stands for any characters. The empty pattern matches every name.
func matches(pattern, name string) bool {
	if pattern == "" {
		return true
	}
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(name, first) || !strings.HasSuffix(name[len(first):], last) {
		return false
	}
	name = name[len(first) : len(name)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(name, part)
		if at < 0 {
			return false
		}
		name = name[at+len(part):]
	}
	return true
}
