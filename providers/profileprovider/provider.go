package profileprovider

import (
	"context"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/featuregate"

	"github.com/penstockhq/penstock/internal/umask"
)

const (
	schemeName = "profile"

	// synchronousEmitter makes log receivers wait for the pipeline's answer before they continue to read; without it they have an asynchronous
	// buffer, which a crash loses. Configuration can't set a feature gate, so a profile does.
	synchronousEmitter = "stanza.synchronousLogEmitter"

	// componentStatus gives health_check the form of configuration in which a middleware can protect its listener.
	componentStatus = "extension.healthcheck.useComponentStatus"
)

// provider is stateless: two Retrieves of one profile in one environment return the same configuration.
type provider struct {
	env func(name string) (value string, set bool)
}

var _ confmap.Provider = (*provider)(nil)

// NewFactory returns the factory of the provider for `profile:<name>`.
func NewFactory() confmap.ProviderFactory {
	return confmap.NewProviderFactory(newProvider)
}

// Scheme is the part before the colon.
func (*provider) Scheme() string { return schemeName }

// Retrieve returns the configuration of the profile that uri names. References to environment variables in it are expanded later,
// after everything that the command line adds has been merged over it.
func (p *provider) Retrieve(_ context.Context, uri string, _ confmap.WatcherFunc) (*confmap.Retrieved, error) {
	name, ok := strings.CutPrefix(uri, schemeName+":")
	if !ok {
		return nil, fmt.Errorf("%q is not of the form %s:<name>", uri, schemeName)
	}
	fragments, ok := profiles[name]
	if !ok {
		return nil, fmt.Errorf("there is no profile %q; the profiles are %s", name, strings.Join(profileNames(), ", "))
	}
	for _, gate := range []string{synchronousEmitter, componentStatus} {
		if err := setGate(gate); err != nil {
			return nil, err
		}
	}
	umask.Close() // configuration can't set it either
	around := p.surroundings(name)
	if err := checkPairs(around); err != nil {
		return nil, fmt.Errorf("profile %s: %w", name, err)
	}
	limitHeap(around)
	conf, err := compose(fragments, around)
	if err != nil {
		return nil, fmt.Errorf("profile %s: %w", name, err)
	}
	return confmap.NewRetrieved(conf)
}

// Shutdown has nothing to release.
func (*provider) Shutdown(context.Context) error { return nil }

// setGate enables the gate. A binary without the gate's component does not have the gate, and does not need it.
func setGate(id string) error {
	known := false
	featuregate.GlobalRegistry().VisitAll(func(gate *featuregate.Gate) { known = known || gate.ID() == id })
	if !known {
		return nil
	}
	if err := featuregate.GlobalRegistry().Set(id, true); err != nil {
		return fmt.Errorf("feature gate %s: %w", id, err)
	}
	return nil
}
