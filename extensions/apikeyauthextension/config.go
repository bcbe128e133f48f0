package apikeyauthextension

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"

	"github.com/penstockhq/penstock/internal/keyfile"
)

// Config is the YAML configuration of the extension.
type Config struct {
	// File holds the keys: `penstock keys` writes it. It is read again within two seconds when it changes. Required.
	File string `mapstructure:"file"`
	// Scopes are the scopes of which a key needs one. Default ingest and forward.
	Scopes []string `mapstructure:"scopes"`
	// AdminTokenFile holds a token that is admitted like a key with all scopes: admin's token_file. It may be created later. Default none.
	AdminTokenFile string `mapstructure:"admin_token_file"`
	// OIDC admits tokens of an identity provider, besides the keys. Default none.
	OIDC configoptional.Optional[OIDCConfig] `mapstructure:"oidc"`
}

var _ component.Config = (*Config)(nil)

// Validate reports all problems of the configuration at once. The file is read at the start.
func (c *Config) Validate() error {
	var errs error
	if c.File == "" {
		errs = errors.Join(errs, errors.New("file: must be set: `penstock keys new --file keys.yaml` writes one"))
	}
	if len(c.Scopes) == 0 {
		errs = errors.Join(errs, fmt.Errorf("scopes: at least one is needed; the scopes are %s", strings.Join(keyfile.Scopes, ", ")))
	}
	for _, s := range c.Scopes {
		if !slices.Contains(keyfile.Scopes, s) {
			errs = errors.Join(errs, fmt.Errorf("scopes: %q is not one of %s", s, strings.Join(keyfile.Scopes, ", ")))
		}
	}
	return errs
}
