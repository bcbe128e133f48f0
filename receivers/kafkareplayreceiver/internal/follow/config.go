package follow

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/behind"
)

// Config is how to follow.
type Config struct {
	// Group names the sink: one group, one pipeline, one exporter. Required. The Kafka group is <prefix>.<signal>.<group>.
	Group string `mapstructure:"group"`
	// InstanceID makes the member static: it keeps its partitions over a restart shorter than session_timeout. Default none.
	InstanceID string `mapstructure:"instance_id"`
	// SessionTimeout is how long a member may be silent before its partitions go elsewhere. Default 10s.
	SessionTimeout time.Duration `mapstructure:"session_timeout"`
	// CheckpointInterval is the longest time between checkpoints; small states are saved more often. Default 1m.
	CheckpointInterval time.Duration `mapstructure:"checkpoint_interval"`
	// DedupWindow is how far back repeated records are found, in the journal's time; 0: not at all. Default 10m.
	DedupWindow time.Duration `mapstructure:"dedup_window"`
	// DedupMaxRecords bounds the records remembered for that, for each partition, about 100 bytes each. Default 100000.
	DedupMaxRecords int `mapstructure:"dedup_max_records"`
	// InFlight is how many ranges of a partition are delivered at once, where nothing behind keeps a state; a crash repeats
	// as many. Metrics: always one, for their order. Default 4.
	InFlight int `mapstructure:"in_flight"`
	// OnFull says what becomes of records that the sink does not take when the journal is full: hold (clients of this signal are
	// refused until it takes them) or best_effort (the oldest are given up, counted). best_effort needs embedded_kafka. Default
	// hold.
	OnFull string `mapstructure:"on_full"`
	// OutageAfter is how long the sink or Kafka may be away before the log says so as an error, and how long it is from one such
	// line to the next. Default 1m.
	OutageAfter time.Duration `mapstructure:"outage_after"`
	// AllowBehind are types of other people's processors, connectors and exporters that may stand behind the receiver: they answer only when they have
	// delivered. Default none: only those that are known to.
	AllowBehind []string `mapstructure:"allow_behind"`
	// Range bounds what is delivered at once.
	Range RangeConfig `mapstructure:"range"`
}

// RangeConfig bounds ranges.
type RangeConfig struct {
	// MaxRecords of a range. Default 1000.
	MaxRecords int `mapstructure:"max_records"`
	// MaxBytes of a range, before it is decoded; a larger record is a range of its own. Default 1 MiB.
	MaxBytes int `mapstructure:"max_bytes"`
	// MaxTotal of the ranges of all partitions that a receiver is assigned: each gets its share, if that is below max_bytes.
	// Default 128 MiB.
	MaxTotal int `mapstructure:"max_total"`
	// MaxWait is how long a range may wait for more records once it has one, at the end of the journal; 0: not at all. It is what
	// delivery of a quiet journal takes longer, and saves a request to Kafka and to the sink for each record. Default 100ms.
	MaxWait time.Duration `mapstructure:"max_wait"`
	// Recorded saves the bounds of each range before it is delivered, so that it comes again with the same bounds after a
	// failure. For sinks that name what they write by range. Default false.
	Recorded bool `mapstructure:"recorded"`
}

var groupName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// DefaultConfig has no group.
func DefaultConfig() Config {
	return Config{
		SessionTimeout: 10 * time.Second, CheckpointInterval: time.Minute, DedupWindow: 10 * time.Minute, DedupMaxRecords: 100_000,
		InFlight: 4, OnFull: onFullHold, OutageAfter: time.Minute, Range: RangeConfig{MaxRecords: 1000, MaxBytes: 1 << 20, MaxTotal: 128 << 20, MaxWait: 100 * time.Millisecond},
	}
}

// Check reports all problems at once, except those of the range, which the collector validates. It is not called where follow is not meant.
func (c *Config) Check() (err error) {
	if !groupName.MatchString(c.Group) {
		err = errors.Join(err, fmt.Errorf("group: %q must be 1 to 64 letters, digits, dashes and underscores", c.Group))
	}
	if c.SessionTimeout < 6*time.Second || c.SessionTimeout > 5*time.Minute {
		err = errors.Join(err, fmt.Errorf("session_timeout: %s must be between 6s and 5m", c.SessionTimeout))
	}
	if c.CheckpointInterval < time.Second {
		err = errors.Join(err, fmt.Errorf("checkpoint_interval: %s must be at least 1s", c.CheckpointInterval))
	}
	if c.DedupWindow < 0 {
		err = errors.Join(err, fmt.Errorf("dedup_window: %s must not be negative", c.DedupWindow))
	}
	if c.DedupMaxRecords < 1 {
		err = errors.Join(err, fmt.Errorf("dedup_max_records: %d must be at least 1", c.DedupMaxRecords))
	}
	if c.InFlight < 1 {
		err = errors.Join(err, fmt.Errorf("in_flight: %d must be at least 1", c.InFlight))
	}
	if c.OnFull != onFullHold && c.OnFull != onFullBestEffort {
		err = errors.Join(err, fmt.Errorf("on_full: %q must be %s or %s", c.OnFull, onFullHold, onFullBestEffort))
	}
	if c.OutageAfter <= 0 {
		err = errors.Join(err, fmt.Errorf("outage_after: %s must be positive", c.OutageAfter))
	}
	return errors.Join(err, behind.CheckAllow("allow_behind", c.AllowBehind))
}

// Validate reports all problems at once.
func (c *RangeConfig) Validate() (err error) {
	if c.MaxRecords < 1 || c.MaxBytes < 1 || c.MaxTotal < 1 {
		err = errors.Join(err, fmt.Errorf("max_records, max_bytes, max_total: %d, %d and %d must be at least 1", c.MaxRecords, c.MaxBytes, c.MaxTotal))
	}
	if c.MaxWait < 0 {
		err = errors.Join(err, fmt.Errorf("max_wait: %s must not be negative", c.MaxWait))
	}
	return err
}
