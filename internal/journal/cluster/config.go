// Package cluster connects to the Kafka that holds a journal: the configuration that users write, the client built from it, and the topics with the
// settings that the delivery guarantee needs.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
)

// Config is the connection to Kafka, and to the journal in it.
type Config struct {
	// Brokers are the first brokers to contact, host:port. Required.
	Brokers []string `mapstructure:"brokers"`
	// TopicPrefix is the prefix of all topics and groups. Default penstock.
	TopicPrefix string `mapstructure:"topic_prefix"`
	// ClientID is the name of this client in the brokers' logs and quotas. Default penstock.
	ClientID string `mapstructure:"client_id"`
	// TLS encrypts the connections. Default none.
	TLS configoptional.Optional[configtls.ClientConfig] `mapstructure:"tls"`
	// SASL authenticates. Default none.
	SASL configoptional.Optional[SASLConfig] `mapstructure:"sasl"`
}

// SASLConfig is the authentication.
type SASLConfig struct {
	// Mechanism is PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER.
	Mechanism string `mapstructure:"mechanism"`
	// Username for PLAIN and SCRAM.
	Username string `mapstructure:"username"`
	// Password for PLAIN and SCRAM.
	Password configopaque.String `mapstructure:"password"`
	// TokenFile holds the token for OAUTHBEARER. It is read for each connection, so it can be renewed in place.
	TokenFile string `mapstructure:"token_file"`
}

// Mechanisms of SASL.
const (
	mechanismPlain  = "PLAIN"
	mechanismSHA256 = "SCRAM-SHA-256"
	mechanismSHA512 = "SCRAM-SHA-512"
	mechanismOAuth  = "OAUTHBEARER"
)

const (
	defaultPrefix   = "penstock"
	defaultClientID = "penstock"
	maxPrefix       = 100 // of the 249 bytes of a topic's name
)

// topicName is the set of names that Kafka allows.
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		TopicPrefix: defaultPrefix, ClientID: defaultClientID,
		TLS:  configoptional.Default(configtls.NewDefaultClientConfig()),
		SASL: configoptional.None[SASLConfig](),
	}
}

// Validate reports all problems at once.
func (c *Config) Validate() (err error) {
	if len(c.Brokers) == 0 {
		err = errors.Join(err, errors.New("brokers: must name at least one, for example [127.0.0.1:9092]"))
	}
	for _, b := range c.Brokers {
		if _, _, e := net.SplitHostPort(b); e != nil {
			err = errors.Join(err, fmt.Errorf("brokers: %q is not host:port: %w", b, e))
		}
	}
	if !topicName.MatchString(c.TopicPrefix) || len(c.TopicPrefix) > maxPrefix {
		err = errors.Join(err, fmt.Errorf("topic_prefix: %q must be 1 to %d letters, digits, dots, dashes and underscores", c.TopicPrefix, maxPrefix))
	}
	return err
}

// Validate reports all problems at once.
func (c *SASLConfig) Validate() (err error) {
	switch c.Mechanism {
	case mechanismPlain, mechanismSHA256, mechanismSHA512:
		if c.Username == "" || c.Password == "" {
			err = fmt.Errorf("username, password: must be set for mechanism %s", c.Mechanism)
		}
		if c.TokenFile != "" {
			err = errors.Join(err, fmt.Errorf("token_file: can't be used with mechanism %s", c.Mechanism))
		}
	case mechanismOAuth:
		if c.TokenFile == "" {
			err = fmt.Errorf("token_file: must be set for mechanism %s", c.Mechanism)
		}
		if c.Username != "" || c.Password != "" {
			err = errors.Join(err, fmt.Errorf("username, password: can't be used with mechanism %s", c.Mechanism))
		}
	default:
		err = fmt.Errorf("mechanism: %q is not one of %s, %s, %s, %s", c.Mechanism, mechanismPlain, mechanismSHA256, mechanismSHA512, mechanismOAuth)
	}
	return err
}

// dialTimeout bounds a connection's beginning, with TLS. A client tries a broker whose host is down now and then, and its callers wait 10 s in all.
const dialTimeout = 5 * time.Second

// Options returns the client options for c.
func (c *Config) Options(ctx context.Context) ([]kgo.Opt, error) {
	// A client asks the first broker first, and waits for it longer than callers do. One that does not answer must not be the first of every client.
	brokers := slices.Clone(c.Brokers)
	rand.Shuffle(len(brokers), func(i, j int) { brokers[i], brokers[j] = brokers[j], brokers[i] })
	opts := []kgo.Opt{kgo.SeedBrokers(brokers...), kgo.ClientID(c.ClientID), kgo.DialTimeout(dialTimeout)}
	if c.TLS.HasValue() {
		config, err := c.TLS.Get().LoadTLSConfig(ctx)
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		if config != nil { // nil: insecure, as configured
			opts = append(opts, kgo.DialTLSConfig(config))
		}
	}
	if c.SASL.HasValue() {
		opts = append(opts, kgo.SASL(c.SASL.Get().mechanism()))
	}
	return opts, nil
}

func (c *SASLConfig) mechanism() sasl.Mechanism {
	switch c.Mechanism {
	case mechanismPlain:
		return plain.Auth{User: c.Username, Pass: string(c.Password)}.AsMechanism()
	case mechanismSHA256:
		return scram.Auth{User: c.Username, Pass: string(c.Password)}.AsSha256Mechanism()
	case mechanismSHA512:
		return scram.Auth{User: c.Username, Pass: string(c.Password)}.AsSha512Mechanism()
	}
	return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
		token, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return oauth.Auth{}, fmt.Errorf("token_file: %w", err)
		}
		return oauth.Auth{Token: strings.TrimSpace(string(token))}, nil
	})
}
