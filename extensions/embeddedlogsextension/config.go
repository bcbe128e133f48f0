package embeddedlogsextension

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logrules"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/statistics"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
	"github.com/penstockhq/penstock/internal/listener"
)

const (
	minRetention = 24 * time.Hour
	minMemory    = 16 << 20
	mostTenants  = 1_000_000
	mostLength   = 1 << 20
)

// Config is the extension's configuration.
type Config struct {
	// HTTP is the listener of the API: endpoint (default 127.0.0.1:9428), tls, auth, cors and the other keys of confighttp.
	HTTP confighttp.ServerConfig `mapstructure:",squash"`
	// Directory holds rows and indexes. Required; made if it is missing; used by one process at a time.
	Directory string `mapstructure:"directory"`
	// Retention says when rows are dropped, whole days at once.
	Retention RetentionConfig `mapstructure:"retention"`
	// DiskReserve is how many bytes of the file system stay free: below, rows are refused for the time being, and the storage isn't opened.
	// Default 268435456 (256 MiB). The engine ends the process when it can't write, so there must be one.
	DiskReserve int64 `mapstructure:"disk_reserve"`
	// StreamFields are resource attributes that, with service.name, make a stream: rows of a stream lie together. Their values should be few.
	// Default service.namespace, deployment.environment.name, k8s.namespace.name, k8s.container.name and host.name.
	StreamFields []string `mapstructure:"stream_fields"`
	// MaxTenants bounds the tenants that have, or had, rows: those of further ones are refused. Default 1000.
	MaxTenants int `mapstructure:"max_tenants"`
	// Memory bounds the caches of the engine, in bytes; a step of a query that groups or sorts may hold two fifths of it. Default 268435456 (256 MiB).
	Memory int64 `mapstructure:"memory"`
	// Query bounds queries.
	Query QueryConfig `mapstructure:"query"`
	// RuleFiles are paths or patterns of files with rules that record LogsQL statistics as series, read at start. Default none.
	RuleFiles []string `mapstructure:"rule_files"`
	// EvaluationInterval is for groups of rules that name none. Default 1m.
	EvaluationInterval time.Duration `mapstructure:"evaluation_interval"`
	// Rules says where the series go, and bounds the rules.
	Rules RulesConfig `mapstructure:"rules"`
	// AllowAnonymous lets the API listen beyond loopback without auth: everybody who reaches it reads. Default false.
	AllowAnonymous bool `mapstructure:"allow_anonymous"`
}

// RetentionConfig says when days are dropped: as soon as either bound is passed.
type RetentionConfig struct {
	// Time is the age. Default 168h (7 days); at least 24h.
	Time time.Duration `mapstructure:"time"`
	// Size is in bytes. The last two days stay. Default 0, no bound.
	Size int64 `mapstructure:"size"`
}

// QueryConfig bounds what one query, and all of them, may cost.
type QueryConfig struct {
	// Timeout ends a query. Default 30s.
	Timeout time.Duration `mapstructure:"timeout"`
	// MaxConcurrency is how many queries run at once; others wait. Default 4.
	MaxConcurrency int `mapstructure:"max_concurrency"`
	// MaxWaiting is how many queries wait for others to end; further ones are refused. Default 100; zero refuses at once.
	MaxWaiting int `mapstructure:"max_waiting"`
	// MaxTails is how many live tails may run. Default 20.
	MaxTails int `mapstructure:"max_tails"`
	// MaxLength is how many bytes the text of a query may have. Default 16384.
	MaxLength int `mapstructure:"max_length"`
	// MaxRead is how many bytes of the storage, compressed, a query may read. Default 10737418240 (10 GiB); zero is no bound.
	MaxRead int64 `mapstructure:"max_read"`
	// Readers is how many goroutines read for one query. Default 0: half of the CPUs, one at least, while rows come in and the CPUs are busy, else all.
	Readers int `mapstructure:"readers"`
}

// RulesConfig is about the rules of rule_files.
type RulesConfig struct {
	// TSDB is the extension that the recorded series go to. Default embedded_tsdb.
	TSDB component.ID `mapstructure:"tsdb"`
	// Delay is how long after the time of an evaluation it runs: rows that become searchable later are not counted. Default 10s.
	Delay time.Duration `mapstructure:"delay"`
	// CatchUp is how old an evaluation may be that is made up for after a stop or a failure; older ones are counted as missed. Default 30m.
	CatchUp time.Duration `mapstructure:"catch_up"`
	// Timeout ends the evaluation of a rule. Default 30s.
	Timeout time.Duration `mapstructure:"timeout"`
	// MaxSeries bounds the series of a rule: an evaluation with more records nothing. Default 1000.
	MaxSeries int `mapstructure:"max_series"`
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
	if c.Retention.Time < minRetention {
		bad("retention::time", "%s is shorter than a day (24h)", c.Retention.Time)
	}
	if c.Retention.Size < 0 {
		bad("retention::size", "%d is negative", c.Retention.Size)
	}
	if c.DiskReserve < 1<<20 {
		bad("disk_reserve", "%d is less than 1048576 (1 MiB): the engine ends the process when it can't write", c.DiskReserve)
	}
	if err := store.CheckStreamFields(c.StreamFields); err != nil {
		bad("stream_fields", "%w", err)
	}
	if c.MaxTenants < 1 || c.MaxTenants > mostTenants {
		bad("max_tenants", "%d is not between 1 and %d", c.MaxTenants, mostTenants)
	}
	if c.Memory < minMemory {
		bad("memory", "%d is less than %d (16 MiB)", c.Memory, minMemory)
	}
	c.Query.check(bad)
	c.checkRules(bad)
	if w := c.HTTP.WriteTimeout; w > 0 {
		bad("write_timeout", "%s must be 0: a live tail lasts as long as its client likes, and queries have query::timeout", w)
	}
	if r := c.HTTP.ReadTimeout; r > 0 {
		bad("read_timeout", "%s must be 0: it would end live tails, and a body has 30s to arrive", r)
	}
	return errors.Join(errs...)
}

func (q *QueryConfig) check(bad func(key, format string, args ...any)) {
	if q.Timeout <= 0 {
		bad("query::timeout", "%s is not positive", q.Timeout)
	}
	if q.MaxConcurrency < 1 {
		bad("query::max_concurrency", "%d is not positive", q.MaxConcurrency)
	}
	if q.MaxWaiting < 0 {
		bad("query::max_waiting", "%d is negative", q.MaxWaiting)
	}
	if q.MaxTails < 0 {
		bad("query::max_tails", "%d is negative", q.MaxTails)
	}
	if q.MaxLength < 1 || q.MaxLength > mostLength {
		bad("query::max_length", "%d is not between 1 and %d", q.MaxLength, mostLength)
	}
	if q.MaxRead < 0 {
		bad("query::max_read", "%d is negative", q.MaxRead)
	}
	if q.Readers < 0 {
		bad("query::readers", "%d is negative", q.Readers)
	}
}

func (c *Config) checkRules(bad func(key, format string, args ...any)) {
	r := c.Rules
	if c.EvaluationInterval < time.Second || c.EvaluationInterval%time.Millisecond != 0 {
		bad("evaluation_interval", "%s is shorter than a second, or has parts of a millisecond", c.EvaluationInterval)
	}
	if r.Delay < 0 {
		bad("rules::delay", "%s is negative", r.Delay)
	}
	if r.CatchUp <= r.Delay {
		bad("rules::catch_up", "%s is not longer than rules::delay (%s)", r.CatchUp, r.Delay)
	}
	if r.Timeout <= 0 {
		bad("rules::timeout", "%s is not positive", r.Timeout)
	}
	if r.MaxSeries < 1 {
		bad("rules::max_series", "%d is not positive", r.MaxSeries)
	}
	if len(c.RuleFiles) > 0 && r.TSDB == (component.ID{}) {
		bad("rules::tsdb", "must be set when there are rule_files")
	}
	if _, err := c.loadRules(); err != nil {
		bad("rule_files", "%w", err)
	}
}

// loadRules reads the rules of all files.
func (c *Config) loadRules() ([]logrules.Rule, error) {
	return logrules.Load(c.RuleFiles, logrules.Defaults{Interval: c.EvaluationInterval, Timeout: c.Rules.Timeout, MaxSeries: c.Rules.MaxSeries}, func(expr string) error {
		return statistics.CheckForged(expr, store.TenantField)
	})
}

func (c *Config) access() listener.Access { return listener.Of(&c.HTTP, c.AllowAnonymous) }
