package embeddedtsdbextension

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/database"
	"github.com/penstockhq/penstock/internal/listener"
)

// The parser uses stack for each level, and time in the square of the tokens: 17 s at the upper bounds.
const (
	mostLength = 16 << 20
	mostDepth  = 10_000
	mostTokens = 100_000
)

// Config is the extension's configuration.
type Config struct {
	// HTTP is the listener of the API: endpoint (default 127.0.0.1:9090), tls, auth, cors and the other keys of confighttp.
	HTTP confighttp.ServerConfig `mapstructure:",squash"`
	// Directory holds blocks and write-ahead log. Required; created if it is missing; one process at a time.
	Directory string `mapstructure:"directory"`
	// Retention says when blocks are dropped.
	Retention RetentionConfig `mapstructure:"retention"`
	// DiskReserve is how many bytes of the file system must stay free. Below it, samples are refused with a retryable error, and the storage isn't
	// opened. Default 268435456 (256 MiB); zero means no reserve.
	DiskReserve int64 `mapstructure:"disk_reserve"`
	// OutOfOrderWindow is how much older than the newest sample of its series a sample may be. Default 30m; zero accepts samples in order only.
	OutOfOrderWindow time.Duration `mapstructure:"out_of_order_window"`
	// WALCompression is snappy (default), zstd or none.
	WALCompression string `mapstructure:"wal_compression"`
	// MaxSeries bounds the series in memory: samples of further series are refused. Default 2000000; zero means no bound.
	MaxSeries uint64 `mapstructure:"max_series"`
	// MaxExemplars is the size of the ring of exemplars in memory. Default 100000; zero stores none.
	MaxExemplars int64 `mapstructure:"max_exemplars"`
	// StartTimeZeroSamples stores a zero at the start time of a sample, so that increase() includes the first one. Default false.
	StartTimeZeroSamples bool `mapstructure:"start_time_zero_samples"`
	// Query bounds PromQL.
	Query QueryConfig `mapstructure:"query"`
	// AdminAPI enables deletion of series, cleaning of tombstones and snapshots over HTTP, for holders of the admin token. Default false.
	AdminAPI bool `mapstructure:"admin_api"`
	// TenantLabel is the label that separates the series of tenants: a client whose API key has a tenant reads and writes only series with that
	// value of it. Default none: such clients are refused.
	TenantLabel string `mapstructure:"tenant_label"`
	// AllowAnonymous lets the API listen beyond loopback without auth: every client that reaches it can read and write. Default false.
	AllowAnonymous bool `mapstructure:"allow_anonymous"`
	// RuleFiles are paths or patterns of Prometheus rule files, read at start. Default none.
	RuleFiles []string `mapstructure:"rule_files"`
	// EvaluationInterval applies to groups of rules without an interval. Default 1m.
	EvaluationInterval time.Duration `mapstructure:"evaluation_interval"`
	// Alertmanagers are the URLs to which firing alerts are sent (API v2). Default none.
	Alertmanagers []string `mapstructure:"alertmanagers"`
	// ExternalURL is the address of this API for users; alerts link to it. Default http://<endpoint>.
	ExternalURL string `mapstructure:"external_url"`
}

// RetentionConfig says when blocks are dropped: as soon as either bound is exceeded.
type RetentionConfig struct {
	// Time is the age. Default 360h (15 days); zero means no bound.
	Time time.Duration `mapstructure:"time"`
	// Size is in bytes and counts blocks, write-ahead log and memory-mapped chunks. Default 0, no bound.
	Size int64 `mapstructure:"size"`
}

// QueryConfig bounds the cost of one query, and of all queries.
type QueryConfig struct {
	// Timeout ends a query. Default 2m.
	Timeout time.Duration `mapstructure:"timeout"`
	// MaxSamples is how many samples one query may hold in memory, about 16 bytes each. Default 50000000.
	MaxSamples int `mapstructure:"max_samples"`
	// MaxConcurrency is how many queries run at once; others wait. Default 20.
	MaxConcurrency int `mapstructure:"max_concurrency"`
	// MaxWaiting is how many queries may wait for a slot; further ones are refused. Default 100; zero refuses at once.
	MaxWaiting int `mapstructure:"max_waiting"`
	// MaxLength is the longest text of a query in bytes, with repetitions in its regular expressions expanded; a form with a query may have four
	// times that. Default 131072.
	MaxLength int `mapstructure:"max_length"`
	// MaxDepth is how deeply brackets and signs may be nested in a query. Default 128.
	MaxDepth int `mapstructure:"max_depth"`
	// MaxTokens is how many names, numbers, strings, operators and brackets the text of a query may have. Default 5000.
	MaxTokens int `mapstructure:"max_tokens"`
	// MaxSteps is how many points of subqueries the engine may visit for one series: the query's steps times the points of each of
	// its nested subqueries. The engine can't be interrupted within a series. Default 500000000.
	MaxSteps int `mapstructure:"max_steps"`
	// LookbackDelta is how long a series without a new sample keeps its value. Default 5m.
	LookbackDelta time.Duration `mapstructure:"lookback_delta"`
}

var _ component.Config = (*Config)(nil)

// Validate reports every problem, each by its key.
func (c *Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{key}, args...)...))
	}
	if c.Directory == "" {
		bad("directory", "must be set")
	}
	if c.HTTP.NetAddr.Endpoint == "" {
		bad("endpoint", "must be set")
	}
	if err := c.access().CheckEndpoint(c.HTTP.NetAddr.Endpoint); err != nil {
		errs = append(errs, err)
	}
	if len(c.HTTP.CompressionAlgorithms) > 0 {
		bad("compression_algorithms", "must not be set: remote write and remote read fix theirs (snappy)")
	}
	if c.Retention.Time != 0 && c.Retention.Time < 2*time.Hour {
		bad("retention::time", "%s is shorter than a block (2h)", c.Retention.Time)
	}
	if c.Retention.Size < 0 {
		bad("retention::size", "%d is negative", c.Retention.Size)
	}
	if c.DiskReserve < 0 {
		bad("disk_reserve", "%d is negative", c.DiskReserve)
	}
	if c.OutOfOrderWindow < 0 {
		bad("out_of_order_window", "%s is negative", c.OutOfOrderWindow)
	}
	if !slices.Contains(database.Compressions, c.WALCompression) {
		bad("wal_compression", "%q is not one of %q", c.WALCompression, database.Compressions)
	}
	if c.MaxExemplars < 0 {
		bad("max_exemplars", "%d is negative", c.MaxExemplars)
	}
	if c.TenantLabel != "" && (!model.LegacyValidation.IsValidLabelName(c.TenantLabel) || strings.HasPrefix(c.TenantLabel, "__")) {
		bad("tenant_label", "%q is not the name of a label", c.TenantLabel)
	}
	c.checkQuery(bad)
	if c.EvaluationInterval <= 0 {
		bad("evaluation_interval", "%s is not positive", c.EvaluationInterval)
	}
	if err := database.CheckRules(c.RuleFiles); err != nil {
		bad("rule_files", "%w", err)
	}
	for _, s := range c.Alertmanagers {
		if err := checkURL(s); err != nil {
			bad("alertmanagers", "%w", err)
		}
	}
	if c.ExternalURL != "" {
		if err := checkURL(c.ExternalURL); err != nil {
			bad("external_url", "%w", err)
		}
	}
	return errors.Join(errs...)
}

// checkQuery calls bad for each mistake in the section query.
func (c *Config) checkQuery(bad func(key, format string, args ...any)) {
	if c.Query.Timeout <= 0 {
		bad("query::timeout", "%s is not positive", c.Query.Timeout)
	}
	if w := c.HTTP.WriteTimeout; w > 0 && c.Query.Timeout > w {
		bad("query::timeout", "%s is longer than write_timeout (%s)", c.Query.Timeout, w)
	}
	if c.Query.MaxSamples <= 0 {
		bad("query::max_samples", "%d is not positive", c.Query.MaxSamples)
	}
	if c.Query.MaxConcurrency <= 0 {
		bad("query::max_concurrency", "%d is not positive", c.Query.MaxConcurrency)
	}
	if c.Query.MaxWaiting < 0 {
		bad("query::max_waiting", "%d is negative", c.Query.MaxWaiting)
	}
	for key, bound := range map[string]struct{ value, most int }{
		"query::max_length": {c.Query.MaxLength, mostLength},
		"query::max_depth":  {c.Query.MaxDepth, mostDepth},
		"query::max_tokens": {c.Query.MaxTokens, mostTokens},
	} {
		if bound.value < 1 || bound.value > bound.most {
			bad(key, "%d is not between 1 and %d", bound.value, bound.most)
		}
	}
	if c.Query.MaxSteps < 1 {
		bad("query::max_steps", "%d is not positive", c.Query.MaxSteps)
	}
	if c.Query.LookbackDelta <= 0 {
		bad("query::lookback_delta", "%s is not positive", c.Query.LookbackDelta)
	}
}

func (c *Config) access() listener.Access { return listener.Of(&c.HTTP, c.AllowAnonymous) }

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("%q is not a URL with http or https and a host", s)
	}
	return nil
}
