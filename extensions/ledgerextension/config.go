package ledgerextension

import (
	"errors"
	"fmt"
	"math"
	"time"

	"go.opentelemetry.io/collector/component"
)

// Config is the YAML configuration of the extension.
type Config struct {
	// MaxScan bounds how many bytes of a partition an answer reads to count buffered items; 0: it reads nothing. Default 64 MiB.
	MaxScan int64 `mapstructure:"max_scan"`
	// Timeout bounds an answer. Default 20s.
	Timeout time.Duration `mapstructure:"timeout"`
	// Usage bounds the details of usage.
	Usage UsageConfig `mapstructure:"usage"`
	// Prices turn usage into costs.
	Prices PricesConfig `mapstructure:"prices"`
}

// UsageConfig bounds the number of separate entries.
type UsageConfig struct {
	// MaxServices is how many services of tenants, by signal, are counted separately; further ones count as (other). It bounds intake, series, and
	// the tenants and stores of queries, each separately. Default 2000.
	MaxServices int `mapstructure:"max_services"`
	// Metrics also exports them as the collector's own metrics, by tenant and service: up to two times max_services series each. Default false.
	Metrics bool `mapstructure:"metrics"`
}

// PricesConfig are prices. Default 0.
type PricesConfig struct {
	// Currency is shown beside costs. Default none.
	Currency string `mapstructure:"currency"`
	// IntakeGiB is the price of a GiB written into the journal, before compression.
	IntakeGiB float64 `mapstructure:"intake_gib"`
	// ReceivedMillion is the price of a million received items.
	ReceivedMillion float64 `mapstructure:"received_million"`
	// StoredMillion is the price of a million items that a sink stored, by the sink's group: lake, tsdb, loki.
	StoredMillion map[string]float64 `mapstructure:"stored_million"`
	// QuerySecond is the price of a second of a running query.
	QuerySecond float64 `mapstructure:"query_second"`
}

func (p *PricesConfig) intake(bytes int64) float64 { return p.IntakeGiB * float64(bytes) / (1 << 30) }

func (p *PricesConfig) queries(took time.Duration) float64 { return p.QuerySecond * took.Seconds() }

func (p *PricesConfig) items(received int64, stored map[string]int64) float64 {
	cost := p.ReceivedMillion * float64(received) / 1e6
	for sink, n := range stored {
		cost += p.StoredMillion[sink] * float64(n) / 1e6
	}
	return cost
}

var _ component.Config = (*Config)(nil)

// Validate reports all problems of the configuration at once.
func (c *Config) Validate() (err error) {
	if c.MaxScan < 0 {
		err = errors.Join(err, fmt.Errorf("max_scan: %d must not be negative", c.MaxScan))
	}
	if c.Timeout < time.Second || c.Timeout > 25*time.Second { // admin's write_timeout is 30s
		err = errors.Join(err, fmt.Errorf("timeout: %s must be from 1s to 25s", c.Timeout))
	}
	if c.Usage.MaxServices < 1 {
		err = errors.Join(err, fmt.Errorf("usage::max_services: %d is not positive", c.Usage.MaxServices))
	}
	prices := map[string]float64{"intake_gib": c.Prices.IntakeGiB, "received_million": c.Prices.ReceivedMillion, "query_second": c.Prices.QuerySecond}
	for sink, p := range c.Prices.StoredMillion {
		prices["stored_million::"+sink] = p
	}
	for key, p := range prices {
		if !(p >= 0 && p < math.MaxFloat64) {
			err = errors.Join(err, fmt.Errorf("prices::%s: %v is not a price", key, p))
		}
	}
	return err
}
