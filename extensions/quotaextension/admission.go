package quotaextension

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/client"

	"github.com/penstockhq/penstock/internal/quota"
	"github.com/penstockhq/penstock/internal/quota/door"
	"github.com/penstockhq/penstock/internal/tenant"
)

// sender is the known information about a client.
type sender struct {
	tenant       string // empty: the body names it
	key          string // empty: the client has none
	limits       *quota.Override
	tenantLimits func(string) *quota.Override
}

func senderOf(ctx context.Context) sender {
	var s sender
	s.tenant, _ = tenant.Client(ctx)
	if auth := client.FromContext(ctx).Auth; auth != nil {
		s.key, _ = auth.GetAttribute("key").(string)
		s.limits, _ = auth.GetAttribute("limits").(*quota.Override)
		s.tenantLimits, _ = auth.GetAttribute("tenant_limits").(func(string) *quota.Override)
	}
	return s
}

// admission is a request and its demands on accounts. Parts finds the listener's admission in the context. One goroutine at a time serves a
// request. Its demands are created once and their numbers change, so that a request of one tenant and service, as nearly all are, allocates nothing
// more.
type admission struct {
	sender sender
	bytes  int64 // arrived bytes that have been charged
	http   bool

	own    [3]quota.Demand // of the client's key, its tenant, and the body's service
	client int             // how many of own are the client's
}

type admissionKey struct{}

// demand is the demand on one account.
func demand(name quota.Name, l quota.Limits) quota.Demand { return quota.Demand{Name: name, Limits: l} }

// ofKey is the demand on the sender's key; false: it has none, or no limits. The file of keys takes precedence over the configuration.
func (e *quotaExtension) ofKey(s *sender) (quota.Demand, bool) {
	if s.key == "" {
		return quota.Demand{}, false
	}
	l := s.limits.Apply(e.rules.of(quota.Name{Scope: quota.Key, Key: s.key}))
	return demand(quota.Name{Scope: quota.Key, Tenant: s.tenant, Key: s.key}, l), l.Limited()
}

// ofTenant is the demand on a tenant, and the tenant's limits: they may be of streams only.
func (e *quotaExtension) ofTenant(s *sender, name string) (quota.Demand, bool) {
	l := e.limitsOf(s, name)
	return demand(quota.Name{Scope: quota.Tenant, Tenant: name}, l), l.Limited()
}

func (e *quotaExtension) limitsOf(s *sender, tenant string) quota.Limits {
	limits := e.rules.of(quota.Name{Scope: quota.Tenant, Tenant: tenant})
	if s.tenantLimits != nil {
		limits = s.tenantLimits(tenant).Apply(limits)
	}
	return limits
}

func (e *quotaExtension) ofService(tenant, service string) (quota.Demand, bool) {
	name := quota.Name{Scope: quota.Service, Tenant: tenant, Service: service}
	l := e.rules.of(name)
	return demand(name, l), l.Limited()
}

// admit charges n bytes to the client's key and its tenant, or to the given tenant if the client names none.
func (e *quotaExtension) admit(ctx context.Context, tenant string, n int64) (*admission, *quota.Refusal) {
	a := &admission{sender: senderOf(ctx)}
	if a.sender.tenant == "" {
		a.sender.tenant = tenant
	}
	if d, limited := e.ofKey(&a.sender); limited {
		a.add(d)
	}
	if a.sender.tenant != "" {
		if d, limited := e.ofTenant(&a.sender, a.sender.tenant); limited {
			a.add(d)
		}
	}
	return a, e.grow(ctx, a, n)
}

func (a *admission) add(d quota.Demand) {
	a.own[a.client] = d
	a.client++
}

// of returns the first n of the admission's own demands, with these numbers.
func (a *admission) of(n int, bytes, items, taken int64) []quota.Demand {
	for i := range a.own[:n] {
		d := &a.own[i]
		d.Bytes, d.Items, d.Taken = bytes, items, taken
	}
	return a.own[:n]
}

// grow charges n more bytes of a request.
func (e *quotaExtension) grow(ctx context.Context, a *admission, n int64) *quota.Refusal {
	if a.client > 0 && n > 0 {
		if r := e.table.Take(time.Now(), a.of(a.client, n, 0, a.bytes)...); r != nil {
			return e.refusals.count(ctx, a.sender.tenant, r)
		}
	}
	a.bytes += n
	return nil
}

// refund refunds a request that was not stored.
func (e *quotaExtension) refund(a *admission) {
	if n := a.bytes; n > 0 && a.client > 0 {
		e.table.Return(time.Now(), a.of(a.client, n, 0, 0)...)
	}
	a.bytes = 0
}

// Parts implements door.Door.
func (e *quotaExtension) Parts(ctx context.Context, parts []door.Part, size func() int) (func(), error) {
	a, admitted := ctx.Value(admissionKey{}).(*admission)
	if !admitted {
		a = &admission{sender: senderOf(ctx)}
	}
	now := time.Now()
	streams, refused := e.countStreams(now, &a.sender, parts)
	var demands []quota.Demand
	simple := admitted && len(parts) == 1 && parts[0].Tenant == a.sender.tenant
	if simple {
		demands = e.simpleDemands(a, &parts[0])
	} else {
		demands = e.demands(a, admitted, parts, size)
	}
	if refused == nil && len(demands) > 0 {
		refused = e.table.Take(now, demands...)
	}
	if refused != nil {
		e.refusals.count(ctx, tenantOf(parts), refused)
		if a.http {
			refused = refused.WholeSeconds()
		}
		return nil, &door.Error{Refusal: refused}
	}
	for name, hashes := range streams {
		e.streams.Add(now, name, hashes)
	}
	if simple {
		n, items := len(demands), int64(parts[0].Items)
		return func() { e.table.Return(time.Now(), a.ofPart(n, items)...) }, nil
	}
	return func() { e.table.Return(time.Now(), demands...) }, nil
}

// simpleDemands are the demands of a request with one tenant, the client's, and one service.
func (e *quotaExtension) simpleDemands(a *admission, p *door.Part) []quota.Demand {
	n := a.client
	if e.rules.services.limit() {
		if d, limited := e.ofService(p.Tenant, p.Service); limited {
			a.own[n] = d
			n++
		}
	}
	return a.ofPart(n, int64(p.Items))
}

// ofPart returns the first n of the admission's own demands, for the items of its only part. The listener has charged the bytes to the client, not
// to the service.
func (a *admission) ofPart(n int, items int64) []quota.Demand {
	demands := a.of(n, 0, items, 0)
	if n > a.client {
		demands[n-1].Bytes = a.bytes
	}
	return demands
}

// demands are the demands of a request's parts: items, and the bytes that the listener could not charge.
func (e *quotaExtension) demands(a *admission, admitted bool, parts []door.Part, size func() int) []quota.Demand {
	s := &a.sender
	services := e.rules.services.limit()
	if s.key == "" && s.tenantLimits == nil && !services && !e.rules.tenants.limit() {
		return nil
	}
	items, bytes := int64(0), a.bytes
	for _, p := range parts {
		items += int64(p.Items)
	}
	if !admitted {
		bytes = int64(size())
	}
	var all []quota.Demand
	add := func(d quota.Demand, limited bool, bytes, items int64) {
		if limited {
			d.Bytes, d.Items = bytes, items
			all = append(all, d)
		}
	}
	d, limited := e.ofKey(s)
	if admitted {
		add(d, limited, 0, items)
	} else {
		add(d, limited, bytes, items)
	}
	tenants := map[string][2]int64{}
	for _, p := range parts {
		// Bytes are divided by items, because only the length of the whole request is known.
		share := int64(0)
		if items > 0 {
			share = int64(float64(bytes) * float64(p.Items) / float64(items))
		}
		sum := tenants[p.Tenant]
		tenants[p.Tenant] = [2]int64{sum[0] + share, sum[1] + int64(p.Items)}
		if services {
			d, limited := e.ofService(p.Tenant, p.Service)
			add(d, limited, share, int64(p.Items))
		}
	}
	for name, sum := range tenants {
		if admitted && name == s.tenant {
			sum[0] = 0 // the listener has charged them
		}
		d, limited := e.ofTenant(s, name)
		add(d, limited, sum[0], sum[1])
	}
	return all
}

// countStreams checks whether tenants may have the log streams of parts, and returns those to remember.
func (e *quotaExtension) countStreams(now time.Time, s *sender, parts []door.Part) (streams map[string][]uint64, refused *quota.Refusal) {
	if s.tenantLimits == nil && !e.rules.tenants.limit() {
		return nil, nil
	}
	for _, p := range parts {
		if p.Streams == nil || e.limitsOf(s, p.Tenant).Streams <= 0 {
			continue
		}
		if streams == nil {
			streams = map[string][]uint64{}
		}
		streams[p.Tenant] = append(streams[p.Tenant], p.Streams()...)
	}
	for name, hashes := range streams {
		limit := e.limitsOf(s, name).Streams
		if wait, ok := e.streams.Fits(now, name, limit, hashes); !ok {
			return nil, &quota.Refusal{Scope: quota.Tenant, Reason: quota.Streams, Limit: limit, Wait: wait}
		}
	}
	return streams, nil
}

// AddDebt implements door.Door.
func (e *quotaExtension) AddDebt(ctx context.Context, tenant string, items int) {
	s := senderOf(ctx)
	if s.tenant != "" {
		tenant = s.tenant
	}
	key, ofKey := e.ofKey(&s)
	of, ofTenant := e.ofTenant(&s, tenant)
	key.Items, of.Items = int64(items), int64(items)
	now := time.Now()
	if ofKey {
		e.table.AddDebt(now, key)
	}
	if ofTenant {
		e.table.AddDebt(now, of)
	}
}

// tenantOf is the tenant for which a refusal is counted.
func tenantOf(parts []door.Part) string {
	if len(parts) == 0 {
		return ""
	}
	for _, p := range parts[1:] {
		if p.Tenant != parts[0].Tenant {
			return ""
		}
	}
	return parts[0].Tenant
}
