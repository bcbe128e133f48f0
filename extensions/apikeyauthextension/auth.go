package apikeyauthextension

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionauth"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/extensions/apikeyauthextension/internal/metadata"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/keyfile"
	"github.com/penstockhq/penstock/internal/quota"
	"github.com/penstockhq/penstock/internal/tenant"
)

var errThrottled = errors.New("too many requests from this address had no valid API key: retry in a minute, or send a valid key")

var errMissing = errors.New("this needs an API key: send `Authorization: Bearer <key>` or `X-API-Key: <key>`")

// auth checks the keys of clients. Authenticate is safe for concurrent use.
type auth struct {
	cfg       *Config
	set       extension.Settings
	telemetry *metadata.TelemetryBuilder
	keys      *keys
	failures  *failures
	oidc      extensionauth.Server // set by Start; nil: tokens that are not API keys are refused
}

var (
	_ extension.Extension  = (*auth)(nil)
	_ extensionauth.Server = (*auth)(nil)
)

func newAuth(cfg *Config, set extension.Settings) (*auth, error) {
	t, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	a := &auth{cfg: cfg, set: set, telemetry: t, failures: newFailures(set.Logger), keys: &keys{path: cfg.File, tokenPath: cfg.AdminTokenFile, log: set.Logger,
		failed: func() { t.ExtensionAPIKeyAuthFailedReads.Add(context.Background(), 1) }}}
	a.keys.set.Store(&keyfile.Set{}) // a listener may be open before Start: until then all clients are refused
	a.keys.token.Store(&token{})
	return a, nil
}

// Start reads the keys, and watches the file.
func (a *auth) Start(_ context.Context, host component.Host) (err error) {
	if a.cfg.OIDC.HasValue() {
		if a.oidc, err = a.findOIDC(host); err != nil {
			return fmt.Errorf("extensions::%s::%w", a.set.ID, err)
		}
	}
	if err := a.keys.start(); err != nil {
		return fmt.Errorf("extensions::%s::file: %w", a.set.ID, err)
	}
	a.set.Logger.Info("Clients need an API key", zap.String("file", a.cfg.File), zap.Int("keys", a.keys.set.Load().Len()), zap.Strings("scopes", a.cfg.Scopes))
	return a.telemetry.RegisterExtensionAPIKeyAuthKeysCallback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(int64(a.keys.set.Load().Len()))
		return nil
	})
}

// Shutdown stops watching the file. It may be repeated.
func (a *auth) Shutdown(context.Context) error {
	a.keys.stop()
	a.telemetry.Shutdown()
	return nil
}

// NamesTenants says that clients have tenants: see access.Named.
func (*auth) NamesTenants() bool { return true }

// SeriesBudgets are the file's present budgets of series. A cardinality_guard reads them.
func (a *auth) SeriesBudgets() *quota.Series { return a.keys.set.Load().Series() }

// Authenticate admits a client by its key. In the returned context, the client's metadata contain the key's tenant and no other, and do not contain
// the key itself.
func (a *auth) Authenticate(ctx context.Context, sources map[string][]string) (context.Context, error) {
	who, reason, err := a.identify(ctx, sources)
	if err != nil {
		return ctx, a.refuse(ctx, reason, err)
	}
	return admit(ctx, who), nil
}

// identify returns whom the key in sources belongs to, as the file is now. reason is what an error is counted under.
func (a *auth) identify(ctx context.Context, sources map[string][]string) (who identity, reason string, err error) {
	who = identity{auth: a, sources: sources}
	given := key(sources)
	switch {
	case given == "":
		return who, "missing", errMissing
	case a.keys.adminToken().Allows(given):
		who.key, who.subject, who.set = &keyfile.Key{Scopes: keyfile.Scopes}, "admin token", &keyfile.Set{}
		return who, "", nil
	case a.oidc != nil && isJWT(given):
		who.set = a.keys.set.Load()
		if who.key, who.subject, reason, err = a.byToken(ctx, sources); err != nil {
			return who, reason, err
		}
	default:
		who.set = a.keys.set.Load()
		who.key, err = who.set.Check(given, time.Now())
		switch {
		case errors.Is(err, keyfile.ErrExpired):
			return who, "expired", err
		case err != nil:
			return who, "unknown", err
		}
		who.subject = "API key " + who.key.ID
	}
	if !who.key.Has(a.cfg.Scopes...) {
		return who, "scope", a.errScope()
	}
	return who, "", nil
}

func (a *auth) errScope() error {
	return fmt.Errorf("the API key may not do this: it has none of the scopes %s", strings.Join(a.cfg.Scopes, ", "))
}

// refuse counts a refusal. gRPC clients get the code UNAUTHENTICATED, or PERMISSION_DENIED if the key lacks a scope. An address with too many wrong
// keys gets no further information about the key.
func (a *auth) refuse(ctx context.Context, reason string, err error) error {
	if a.failures.add(address(ctx), reason, time.Now()) {
		reason, err = "throttled", errThrottled
	}
	a.telemetry.ExtensionAPIKeyAuthRefusedRequests.Add(context.WithoutCancel(ctx), 1, metric.WithAttributes(attribute.String("reason", reason)))
	if reason == "scope" && isGRPC(ctx) {
		return status.Error(codes.PermissionDenied, err.Error())
	}
	return err
}

// admit puts the subject (the key's name) and its tenant into the context.
func admit(ctx context.Context, who identity) context.Context {
	info := client.FromContext(ctx)
	info.Auth = who
	kept := map[string][]string{}
	for name := range info.Metadata.Keys() {
		switch strings.ToLower(name) {
		case "authorization", "x-api-key", tenant.MetadataKey:
		default:
			kept[name] = info.Metadata.Get(name)
		}
	}
	name := who.key.Tenant
	if who.key.Has(keyfile.Forward) {
		name = first(who.sources, tenant.MetadataKey) // the key may name any tenant, or leave that to the resources
	}
	if name != "" {
		kept[tenant.MetadataKey] = []string{name}
	}
	info.Metadata = client.NewMetadata(kept)
	return client.NewContext(ctx, info)
}

// identity is the information about an admitted client for components.
type identity struct {
	key     *keyfile.Key
	subject string
	set     *keyfile.Set // has the limits of tenants

	auth    *auth
	sources map[string][]string // of the request, with the key
}

// valid says whether the key still admits the client, as the same tenant and with the same scopes.
func (i identity) valid() bool {
	now, _, err := i.auth.identify(context.Background(), i.sources)
	return err == nil && now.key.Tenant == i.key.Tenant && slices.Equal(now.key.Scopes, i.key.Scopes)
}

// GetAttribute returns the attribute of that name.
func (i identity) GetAttribute(name string) any {
	switch name {
	case "subject":
		return i.subject
	case "tenant":
		return i.key.Tenant
	case "scopes":
		return i.key.Scopes
	case "signals":
		return i.key.Signals
	case "services":
		return i.key.Services
	case "key":
		return i.key.ID
	case "limits":
		return i.key.Limits
	case "tenant_limits":
		return i.set.Limits()
	case access.ValidAttribute:
		return i.valid
	}
	return nil
}

// GetAttributeNames lists the names.
func (identity) GetAttributeNames() []string {
	return []string{"subject", "tenant", "scopes", "signals", "services", "key", "limits", "tenant_limits", access.ValidAttribute}
}
