package quotaextension

import (
	"sync"

	"github.com/penstockhq/penstock/internal/quota"
)

// maxResolved bounds the names whose limits are cached; past it the cache is cleared. About 250 bytes each.
const maxResolved = 20_000

// rules are the quotas of the configuration. They are safe for concurrent use.
type rules struct {
	cfg      *Config
	tenants  scopeRules
	services scopeRules
	keys     scopeRules
	mu       sync.RWMutex
	resolved map[quota.Name]quota.Limits // guarded by mu
}

// scopeRules are the limits of a whole scope.
type scopeRules struct {
	defaults   quota.Limits
	overridden bool // some names have other limits
}

// limit says whether any account of the scope may have a limit.
func (s *scopeRules) limit() bool { return s.overridden || s.defaults != quota.Limits{} }

func newRules(cfg *Config) *rules {
	r := &rules{cfg: cfg, resolved: map[quota.Name]quota.Limits{}}
	for scope, o := range map[quota.Scope]*quota.Override{quota.Tenant: &cfg.Defaults.Tenant, quota.Service: &cfg.Defaults.Service, quota.Key: &cfg.Defaults.Key} {
		r.scope(scope).defaults = o.Apply(quota.Limits{})
	}
	for i := range cfg.Overrides {
		r.scope(cfg.Overrides[i].scope()).overridden = true
	}
	return r
}

// series are the budgets of series of the configuration.
func (c *Config) series() *quota.Series {
	s := &quota.Series{Default: c.Defaults.Tenant.Series}
	for i := range c.Overrides {
		if o := &c.Overrides[i]; o.scope() == quota.Tenant && o.Limits.Series != nil {
			s.Matching = append(s.Matching, quota.SeriesOf{Tenant: o.Tenant, Series: *o.Limits.Series})
		}
	}
	return s
}

func (r *rules) scope(s quota.Scope) *scopeRules {
	switch s {
	case quota.Tenant:
		return &r.tenants
	case quota.Service:
		return &r.services
	default:
		return &r.keys
	}
}

// of returns the configured limits of a name.
func (r *rules) of(name quota.Name) quota.Limits {
	if s := r.scope(name.Scope); !s.overridden {
		return s.defaults
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
	l := r.scope(name.Scope).defaults
	for i := len(r.cfg.Overrides) - 1; i >= 0; i-- { // the first override that sets a limit applies, so apply it last
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
	return quota.Matches(o.Tenant, name.Tenant) && (name.Scope == quota.Tenant || quota.Matches(o.Service, name.Service))
}
