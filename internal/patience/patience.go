// Package patience decides how long a tenant that a sink refuses may delay the others. An exporter that follows the journal retries without end, so
// one tenant whose account is closed, or over its quota for hours, would stop all tenants after it in the same partition.
package patience

import (
	"container/list"
	"context"
	"sync"
	"time"
)

const (
	// maxTenants bounds the remembered tenants, about 200 bytes each; the one that was refused longest ago is forgotten.
	maxTenants = 1000
	// maxTaken is how many of the last accepted tenants are remembered.
	maxTaken = 8
	// maxAsked is how many other tenants are tried before one is set aside.
	maxAsked = 3
	// probeEvery is the interval in which a tenant that was set aside is tried again.
	probeEvery = time.Minute
)

// Tenants knows the tenants that a sink refuses with temporary statuses, or ones that an operator must resolve. It is safe for concurrent use.
type Tenants struct {
	patience time.Duration
	probe    time.Duration

	mu      sync.Mutex
	refused map[string]*list.Element // guarded by mu
	order   list.List                // of *refusal, the latest first; guarded by mu
	taken   []taken                  // the latest first; guarded by mu
}

type refusal struct {
	tenant string
	since  time.Time // the first refusal since the last acceptance
	others time.Time // when another tenant was found to be accepted; zero: not yet
	gaveUp bool
	probe  time.Time // with gaveUp: when it may be tried again
}

type taken struct {
	tenant string
	at     time.Time
}

// New returns a Tenants that sets a tenant aside after patience; 0: never.
func New(patience time.Duration) *Tenants {
	return &Tenants{patience: patience, probe: min(patience, probeEvery), refused: map[string]*list.Element{}}
}

// Aside reports whether the output of tenant is set aside without an attempt. From time to time one output of such a tenant is tried.
func (t *Tenants) Aside(tenant string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.refused[tenant]
	if e == nil {
		return false
	}
	r := e.Value.(*refusal)
	if !r.gaveUp {
		return false
	}
	if now.Before(r.probe) {
		return true
	}
	r.probe = now.Add(t.probe)
	return false
}

// Taken records that the sink accepted data of tenant. back: the tenant had been set aside.
func (t *Tenants) Taken(tenant string, now time.Time) (back bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.refused[tenant]; e != nil {
		back = t.order.Remove(e).(*refusal).gaveUp
		delete(t.refused, tenant)
	}
	for i := range t.taken {
		if t.taken[i].tenant == tenant {
			copy(t.taken[1:i+1], t.taken[:i])
			t.taken[0] = taken{tenant, now}
			return back
		}
	}
	if len(t.taken) < maxTaken {
		t.taken = append(t.taken, taken{})
	}
	copy(t.taken[1:], t.taken)
	t.taken[0] = taken{tenant, now}
	return back
}

// Refusal is a refusal that just happened.
type Refusal struct {
	Tenant string
	// Began is when the attempt began.
	Began time.Time
	// Waiting returns tenants whose data may wait for this one's; nil if that is unknown. It is called when the patience is over.
	Waiting func(context.Context) []string
	// Ask returns whether the sink accepts data of another tenant now.
	Ask func(ctx context.Context, tenant string) bool
}

// Refused records a refusal, and returns whether the tenant's output is to be set aside. That is so once the tenant was refused for longer than the
// patience, and in an attempt that began after the sink was found to accept data of another one: a sink that refuses every tenant is down, or was
// until a moment ago, and everything waits for it. gaveUp: this refusal sets the tenant aside.
func (t *Tenants) Refused(ctx context.Context, r Refusal, now time.Time) (aside, gaveUp bool) {
	if t.patience == 0 {
		return false, false
	}
	since, aside, gaveUp := t.note(r, now)
	if aside || now.Sub(since) < t.patience || !t.othersPass(ctx, r, since) {
		return aside, gaveUp
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.refused[r.Tenant]; e != nil { // otherwise something was accepted meanwhile
		e.Value.(*refusal).others = now
	}
	return false, false
}

// note returns when the refusals of the tenant began, and the result of Refused if that is already known.
func (t *Tenants) note(r Refusal, now time.Time) (since time.Time, aside, gaveUp bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tenant := r.Tenant
	if e := t.refused[tenant]; e != nil {
		t.order.MoveToFront(e)
		known := e.Value.(*refusal)
		if !known.gaveUp && !known.others.IsZero() && r.Began.After(known.others) {
			known.gaveUp, gaveUp, known.probe = true, true, now.Add(t.probe)
		}
		return known.since, known.gaveUp, gaveUp
	}
	if len(t.refused) >= maxTenants {
		delete(t.refused, t.order.Remove(t.order.Back()).(*refusal).tenant)
	}
	t.refused[tenant] = t.order.PushFront(&refusal{tenant: tenant, since: now})
	return now, false, false
}

// othersPass looks for another tenant whose data the sink accepts: one that it accepted since then, or one that it would accept.
func (t *Tenants) othersPass(ctx context.Context, r Refusal, since time.Time) bool {
	var ask []string
	t.mu.Lock()
	for _, other := range t.taken {
		if other.tenant == r.Tenant {
			continue
		}
		if other.at.After(since) {
			t.mu.Unlock()
			return true
		}
		ask = append(ask, other.tenant)
	}
	t.mu.Unlock()
	if r.Waiting != nil {
		ask = append(r.Waiting(ctx), ask...)
	}
	asked := map[string]bool{r.Tenant: true}
	for _, other := range ask {
		if asked[other] || len(asked) > maxAsked {
			continue
		}
		asked[other] = true
		if r.Ask(ctx, other) {
			return true
		}
	}
	return false
}
