package kafkareplayreceiver

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"

	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/follow"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/jobs"
)

// Config is the YAML configuration of the receiver.
type Config struct {
	// Kafka is where the journal is: brokers, topic_prefix, tls, sasl.
	Kafka cluster.Config `mapstructure:",squash"`
	// Follow delivers the journal's new records. Either follow or jobs must be set.
	Follow follow.Config `mapstructure:"follow"`
	// Jobs replays past ranges on request.
	Jobs configoptional.Optional[jobs.Config] `mapstructure:"jobs"`
}

var _ component.Config = (*Config)(nil)

func createDefaultConfig() component.Config {
	return &Config{Kafka: cluster.DefaultConfig(), Jobs: configoptional.Default(jobs.DefaultConfig()), Follow: follow.DefaultConfig()}
}

// Validate reports all problems at once.
func (c *Config) Validate() error {
	err := c.Kafka.Validate()
	switch {
	case !c.Jobs.HasValue():
		err = errors.Join(err, prefixed("follow", c.Follow.Check()))
	case c.Follow.Group != "":
		err = errors.Join(err, errors.New("jobs: cannot be combined with follow; give jobs a receiver of their own"))
	}
	return err
}

// prefixed prepends the parent key to each problem.
func prefixed(key string, err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if err != nil {
			err = fmt.Errorf("%s: %w", key, err)
		}
		return err
	}
	var all error
	for _, e := range joined.Unwrap() {
		all = errors.Join(all, prefixed(key, e))
	}
	return all
}
