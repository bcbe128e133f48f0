package apikeyauthextension

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/extension"

	"github.com/penstockhq/penstock/extensions/apikeyauthextension/internal/metadata"
	"github.com/penstockhq/penstock/internal/keyfile"
)

// NewFactory returns the factory of the api_key_auth extension.
func NewFactory() extension.Factory {
	return extension.NewFactory(metadata.Type, createDefaultConfig, create, metadata.ExtensionStability)
}

func createDefaultConfig() component.Config {
	return &Config{
		Scopes: []string{keyfile.Ingest, keyfile.Forward},
		OIDC:   configoptional.Default(OIDCConfig{TenantClaim: "tenant", ScopesClaim: "scope"}),
	}
}

func create(_ context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
	return newAuth(cfg.(*Config), set)
}
