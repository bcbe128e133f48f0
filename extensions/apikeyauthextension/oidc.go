package apikeyauthextension

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/extensionauth"

	"github.com/penstockhq/penstock/internal/keyfile"
	"github.com/penstockhq/penstock/internal/tenant"
)

// OIDCConfig names the authenticator of tokens that are not API keys, and the meaning of their claims.
type OIDCConfig struct {
	// Authenticator is the id of an oidc extension.
	Authenticator component.ID `mapstructure:"authenticator"`
	// TenantClaim names the tenant. Default tenant.
	TenantClaim string `mapstructure:"tenant_claim"`
	// ScopesClaim has values that stand for scopes: a list, or a text with spaces. Default scope.
	ScopesClaim string `mapstructure:"scopes_claim"`
	// Scopes are the meanings of the claim's values; other values are ignored. Default: the values are names of scopes.
	Scopes map[string][]string `mapstructure:"scopes"`
}

// Validate reports all problems of the section at once.
func (c *OIDCConfig) Validate() error {
	var errs error
	if c.Authenticator == (component.ID{}) {
		errs = errors.Join(errs, errors.New("authenticator: must be set: the id of an oidc extension"))
	}
	if c.TenantClaim == "" || c.ScopesClaim == "" {
		errs = errors.Join(errs, errors.New("tenant_claim, scopes_claim: must not be empty"))
	}
	for value, scopes := range c.Scopes {
		for _, s := range scopes {
			if !slices.Contains(keyfile.Scopes, s) {
				errs = errors.Join(errs, fmt.Errorf("scopes: %q of %q is not one of %s", s, value, strings.Join(keyfile.Scopes, ", ")))
			}
		}
	}
	return errs
}

var (
	errToken  = errors.New("the token is not valid here: it has expired, belongs to another service, or is not an API key")
	errClaims = errors.New("the token's claims have no scope that this collector accepts, or no tenant")
)

// findOIDC returns the authenticator of tokens.
func (a *auth) findOIDC(host component.Host) (extensionauth.Server, error) {
	id := a.cfg.OIDC.Get().Authenticator
	if id == a.set.ID {
		return nil, fmt.Errorf("oidc::authenticator: %q is this extension", id)
	}
	found, ok := host.GetExtensions()[id].(extensionauth.Server)
	if !ok {
		return nil, fmt.Errorf("oidc::authenticator: there is no authenticator %q in service::extensions", id)
	}
	return found, nil
}

// isJWT says whether a text has the form of a signed JSON web token (RFC 7519). Only such a text goes to the authenticator, which logs every text
// that it refuses.
func isJWT(given string) bool { return strings.Count(given, ".") == 2 }

// byToken returns the tenant and scopes of a token's claims, and the name of its subject.
func (a *auth) byToken(ctx context.Context, sources map[string][]string) (k *keyfile.Key, subject, reason string, err error) {
	ctx, err = a.oidc.Authenticate(ctx, sources)
	data := client.FromContext(ctx).Auth
	if err != nil || data == nil {
		return nil, "", "token", errToken
	}
	c := a.cfg.OIDC.Get()
	k = &keyfile.Key{Scopes: c.scopesOf(data.GetAttribute("claims." + c.ScopesClaim))}
	k.Tenant, _ = data.GetAttribute("claims." + c.TenantClaim).(string)
	if k.NeedsTenant() && tenant.Check(k.Tenant) != nil {
		return nil, "", "claims", errClaims
	}
	subject, _ = data.GetAttribute("subject").(string)
	return k, "OIDC " + subject, "", nil
}

// scopesOf translates the values of the claim.
func (c *OIDCConfig) scopesOf(claim any) (scopes []string) {
	var values []string
	switch claim := claim.(type) {
	case string:
		values = strings.Fields(claim)
	case []any:
		for _, v := range claim {
			if text, ok := v.(string); ok {
				values = append(values, text)
			}
		}
	}
	for _, v := range values {
		switch {
		case len(c.Scopes) > 0:
			scopes = append(scopes, c.Scopes[v]...)
		case slices.Contains(keyfile.Scopes, v):
			scopes = append(scopes, v)
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}
