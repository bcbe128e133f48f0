package statsdserverreceiver

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/sockets"
)

// The forms of timers, histograms and distributions.
const (
	exponential = "exponential_histogram"
	summary     = "summary"
)

const (
	leastMemory  = 1 << 20
	leastBuckets = 2
	mostBuckets  = 1000
	// summaryBuckets is the resolution from which quantiles are computed.
	summaryBuckets = 1280
)

// Config is the YAML configuration of the receiver.
type Config struct {
	// Endpoint is where to listen, addresses separated by commas: udp://host:port, tcp://host:port, unixgram:///path, or host:port for UDP and
	// TCP. Default 127.0.0.1:8125.
	Endpoint string `mapstructure:"endpoint"`
	// SocketPermissions is the octal permissions of Unix sockets. Default 0622: every process that can reach the directory can send.
	SocketPermissions string `mapstructure:"socket_permissions"`
	// AggregationInterval is the interval for which points are made. Default 10s.
	AggregationInterval time.Duration `mapstructure:"aggregation_interval"`
	// Timers is what timers, histograms and distributions become: exponential_histogram (the default) or summary.
	Timers string `mapstructure:"timers"`
	// MaxBuckets bounds the buckets of an exponential histogram for each sign. Default 160.
	MaxBuckets int `mapstructure:"max_buckets"`
	// Percentiles is the quantiles of summaries, in percent. Default 0, 50, 90, 95, 99 and 100.
	Percentiles []float64 `mapstructure:"percentiles"`
	// ServiceName is the service.name of lines without a tag service. Default statsd.
	ServiceName string `mapstructure:"service_name"`
	// MaxMemory bounds the memory of the streams in bytes. Default 64 MiB.
	MaxMemory int `mapstructure:"max_memory"`
	// MaxConnections bounds the TCP connections that are open at once. Default 256.
	MaxConnections int `mapstructure:"max_connections"`
}

func createDefaultConfig() component.Config {
	return &Config{
		Endpoint: "127.0.0.1:8125", SocketPermissions: "0622", AggregationInterval: 10 * time.Second, Timers: exponential, MaxBuckets: 160,
		Percentiles: []float64{0, 50, 90, 95, 99, 100}, ServiceName: "statsd", MaxMemory: 64 << 20, MaxConnections: 256,
	}
}

// Validate returns all problems at once.
func (c *Config) Validate() error {
	_, err := c.addresses()
	if _, modeErr := strconv.ParseUint(c.SocketPermissions, 8, 9); modeErr != nil {
		err = errors.Join(err, fmt.Errorf("socket_permissions: %q is not an octal number up to 0777", c.SocketPermissions))
	}
	if c.AggregationInterval < time.Millisecond {
		err = errors.Join(err, fmt.Errorf("aggregation_interval: %v is less than 1ms", c.AggregationInterval))
	}
	if c.Timers != exponential && c.Timers != summary {
		err = errors.Join(err, fmt.Errorf("timers: %q must be %s or %s", c.Timers, exponential, summary))
	}
	if c.MaxBuckets < leastBuckets || c.MaxBuckets > mostBuckets {
		err = errors.Join(err, fmt.Errorf("max_buckets: %d is not between %d and %d", c.MaxBuckets, leastBuckets, mostBuckets))
	}
	for _, p := range c.Percentiles {
		if !(p >= 0 && p <= 100) {
			err = errors.Join(err, fmt.Errorf("percentiles: %v is not between 0 and 100", p))
		}
	}
	if c.ServiceName == "" {
		err = errors.Join(err, errors.New("service_name: is empty"))
	}
	if c.MaxMemory < leastMemory {
		err = errors.Join(err, fmt.Errorf("max_memory: %d is less than %d bytes", c.MaxMemory, leastMemory))
	}
	if c.MaxConnections < 1 {
		err = errors.Join(err, fmt.Errorf("max_connections: %d is less than 1", c.MaxConnections))
	}
	return err
}

func (c *Config) addresses() (all []sockets.Address, err error) {
	for text := range strings.SplitSeq(c.Endpoint, ",") {
		some, parseErr := sockets.Parse(strings.TrimSpace(text), false)
		if parseErr != nil {
			err = errors.Join(err, fmt.Errorf("endpoint: %w", parseErr))
			continue
		}
		for _, a := range some {
			if a.Network == sockets.TLS {
				err = errors.Join(err, fmt.Errorf("endpoint: %q: StatsD has no TLS", text))
			}
		}
		all = append(all, some...)
	}
	return all, err
}

func (c *Config) buckets() int {
	if c.Timers == summary {
		return summaryBuckets
	}
	return c.MaxBuckets
}
