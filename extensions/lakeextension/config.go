package lakeextension

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/keeper"
	"github.com/penstockhq/penstock/internal/lakestore/place"
)

// Config is the YAML configuration of the extension.
type Config struct {
	// URL is where the lake is, the same as the url of the parquet exporters that write it. Required.
	URL string `mapstructure:"url"`
	// S3 holds the keys of an object store. Empty, the default: they are looked for where AWS's tools do.
	S3 place.S3Config `mapstructure:"s3"`
	// Interval is the time between two passes over the lake, at least a second. Default 5m.
	Interval time.Duration `mapstructure:"interval"`
	// Lease is how long the lease lives without being renewed: how long the lake is looked after by nobody when a gateway dies. At least 3s. Default 1m.
	Lease time.Duration `mapstructure:"lease"`
	// Compaction merges small files.
	Compaction CompactionConfig `mapstructure:"compaction"`
	// Retention removes what is too old. Default: nothing is.
	Retention RetentionConfig `mapstructure:"retention"`
	// Tables makes Apache Iceberg tables of the lake.
	Tables TablesConfig `mapstructure:"tables"`
}

// CompactionConfig says how small files are merged.
type CompactionConfig struct {
	// Enabled: files are merged. Default true.
	Enabled bool `mapstructure:"enabled"`
	// Delay is the time from the end of an hour to the first merge of its files. Default 15m.
	Delay time.Duration `mapstructure:"delay"`
	// Quiet is how long fewer than sixteen small files wait for more. Default 20m.
	Quiet time.Duration `mapstructure:"quiet"`
	// TargetSize is what merged files come near to, in bytes: files below half of it are merged. Default 128 MiB.
	TargetSize int64 `mapstructure:"target_size"`
	// Memory bounds what files take while they are merged, in bytes, at least 64 MiB. Default 256 MiB.
	Memory int64 `mapstructure:"memory"`
	// RecompressAfter is the age at which a partition's files are written once more, compressed harder. 0: never. Default 24h.
	RecompressAfter time.Duration `mapstructure:"recompress_after"`
	// Overlap is how long files stay beside the one that they were merged into. Default 0.
	Overlap time.Duration `mapstructure:"overlap"`
}

// RetentionConfig says how long the lake keeps what it has.
type RetentionConfig struct {
	// Keep is how long rows stay after their hour has ended, at least an hour. 0, the default: for ever.
	Keep time.Duration `mapstructure:"keep"`
	// Overrides are asked in their order; the first that matches counts instead of Keep.
	Overrides []RetentionOverride `mapstructure:"overrides"`
}

// RetentionOverride is another time for some rows.
type RetentionOverride struct {
	// Signal is logs, metrics or traces. Default: all.
	Signal string `mapstructure:"signal"`
	// Tenant is a pattern of tenants' names, with * and ?. Default: all.
	Tenant string `mapstructure:"tenant"`
	// RollupWindow is a pattern of the attribute rollup.window: the rule is for the data points of such rollups alone. Default: all rows.
	RollupWindow string `mapstructure:"rollup_window"`
	// Keep is as above; 0: for ever.
	Keep time.Duration `mapstructure:"keep"`
}

var _ component.Config = (*Config)(nil)

// Validate refuses what can't work.
func (c *Config) Validate() error {
	errs := []error{place.Validate(c.URL, c.S3)}
	if c.Interval < time.Second {
		errs = append(errs, fmt.Errorf("interval: must be at least 1s, got %s", c.Interval))
	}
	if c.Lease < 3*time.Second {
		errs = append(errs, fmt.Errorf("lease: must be at least 3s, got %s", c.Lease))
	}
	return errors.Join(errs...)
}

// Validate refuses what would merge nothing, or without a bound.
func (c *CompactionConfig) Validate() (err error) {
	for key, d := range map[string]time.Duration{"delay": c.Delay, "quiet": c.Quiet, "recompress_after": c.RecompressAfter, "overlap": c.Overlap} {
		if d < 0 {
			err = errors.Join(err, fmt.Errorf("%s: must not be negative, got %s", key, d))
		}
	}
	if c.TargetSize < 1<<20 || c.TargetSize > 4<<30 {
		err = errors.Join(err, fmt.Errorf("target_size: must be from 1048576 (1 MiB) to 4294967296 (4 GiB), got %d", c.TargetSize))
	}
	if c.Memory < 64<<20 {
		err = errors.Join(err, fmt.Errorf("memory: must be at least 67108864 (64 MiB), got %d", c.Memory))
	}
	return err
}

// Validate refuses times that would empty the lake behind the writers, and overrides that match nothing.
func (c *RetentionConfig) Validate() error {
	errs := []error{validateKeep("keep", c.Keep)}
	for i, o := range c.Overrides {
		key := fmt.Sprintf("overrides::%d::", i)
		errs = append(errs, validateKeep(key+"keep", o.Keep))
		if !slices.Contains([]string{"", "logs", "metrics", "traces"}, o.Signal) {
			errs = append(errs, fmt.Errorf("%ssignal: want logs, metrics or traces, got %q", key, o.Signal))
		}
		if o.RollupWindow != "" && o.Signal != "" && o.Signal != "metrics" {
			errs = append(errs, fmt.Errorf("%srollup_window: %s have no rollups", key, o.Signal))
		}
		for name, pattern := range map[string]string{"tenant": o.Tenant, "rollup_window": o.RollupWindow} {
			if _, err := path.Match(pattern, ""); err != nil {
				errs = append(errs, fmt.Errorf("%s%s: %q: %w", key, name, pattern, err))
			}
		}
	}
	return errors.Join(errs...)
}

func validateKeep(key string, keep time.Duration) error {
	if keep != 0 && keep < time.Hour {
		return fmt.Errorf("%s: must be 0 (for ever) or at least 1h, got %s", key, keep)
	}
	return nil
}

// Levels of zstd: of merged files, and of old ones.
const (
	level    = 3
	oldLevel = 11
)

// settings are what the keeper gets.
func (c *Config) settings() keeper.Settings {
	set := keeper.Settings{Delay: c.Compaction.Delay, Quiet: c.Compaction.Quiet, Memory: c.Compaction.Memory, Level: level, Overlap: c.Compaction.Overlap,
		Retention: keeper.Retention{Keep: c.Retention.Keep}}
	if c.Compaction.Enabled {
		set.Target = c.Compaction.TargetSize
		if c.Compaction.RecompressAfter > 0 {
			set.RecompressAfter, set.RecompressLevel = c.Compaction.RecompressAfter, oldLevel
		}
	}
	for _, o := range c.Retention.Overrides {
		set.Retention.Rules = append(set.Retention.Rules, keeper.Rule{Signal: o.Signal, Tenant: o.Tenant, Window: o.RollupWindow, Keep: o.Keep})
	}
	return set
}
