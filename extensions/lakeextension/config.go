package lakeextension

import (
	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/lakestore/place"
)

// Config is the YAML configuration of the extension.
type Config struct {
	// URL is where the lake is, the same as the url of the parquet exporters that write it. Required.
	URL string `mapstructure:"url"`
	// S3 holds the keys of an object store. Empty, the default: they are looked for where AWS's tools do.
	S3 place.S3Config `mapstructure:"s3"`
}

var _ component.Config = (*Config)(nil)

// Validate refuses what can't work.
func (c *Config) Validate() error { return place.Validate(c.URL, c.S3) }
