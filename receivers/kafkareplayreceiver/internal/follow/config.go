package follow

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/downstream"
)

// Config is the configuration of a follower.
type Config struct {
	// Group names the sink: one group, one pipeline, one exporter. Required. The Kafka group is <prefix>.<signal>.<group>.
	Group string `mapstructure:"group"`
	// InstanceID makes the member static: it keeps its partitions during a restart shorter than session_timeout. Default none.
	InstanceID string `mapstructure:"instance_id"`
	// SessionTimeout is how long a member may send no heartbeat before its partitions move to other members. Default 10s.
	SessionTimeout time.Duration `mapstructure:"session_timeout"`
	// CheckpointInterval is the longest time between checkpoints; small states are saved more often. Default 1m.
	CheckpointInterval time.Duration `mapstructure:"checkpoint_interval"`
	// DedupWindow is how far back repeated records are recognized, in the journal's time; 0: not at all. Default 10m.
	DedupWindow time.Duration `mapstructure:"dedup_window"`
	// DedupMaxRecords bounds the records in that window, for each partition, about 100 bytes each. Default 100000.
	DedupMaxRecords int `mapstructure:"dedup_max_records"`
	// InFlight is how many ranges of a partition are delivered at once if no downstream component has a state; a crash repeats as many.
	// For metrics it is always one, to keep their order. Default 4.
	InFlight int `mapstructure:"in_flight"`
	// OnFull decides about records that the sink does not accept when the journal is full: hold (clients of this signal are refused until
	// the sink accepts them) or best_effort (the oldest are discarded and counted). best_effort needs embedded_kafka. Default hold.
	OnFull string `mapstructure:"on_full"`
	// OutageAfter is how long the sink or Kafka may be unreachable before the log has an error, and the interval of further errors.
	// Default 1m.
	OutageAfter time.Duration `mapstructure:"outage_after"`
	// AllowBehind are types of third-party processors, connectors and exporters that may be downstream of the receiver, because they
	// acknowledge data only after they have delivered it. Default none: only known components.
	AllowBehind []string `mapstructure:"allow_behind"`
	// Range bounds the records that are delivered as one batch.
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
	// MaxWait is how long a range at the end of the journal waits for more records after its first; 0: not at all. It delays the delivery
	// of a quiet journal, and saves a request to Kafka and to the sink for each record. Default 100ms.
	MaxWait time.Duration `mapstructure:"max_wait"`
	// Recorded saves the bounds of each range before it is delivered, so that a repetition after a failure has the same bounds. For sinks
	// that name their output by range. Default false.
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

// Check reports all problems at once, except those of the range, which the collector validates. It must not be called if follow is not
// used.
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
	return errors.Join(err, downstream.CheckAllow("allow_behind", c.AllowBehind))
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
