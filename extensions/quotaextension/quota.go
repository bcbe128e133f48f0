package quotaextension

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.opentelemetry.io/otel/metric"

	"github.com/penstockhq/penstock/extensions/quotaextension/internal/metadata"
	"github.com/penstockhq/penstock/internal/quota"
	"github.com/penstockhq/penstock/internal/quota/door"
	"github.com/penstockhq/penstock/internal/tenant"
)

// streamWindow is for how long a log stream counts at least, and half of how long it counts at most.
const streamWindow = 30 * time.Minute

// quotaExtension is asked by listeners and pipelines. It is safe for concurrent use.
type quotaExtension struct {
	cfg       *Config
	set       extension.Settings
	telemetry *metadata.TelemetryBuilder
	rules     *rules
	table     *quota.Table
	streams   *quota.StreamCount
	refusals  *refusals
	exchange  *exchange // nil: nothing is shared
}

var (
	_ extension.Extension            = (*quotaExtension)(nil)
	_ extensionmiddleware.GRPCServer = (*quotaExtension)(nil)
	_ extensionmiddleware.HTTPServer = (*quotaExtension)(nil)
	_ door.Door                      = (*quotaExtension)(nil)
)

func newExtension(cfg *Config, set extension.Settings) (*quotaExtension, error) {
	t, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	e := &quotaExtension{cfg: cfg, set: set, telemetry: t, rules: newRules(cfg), refusals: newRefusals(t),
		streams: quota.NewStreamCount(cfg.MaxStreams, streamWindow)}
	if !cfg.Share.HasValue() {
		e.table = quota.NewTable(cfg.MaxAccounts)
	} else if err := e.share(); err != nil {
		return nil, err
	}
	return e, errors.Join(
		t.RegisterExtensionQuotaAccountsCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(e.table.Len()))
			return nil
		}),
		t.RegisterExtensionQuotaEvictedAccountsCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(e.table.Evicted())
			return nil
		}),
		t.RegisterExtensionQuotaStreamsCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(e.streams.Len()))
			return nil
		}),
		t.RegisterExtensionQuotaGatewaysCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(e.table.Gateways()))
			return nil
		}))
}

// Start begins to share, where that is configured. It does not wait for Kafka.
func (e *quotaExtension) Start(ctx context.Context, _ component.Host) error {
	if e.exchange == nil {
		return nil
	}
	if err := e.exchange.start(ctx); err != nil {
		return fmt.Errorf("extensions::%s::share: %w", e.set.ID, err)
	}
	return nil
}

// Shutdown stops sharing. It may be repeated.
func (e *quotaExtension) Shutdown(context.Context) error {
	if e.exchange != nil {
		e.exchange.stop()
	}
	e.telemetry.Shutdown()
	return nil
}

// sender is what is known of a client.
type sender struct {
	tenant       string // empty: the body tells
	key          string // empty: it has none
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

// ofKey adds what is asked of the sender's key.
func (e *quotaExtension) ofKey(s sender, all []quota.Demand, bytes, items int64) []quota.Demand {
	if s.key == "" {
		return all
	}
	name := quota.Name{Scope: quota.Key, Tenant: s.tenant, Key: s.key}
	return demand(all, name, s.limits.Apply(e.rules.of(quota.Name{Scope: quota.Key, Key: s.key})), bytes, items)
}

// ofTenant adds what is asked of a tenant. The file of keys goes before the configuration.
func (e *quotaExtension) ofTenant(s sender, all []quota.Demand, name string, bytes, items int64) []quota.Demand {
	return demand(all, quota.Name{Scope: quota.Tenant, Tenant: name}, e.limitsOf(s, name), bytes, items)
}

func (e *quotaExtension) limitsOf(s sender, tenant string) quota.Limits {
	limits := e.rules.of(quota.Name{Scope: quota.Tenant, Tenant: tenant})
	if s.tenantLimits != nil {
		limits = s.tenantLimits(tenant).Apply(limits)
	}
	return limits
}

func demand(all []quota.Demand, name quota.Name, l quota.Limits, bytes, items int64) []quota.Demand {
	if !l.Limited() {
		return all
	}
	return append(all, quota.Demand{Name: name, Limits: l, Bytes: bytes, Items: items})
}

// admission is a request that a listener has let in. Parts finds it in the context.
type admission struct {
	sender sender
	bytes  atomic.Int64 // that arrived
	http   bool
	taken  []quota.Demand // what the listener charges, with no bytes yet
}

type admissionKey struct{}

// admit charges n bytes to the client's key and its tenant, or to the one that is named where the client names none.
func (e *quotaExtension) admit(ctx context.Context, tenant string, n int64) (*admission, *quota.Refusal) {
	a := &admission{sender: senderOf(ctx)}
	if a.sender.tenant == "" {
		a.sender.tenant = tenant
	}
	a.taken = e.ofKey(a.sender, nil, 0, 0)
	if a.sender.tenant != "" {
		a.taken = e.ofTenant(a.sender, a.taken, a.sender.tenant, 0, 0)
	}
	return a, e.grow(ctx, a, n)
}

// grow charges n more bytes of a request.
func (e *quotaExtension) grow(ctx context.Context, a *admission, n int64) *quota.Refusal {
	if len(a.taken) > 0 && n > 0 {
		if r := e.table.Take(time.Now(), a.demands(n, a.bytes.Load())...); r != nil {
			return e.refusals.count(ctx, a.sender.tenant, r)
		}
	}
	a.bytes.Add(n)
	return nil
}

func (a *admission) demands(bytes, taken int64) []quota.Demand {
	all := make([]quota.Demand, len(a.taken))
	for i, d := range a.taken {
		d.Bytes, d.Taken = bytes, taken
		all[i] = d
	}
	return all
}

// giveBack returns what a request was charged that was not stored.
func (e *quotaExtension) giveBack(a *admission) {
	if n := a.bytes.Swap(0); n > 0 && len(a.taken) > 0 {
		e.table.Return(time.Now(), a.demands(n, 0)...)
	}
}

// Request implements door.Door.
func (e *quotaExtension) Request(r *http.Request, tenant string) (*http.Request, func(bool), error) {
	a, refused := e.admit(r.Context(), tenant, max(0, r.ContentLength))
	if refused != nil {
		return nil, nil, &door.Error{Refusal: refused.WholeSeconds()}
	}
	a.http = true
	r = r.WithContext(context.WithValue(r.Context(), admissionKey{}, a))
	if r.ContentLength < 0 && r.Body != nil {
		r.Body = &metered{ReadCloser: r.Body, grow: func(n int) error {
			if refused := e.grow(r.Context(), a, int64(n)); refused != nil {
				return &door.Error{Refusal: refused.WholeSeconds()}
			}
			return nil
		}}
	}
	return r, func(stored bool) {
		if !stored {
			e.giveBack(a)
		}
	}, nil
}

// metered is a body that is charged as it arrives.
type metered struct {
	io.ReadCloser
	grow func(int) error
	err  error
}

// Read fails with *door.Error when a quota is used up.
func (m *metered) Read(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	n, err := m.ReadCloser.Read(p)
	if n > 0 {
		if m.err = m.grow(n); m.err != nil {
			return 0, m.err
		}
	}
	return n, err
}

// Parts implements door.Door.
func (e *quotaExtension) Parts(ctx context.Context, parts []door.Part, size func() int) (func(), error) {
	a, admitted := ctx.Value(admissionKey{}).(*admission)
	if !admitted {
		a = &admission{sender: senderOf(ctx)}
	}
	now := time.Now()
	remember, refused := e.count(now, a.sender, parts)
	demands := e.demands(a, admitted, parts, size)
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
	remember()
	return func() { e.table.Return(time.Now(), demands...) }, nil
}

// Owe implements door.Door.
func (e *quotaExtension) Owe(ctx context.Context, tenant string, items int) {
	s := senderOf(ctx)
	if s.tenant != "" {
		tenant = s.tenant
	}
	if demands := e.ofTenant(s, e.ofKey(s, nil, 0, int64(items)), tenant, 0, int64(items)); len(demands) > 0 {
		e.table.Owe(time.Now(), demands...)
	}
}

// count looks whether tenants have room for the log streams of parts. remember adds them to those that they have.
func (e *quotaExtension) count(now time.Time, s sender, parts []door.Part) (remember func(), refused *quota.Refusal) {
	remember = func() {}
	if s.tenantLimits == nil && !e.rules.byScope[quota.Tenant] {
		return remember, nil
	}
	streams := map[string][]uint64{}
	for _, p := range parts {
		if p.Streams != nil && e.limitsOf(s, p.Tenant).Streams > 0 {
			streams[p.Tenant] = append(streams[p.Tenant], p.Streams()...)
		}
	}
	for name, hashes := range streams {
		limit := e.limitsOf(s, name).Streams
		if wait, ok := e.streams.Fits(now, name, limit, hashes); !ok {
			return remember, &quota.Refusal{Scope: quota.Tenant, Reason: quota.Streams, Limit: limit, Wait: wait}
		}
	}
	return func() {
		for name, hashes := range streams {
			e.streams.Add(now, name, hashes)
		}
	}, nil
}

// demands are what the parts of a request ask of accounts: items, and the bytes that the listener could not charge.
func (e *quotaExtension) demands(a *admission, admitted bool, parts []door.Part, size func() int) []quota.Demand {
	s := a.sender
	services := e.rules.byScope[quota.Service]
	if s.key == "" && s.tenantLimits == nil && !services && !e.rules.byScope[quota.Tenant] {
		return nil
	}
	items, bytes := int64(0), a.bytes.Load()
	for _, p := range parts {
		items += int64(p.Items)
	}
	if !admitted {
		bytes = int64(size())
	}
	var all []quota.Demand
	if admitted {
		all = e.ofKey(s, all, 0, items)
	} else {
		all = e.ofKey(s, all, bytes, items)
	}
	tenants := map[string][2]int64{}
	for _, p := range parts {
		// Bytes are divided by items: the length of a request is known, that of its parts is not.
		share := int64(0)
		if items > 0 {
			share = int64(float64(bytes) * float64(p.Items) / float64(items))
		}
		sum := tenants[p.Tenant]
		tenants[p.Tenant] = [2]int64{sum[0] + share, sum[1] + int64(p.Items)}
		if services {
			name := quota.Name{Scope: quota.Service, Tenant: p.Tenant, Service: p.Service}
			all = demand(all, name, e.rules.of(name), share, int64(p.Items))
		}
	}
	for name, sum := range tenants {
		if admitted && name == s.tenant {
			sum[0] = 0 // the listener has charged them
		}
		all = e.ofTenant(s, all, name, sum[0], sum[1])
	}
	return all
}

// tenantOf is the tenant under which a refusal is counted.
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
