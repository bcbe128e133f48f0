package kafkareplayprocessor

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/journal/cluster"
)

// Values of delivery.
const (
	deliveryAppend = "append"
	deliveryInline = "inline"
)

const (
	defaultTimeout     = 10 * time.Second
	defaultMaxInFlight = 64 << 20
	defaultMaxRecord   = 900 << 10
	defaultOutageAfter = time.Minute
	minRecord          = 16 << 10
	maxRecord          = 16 << 20
)

// Config is the YAML configuration of the processor.
type Config struct {
	// Kafka is where the journal is: brokers, topic_prefix, tls, sasl.
	Kafka cluster.Config `mapstructure:",squash"`
	// Topics are the settings with which topics are created, and against which they are checked at every start.
	Topics cluster.TopicsConfig `mapstructure:"topics"`
	// Delivery is append (write and end here: followers deliver) or inline (write, then pass on). Default append.
	Delivery string `mapstructure:"delivery"`
	// MetadataKeys are keys of client metadata to keep with the records, and to restore when they are read. The
	// tenant's x-scope-orgid is always kept. Default none.
	MetadataKeys []string `mapstructure:"metadata_keys"`
	// Timeout bounds a write; after it the client gets a retryable error. Default 10s.
	Timeout time.Duration `mapstructure:"timeout"`
	// MaxInFlight bounds the memory of requests that wait for Kafka, in bytes of each signal. Default 64 MiB.
	MaxInFlight int64 `mapstructure:"max_in_flight"`
	// MaxRecord is the size above which a request is split, in bytes before compression. The topic's max.message.bytes
	// counts as well. Default 900 KiB.
	MaxRecord int `mapstructure:"max_record_size"`
	// OutageAfter is how long Kafka may be unreachable before the log has an error, and the interval of further errors, then and while the
	// journal is full. Default 1m.
	OutageAfter time.Duration `mapstructure:"outage_after"`
}

var _ component.Config = (*Config)(nil)

func createDefaultConfig() component.Config {
	return &Config{
		Kafka: cluster.DefaultConfig(), Topics: cluster.DefaultTopicsConfig(), Delivery: deliveryAppend,
		Timeout: defaultTimeout, MaxInFlight: defaultMaxInFlight, MaxRecord: defaultMaxRecord,
		OutageAfter: defaultOutageAfter,
	}
}

// Validate reports all problems at once.
func (c *Config) Validate() (err error) {
	err = c.Kafka.Validate()
	if c.Delivery != deliveryAppend && c.Delivery != deliveryInline {
		err = errors.Join(err, fmt.Errorf("delivery: %q must be %s or %s", c.Delivery, deliveryAppend, deliveryInline))
	}
	if c.Timeout <= 0 {
		err = errors.Join(err, fmt.Errorf("timeout: %s must be positive", c.Timeout))
	}
	if c.OutageAfter <= 0 {
		err = errors.Join(err, fmt.Errorf("outage_after: %s must be positive", c.OutageAfter))
	}
	if c.MaxInFlight < 1<<20 {
		err = errors.Join(err, fmt.Errorf("max_in_flight: %d is below 1 MiB", c.MaxInFlight))
	}
	if c.MaxRecord < minRecord || c.MaxRecord > maxRecord {
		err = errors.Join(err, fmt.Errorf("max_record_size: %d must be between %d and %d", c.MaxRecord, minRecord, maxRecord))
	}
	return err
}
