package quotaextension

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"

	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/internal/quota"
)

// Config is the YAML configuration of the extension.
type Config struct {
	// Defaults are the quotas of everything without an override or an entry in the file of keys. Default none.
	Defaults DefaultsConfig `mapstructure:"defaults"`
	// Overrides are quotas by name; for each limit the first override that sets it applies. The limits of a file of keys take precedence.
	Overrides []OverrideConfig `mapstructure:"overrides"`
	// MaxAccounts is how many tenants, services and keys to remember. Default 100000.
	MaxAccounts int `mapstructure:"max_accounts"`
	// MaxStreams is how many log streams, of tenants with a limit, to remember. Default 1000000.
	MaxStreams int `mapstructure:"max_streams"`
	// DayFile keeps the use of bytes_per_day over a restart. Default none: a start counts the day from zero. Gateways that share need none.
	DayFile string `mapstructure:"day_file"`
	// TenantMetrics adds the names of the first hundred refused tenants to the collector's metrics. Default false, because readers of those metrics
	// need no key.
	TenantMetrics bool `mapstructure:"tenant_metrics"`
	// InstanceID distinguishes the gateways that share quotas. Default the host name.
	InstanceID string `mapstructure:"instance_id"`
	// Share is the Kafka through which several gateways share each quota. Default none: each gateway has the whole quota.
	Share configoptional.Optional[ShareConfig] `mapstructure:"share"`
}

// DefaultsConfig are quotas by scope.
type DefaultsConfig struct {
	Tenant  quota.Override `mapstructure:"tenant"`
	Service quota.Override `mapstructure:"service"`
	Key     quota.Override `mapstructure:"key"`
}

// OverrideConfig sets limits of a key; or of matching services of matching tenants; or of matching tenants. * matches any characters in the names
// of tenants and services.
type OverrideConfig struct {
	Tenant  string         `mapstructure:"tenant"`
	Service string         `mapstructure:"service"`
	Key     string         `mapstructure:"key"`
	Limits  quota.Override `mapstructure:"limits"`
}

// ShareConfig is the Kafka through which gateways share.
type ShareConfig struct {
	// Kafka is the journal's Kafka: brokers, topic_prefix, client_id, tls, sasl, as for the kafka_replay processor.
	Kafka cluster.Config `mapstructure:",squash"`
	// Interval is how often a gateway publishes its usage, 100ms to 1m. Default 1s.
	Interval time.Duration `mapstructure:"interval"`
}

const (
	minInterval = 100 * time.Millisecond
	maxInterval = time.Minute
)

var _ component.Config = (*Config)(nil)

// Validate reports all problems of the configuration at once.
func (c *Config) Validate() error {
	var errs error
	check := func(key string, o *quota.Override, scope quota.Scope) {
		if err := o.Check(); err != nil {
			errs = errors.Join(errs, fmt.Errorf("%s: %w", key, err))
		}
		if scope != quota.Tenant && (o.Series != nil || o.Streams != nil) {
			errs = errors.Join(errs, fmt.Errorf("%s: series, streams: only tenants can have these limits", key))
		}
	}
	check("defaults::tenant", &c.Defaults.Tenant, quota.Tenant)
	check("defaults::service", &c.Defaults.Service, quota.Service)
	check("defaults::key", &c.Defaults.Key, quota.Key)
	for i, o := range c.Overrides {
		at := fmt.Sprintf("overrides::%d", i)
		switch {
		case o.Tenant == "" && o.Service == "" && o.Key == "":
			errs = errors.Join(errs, fmt.Errorf("%s: needs tenant, service or key", at))
		case o.Key != "" && (o.Tenant != "" || o.Service != ""):
			errs = errors.Join(errs, fmt.Errorf("%s: key: %q already has a tenant: tenant and service must be empty", at, o.Key))
		}
		if o.Limits.Empty() {
			errs = errors.Join(errs, fmt.Errorf("%s: limits: at least one must be set", at))
		}
		check(at+"::limits", &o.Limits, o.scope())
	}
	if c.MaxAccounts < 1 {
		errs = errors.Join(errs, fmt.Errorf("max_accounts: %d is not positive", c.MaxAccounts))
	}
	if c.MaxStreams < 1 {
		errs = errors.Join(errs, fmt.Errorf("max_streams: %d is not positive", c.MaxStreams))
	}
	return errs
}

// Validate reports all problems of the section at once.
func (c *ShareConfig) Validate() error {
	err := c.Kafka.Validate()
	if c.Interval < minInterval || c.Interval > maxInterval {
		err = errors.Join(err, fmt.Errorf("interval: %s is not between %s and %s", c.Interval, minInterval, maxInterval))
	}
	return err
}

func (o *OverrideConfig) scope() quota.Scope {
	switch {
	case o.Key != "":
		return quota.Key
	case o.Service != "":
		return quota.Service
	default:
		return quota.Tenant
	}
}
