package apikeyauthextension_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension/extensionauth"
	"go.opentelemetry.io/collector/extension/extensiontest"

	"github.com/penstockhq/penstock/extensions/apikeyauthextension"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/keyfile"
	"github.com/penstockhq/penstock/internal/tenant"
)

// issuer is an authenticator whose tokens are "<name>.x.y", with claims by name.
type issuer struct {
	component.StartFunc
	component.ShutdownFunc
	claims map[string]map[string]any
}

type claimed struct {
	name   string
	claims map[string]any
}

func (c claimed) GetAttribute(name string) any {
	if name == "subject" {
		return c.name
	}
	return c.claims[strings.TrimPrefix(name, "claims.")]
}

func (claimed) GetAttributeNames() []string { return nil }

func (i issuer) Authenticate(ctx context.Context, sources map[string][]string) (context.Context, error) {
	name, _, _ := strings.Cut(strings.TrimPrefix(sources["Authorization"][0], "Bearer "), ".")
	claims, ok := i.claims[name]
	if !ok {
		return ctx, errors.New("who signed this?")
	}
	info := client.FromContext(ctx)
	info.Auth = claimed{name, claims}
	return client.NewContext(ctx, info), nil
}

type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

// startWith starts an extension with an oidc section beside an issuer.
func (w *world) startWith(section apikeyauthextension.OIDCConfig, scopes []string, oidc component.Component) error {
	factory := apikeyauthextension.NewFactory()
	cfg := factory.CreateDefaultConfig().(*apikeyauthextension.Config)
	cfg.File, cfg.Scopes, cfg.OIDC = w.path, scopes, configoptional.Some(section)
	require.NoError(w.t, confmap.Validate(cfg))
	set := extensiontest.NewNopSettings(factory.Type())
	set.TelemetrySettings = w.telemetry.NewTelemetrySettings()
	e, err := factory.Create(w.t.Context(), set, cfg)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { assert.NoError(w.t, e.Shutdown(context.Background())) })
	w.auth = e.(extensionauth.Server)
	return e.Start(w.t.Context(), host{component.MustNewID("oidc"): oidc, set.ID: e})
}

func TestClaimsAreATenantAndScopes(t *testing.T) {
	w := newWorld(t)
	own := w.add(keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Read}})
	section := apikeyauthextension.OIDCConfig{Authenticator: component.MustNewID("oidc"), TenantClaim: "org", ScopesClaim: "roles", Scopes: map[string][]string{"viewer": {"read"}, "ops": {"admin", "decrypt"}, "agent": {"forward"}}}
	require.NoError(t, w.startWith(section, []string{keyfile.Read, keyfile.Admin}, issuer{claims: map[string]map[string]any{
		"jo":     {"org": "acme", "roles": []any{"viewer", "admin", 7}},
		"ann":    {"org": "acme", "roles": "viewer  other"},
		"root":   {"roles": []any{"ops"}},
		"nobody": {"org": "acme", "roles": []any{"guest"}},
		"bare":   {"roles": []any{"viewer"}},
		"odd":    {"org": "a/b", "roles": []any{"viewer"}},
		"agent":  {"roles": []any{"agent"}},
	}}))
	for name, c := range map[string]struct {
		want   string // of the error
		tenant string
		scopes []string
	}{
		"jo":      {"", "acme", []string{"read"}},
		"ann":     {"", "acme", []string{"read"}},
		"root":    {"", "", []string{"admin", "decrypt"}},
		"nobody":  {"none of the scopes", "", nil},
		"bare":    {"have no scope that this collector accepts, or no tenant", "", nil},
		"odd":     {"or no tenant", "", nil},
		"agent":   {"none of the scopes", "", nil},
		"mallory": {"the token is not valid here", "", nil},
	} {
		ctx, err := w.auth.Authenticate(t.Context(), map[string][]string{"Authorization": {"Bearer " + name + ".x.y"}, "X-Scope-Orgid": {"other"}})
		if c.want != "" {
			assert.ErrorContains(t, err, c.want, name)
			continue
		}
		require.NoError(t, err, name)
		got := access.Of(ctx)
		assert.Equal(t, c.scopes, got.Scopes, name)
		assert.Equal(t, c.tenant, got.Own(), name)
		named, err := tenant.Client(ctx)
		require.NoError(t, err)
		assert.Equal(t, c.tenant, named, name)
		assert.Equal(t, "OIDC "+name, client.FromContext(ctx).Auth.GetAttribute("subject"))
	}
	assert.NoError(t, w.as("x-api-key", own), "API keys go on")
	assert.ErrorContains(t, w.as("x-api-key", "nonsense"), "is not valid here", "what is no token is an API key")
	assert.EqualValues(t, 1, w.refused("token"))
	assert.EqualValues(t, 2, w.refused("claims"))
	assert.EqualValues(t, 2, w.refused("scope"))
}

// Without a table the values of the claim are the scopes' names.
func TestScopesByName(t *testing.T) {
	w := newWorld(t)
	w.add(keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Read}})
	section := apikeyauthextension.OIDCConfig{Authenticator: component.MustNewID("oidc"), TenantClaim: "tenant", ScopesClaim: "scope"}
	require.NoError(t, w.startWith(section, []string{keyfile.Read}, issuer{claims: map[string]map[string]any{"jo": {"tenant": "acme", "scope": "openid read replay"}}}))
	ctx, err := w.auth.Authenticate(t.Context(), map[string][]string{"Authorization": {"Bearer jo.x.y"}})
	require.NoError(t, err)
	assert.Equal(t, []string{"read", "replay"}, access.Of(ctx).Scopes)
}

func TestWrongOIDCSections(t *testing.T) {
	w := newWorld(t)
	w.add(keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Read}})
	section := apikeyauthextension.OIDCConfig{Authenticator: component.MustNewID("oidc"), TenantClaim: "tenant", ScopesClaim: "scope"}
	assert.ErrorContains(t, w.startWith(section, []string{keyfile.Read}, struct{ component.Component }{}), `::oidc::authenticator: there is no authenticator "oidc"`)
	section.Authenticator = component.MustNewID("api_key_auth")
	for want, bad := range map[string]apikeyauthextension.OIDCConfig{
		"authenticator: must be set":            {TenantClaim: "t", ScopesClaim: "s"},
		"tenant_claim, scopes_claim: must":      {Authenticator: component.MustNewID("oidc")},
		`scopes: "write" of "x" is not one of `: {Authenticator: component.MustNewID("oidc"), TenantClaim: "t", ScopesClaim: "s", Scopes: map[string][]string{"x": {"write"}}},
	} {
		assert.ErrorContains(t, bad.Validate(), want)
	}
}
