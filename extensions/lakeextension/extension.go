package lakeextension

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"

	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/place"
)

// lakeExtension looks after one lake.
type lakeExtension struct {
	config *Config
	set    component.TelemetrySettings
	store  lakestore.Store // set by Start
}

var _ extension.Extension = (*lakeExtension)(nil)

func newExtension(c *Config, set extension.Settings) (*lakeExtension, error) {
	return &lakeExtension{config: c, set: set.TelemetrySettings}, nil
}

// Start opens the lake.
func (e *lakeExtension) Start(context.Context, component.Host) error {
	store, err := place.Open(e.config.URL, e.config.S3)
	if err != nil {
		return fmt.Errorf("url: %q: %w", e.config.URL, err)
	}
	e.store = store
	return nil
}

// Shutdown closes it.
func (e *lakeExtension) Shutdown(context.Context) error {
	if e.store == nil {
		return nil
	}
	return e.store.Close()
}
