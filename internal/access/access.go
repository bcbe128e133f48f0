// Package access says what the client of a request may do and see: what the listener's authenticator knows of it.
//
// An authenticator that knows API keys (api_key_auth) tells scopes and a tenant. Where none stands before a listener, or one that
// knows no scopes, everybody who gets in is the operator: the listener is on loopback then, or admits operators only.
package access

import (
	"context"
	"slices"

	"go.opentelemetry.io/collector/client"
)

// The attributes of client.AuthData that an authenticator with scopes has.
const (
	scopesAttribute = "scopes"
	tenantAttribute = "tenant"
)

// What a client may do.
const (
	Ingest  = "ingest"  // send telemetry, as its tenant
	Forward = "forward" // send telemetry of any tenant: agents and gateways
	Read    = "read"    // ask the stores, and see pages
	Replay  = "replay"  // make jobs that replay the past
	Erase   = "erase"   // delete what is stored
	Decrypt = "decrypt" // see what was encrypted, and text as it came in
	Admin   = "admin"   // operate: all of the above of all tenants, but Ingest, Forward and Decrypt
)

// Scopes are all of them.
var Scopes = []string{Ingest, Forward, Read, Replay, Erase, Decrypt, Admin}

// implied are the scopes that Admin holds.
var implied = []string{Read, Replay, Erase}

// Client is who sends a request. The zero value may do nothing.
type Client struct {
	// Open: no authenticator knows what the client may do, so it may do everything.
	Open bool
	// Scopes are what it may do, if it is not Open.
	Scopes []string

	tenant string
}

// Of returns the client of the request that ctx belongs to.
func Of(ctx context.Context) Client {
	auth := client.FromContext(ctx).Auth
	if auth == nil {
		return Client{Open: true}
	}
	scopes, ok := auth.GetAttribute(scopesAttribute).([]string)
	if !ok {
		return Client{Open: true}
	}
	name, _ := auth.GetAttribute(tenantAttribute).(string)
	return Client{Scopes: scopes, tenant: name}
}

// Without returns ctx for work that the process does by itself, whoever caused it.
func Without(ctx context.Context) context.Context {
	info := client.FromContext(ctx)
	info.Auth = nil
	return client.NewContext(ctx, info)
}

// May says whether the client has one of the scopes.
func (c Client) May(scopes ...string) bool {
	return c.Open || slices.ContainsFunc(scopes, c.has)
}

func (c Client) has(scope string) bool {
	return slices.Contains(c.Scopes, scope) || slices.Contains(implied, scope) && slices.Contains(c.Scopes, Admin)
}

// Operator says whether the client may see the data of all tenants.
func (c Client) Operator() bool { return c.Open || slices.Contains(c.Scopes, Admin) }

// Sees says whether the client may see what belongs to the tenant of that name.
func (c Client) Sees(name string) bool { return c.Operator() || c.tenant != "" && c.tenant == name }

// Tenant returns the one tenant whose data the client may see; ok is false for an operator. A client that is neither an operator nor
// has a tenant sees the data of a tenant that there can't be: an empty name is no tenant's.
func (c Client) Tenant() (name string, ok bool) {
	if c.Operator() {
		return "", false
	}
	return c.tenant, true
}

// Own returns the client's own tenant, an operator's too; empty if it has none.
func (c Client) Own() string { return c.tenant }
