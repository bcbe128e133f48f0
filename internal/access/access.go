// Package access says what the client of a request may do and see: what the listener's authenticator knows about it.
//
// An authenticator with API keys (api_key_auth) returns scopes and a tenant. If a listener has no authenticator, or one without scopes, every
// admitted client is the operator: then the listener is on loopback, or admits operators only.
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
	Forward = "forward" // send telemetry for any tenant: agents and gateways
	Read    = "read"    // query the stores, and see pages
	Replay  = "replay"  // create jobs that replay the past
	Erase   = "erase"   // delete stored data
	Decrypt = "decrypt" // see encrypted values decrypted, and text before scrubbing
	Admin   = "admin"   // operate: all of the above for all tenants, except Ingest, Forward and Decrypt
)

// Scopes are all of them.
var Scopes = []string{Ingest, Forward, Read, Replay, Erase, Decrypt, Admin}

// implied are the scopes that Admin includes.
var implied = []string{Read, Replay, Erase}

// Client is who sends a request. The zero value may do nothing.
type Client struct {
	// Open says that no authenticator restricts the client, so it may do everything.
	Open bool
	// Scopes are the client's scopes, if it is not Open.
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

// Without returns ctx without its client, for work that the process does on its own.
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

// Sees says whether the client may see data of the tenant of that name.
func (c Client) Sees(name string) bool { return c.Operator() || c.tenant != "" && c.tenant == name }

// Tenant returns the one tenant whose data the client may see; ok is false for an operator. For a client that is neither an operator nor has a
// tenant it returns the empty name, which no tenant has, so the client sees nothing.
func (c Client) Tenant() (name string, ok bool) {
	if c.Operator() {
		return "", false
	}
	return c.tenant, true
}

// Own returns the client's own tenant, an operator's too; empty if it has none.
func (c Client) Own() string { return c.tenant }
