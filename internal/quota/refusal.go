package quota

import (
	"fmt"
	"time"
)

// Scope is the kind of an account.
type Scope string

// The scopes.
const (
	Tenant  Scope = "tenant"
	Service Scope = "service"
	Key     Scope = "key"
)

// Reason is the limit that a request exceeds.
type Reason string

// The reasons.
const (
	Bytes   Reason = "bytes_per_second"
	Items   Reason = "items_per_second"
	Day     Reason = "bytes_per_day"
	Streams Reason = "streams"
)

// Refusal is an error that says when the same request would pass. Its text contains no tenant, service or key.
type Refusal struct {
	Scope  Scope
	Reason Reason
	Limit  int64
	// Wait is how long the client should wait.
	Wait time.Duration
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("the quota of this %s is used up (%s: %d): send it again in %s", r.Scope, r.Reason, r.Limit, r.Wait.Round(time.Millisecond))
}

// Seconds is Wait in whole seconds, at least one: the unit of Retry-After (RFC 9110, 10.2.3).
func (r *Refusal) Seconds() int { return max(1, int((r.Wait+time.Second-1)/time.Second)) }

// WholeSeconds is the same refusal with a wait in whole seconds.
func (r *Refusal) WholeSeconds() *Refusal {
	whole := *r
	whole.Wait = time.Duration(r.Seconds()) * time.Second
	return &whole
}
