package journalkeyextension

import (
	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/journal/cluster"
)

// Config is the YAML configuration of the extension.
type Config struct {
	// Kafka is the journal's Kafka: brokers, topic_prefix, client_id, tls, sasl, as for the kafka_replay processor.
	Kafka cluster.Config `mapstructure:",squash"`
}

var _ component.Config = (*Config)(nil)

func createDefaultConfig() component.Config { return &Config{Kafka: cluster.DefaultConfig()} }

// Validate reports all problems at once.
func (c *Config) Validate() error { return c.Kafka.Validate() }
