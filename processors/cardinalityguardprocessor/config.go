package cardinalityguardprocessor

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
)

// Config is the configuration of cardinality_guard.
type Config struct {
	// Limits are the budgets.
	Limits LimitsConfig `mapstructure:"limits"`
	// OnLimit decides about series past a budget: fold, drop or observe.
	OnLimit string `mapstructure:"on_limit"`
	// IdleTimeout is how long a series stays active without a point, and the window of distinct values and warnings.
	IdleTimeout time.Duration `mapstructure:"idle_timeout"`
	// FlushInterval is the width of the panes in which folded points are merged.
	FlushInterval time.Duration `mapstructure:"flush_interval"`
	// Gauge is how gauges are folded: last, min, max, mean or sum.
	Gauge string `mapstructure:"gauge"`
	// Exemplars is how many exemplars an overflow stream keeps per pane; 0 keeps none.
	Exemplars int `mapstructure:"exemplars"`
	// Overrides are budgets for tenants, services or metrics by name; for each budget the first entry that sets it applies.
	Overrides []OverrideConfig `mapstructure:"overrides"`
	// OverridesFile is a JSON file of further overrides, which take precedence over Overrides. The guard reads it again when it changes,
	// and the console and the admin listener change it.
	OverridesFile string `mapstructure:"overrides_file"`
	// Attributes are allow-lists and deny-lists; the first that matches a metric applies.
	Attributes []AttributesConfig `mapstructure:"attributes"`
	// Report configures the metrics that the guard adds to the pipeline.
	Report ReportConfig `mapstructure:"report"`
	// Storage is the extension that keeps the state over a restart without a journal; none keeps it in memory.
	Storage *component.ID `mapstructure:"storage"`
	// CheckpointInterval is how often the state is saved in Storage when nothing is folded.
	CheckpointInterval time.Duration `mapstructure:"checkpoint_interval"`
	// InstanceID distinguishes the streams of collectors that share no journal; empty means the host name.
	InstanceID string `mapstructure:"instance_id"`
	// Journal decides whether batches may come without a session: optional or required.
	Journal string `mapstructure:"journal"`
}

// LimitsConfig bounds series and memory. For budgets 0 means no limit; for bounds 0 is refused.
type LimitsConfig struct {
	Series             int64 `mapstructure:"series" json:"series"`
	SeriesPerTenant    int64 `mapstructure:"series_per_tenant" json:"series_per_tenant"`
	SeriesPerService   int64 `mapstructure:"series_per_service" json:"series_per_service"`
	SeriesPerMetric    int64 `mapstructure:"series_per_metric" json:"series_per_metric"`
	ValuesPerAttribute int64 `mapstructure:"values_per_attribute" json:"values_per_attribute"`

	// Metrics bounds the metrics that are counted separately, over all services and tenants.
	Metrics int `mapstructure:"metrics" json:"-"`
	// OverflowStreams and OverflowStreamsPerMetric are the reserve for overflow streams.
	OverflowStreams          int `mapstructure:"overflow_streams" json:"-"`
	OverflowStreamsPerMetric int `mapstructure:"overflow_streams_per_metric" json:"-"`
	// Contributors bounds the folded streams whose last value is remembered.
	Contributors int `mapstructure:"contributors" json:"-"`
}

// OverrideConfig sets budgets for metrics that match all of its patterns, in which * matches any characters.
type OverrideConfig struct {
	Tenant  string               `mapstructure:"tenant" json:"tenant,omitempty"`
	Service string               `mapstructure:"service" json:"service,omitempty"`
	Metric  string               `mapstructure:"metric" json:"metric,omitempty"`
	Limits  OverrideLimitsConfig `mapstructure:"limits" json:"limits"`
}

// OverrideLimitsConfig are the budgets that an override can set; nil keeps one, 0 means no limit.
type OverrideLimitsConfig struct {
	SeriesPerTenant    *int64 `mapstructure:"series_per_tenant" json:"series_per_tenant,omitempty"`
	SeriesPerService   *int64 `mapstructure:"series_per_service" json:"series_per_service,omitempty"`
	SeriesPerMetric    *int64 `mapstructure:"series_per_metric" json:"series_per_metric,omitempty"`
	ValuesPerAttribute *int64 `mapstructure:"values_per_attribute" json:"values_per_attribute,omitempty"`
}

// AttributesConfig lists data point attributes of the metrics that match.
type AttributesConfig struct {
	// Metric is the pattern.
	Metric string `mapstructure:"metric" json:"metric"`
	// Allow, if set, lists all attributes that may remain; others are folded away.
	Allow []string `mapstructure:"allow" json:"allow,omitempty"`
	// Deny lists attributes that are folded away.
	Deny []string `mapstructure:"deny" json:"deny,omitempty"`
	// Protect lists attributes that are never considered guilty; only the last resort, one stream per metric, removes them.
	Protect []string `mapstructure:"protect" json:"protect,omitempty"`
}

// ReportConfig configures the report.
type ReportConfig struct {
	// Interval between reports; 0 sends none.
	Interval time.Duration `mapstructure:"interval"`
	// Top is how many metrics and attributes are listed per tenant.
	Top int `mapstructure:"top"`
}

// Values of on_limit, gauge and journal.
const (
	onLimitFold    = "fold"
	onLimitDrop    = "drop"
	onLimitObserve = "observe"

	journalOptional = "optional"
	journalRequired = "required"
)

var (
	_ component.Config  = (*Config)(nil)
	_ confmap.Validator = (*Config)(nil)
)

func createDefaultConfig() component.Config {
	return &Config{
		Limits: LimitsConfig{
			Series: 1_000_000, SeriesPerMetric: 10_000, Metrics: 100_000,
			OverflowStreams: 50_000, OverflowStreamsPerMetric: 1000, Contributors: 500_000,
		},
		OnLimit:            onLimitFold,
		IdleTimeout:        time.Hour,
		FlushInterval:      15 * time.Second,
		Gauge:              "last",
		Exemplars:          4,
		Report:             ReportConfig{Interval: time.Minute, Top: 10},
		CheckpointInterval: time.Minute,
		Journal:            journalOptional,
	}
}

// Validate names every key that is wrong.
func (c *Config) Validate() error {
	var errs []error
	bad := func(key string, value any, want string) {
		errs = append(errs, fmt.Errorf("%s: %v, want %s", key, value, want))
	}
	oneOf := func(key, value string, names ...string) {
		if !slices.Contains(names, value) {
			bad(key, fmt.Sprintf("%q", value), fmt.Sprintf("one of %q", names))
		}
	}
	l := c.Limits
	for key, v := range map[string]int64{
		"limits::series": l.Series, "limits::series_per_tenant": l.SeriesPerTenant, "limits::series_per_service": l.SeriesPerService,
		"limits::series_per_metric": l.SeriesPerMetric, "limits::values_per_attribute": l.ValuesPerAttribute,
		"exemplars": int64(c.Exemplars), "report::interval": int64(c.Report.Interval),
	} {
		if v < 0 {
			bad(key, v, "0 or more")
		}
	}
	for key, v := range map[string]int{
		"limits::metrics": l.Metrics, "limits::overflow_streams": l.OverflowStreams,
		"limits::overflow_streams_per_metric": l.OverflowStreamsPerMetric, "limits::contributors": l.Contributors, "report::top": c.Report.Top,
	} {
		if v < 1 {
			bad(key, v, "1 or more")
		}
	}
	if l.Metrics >= 1<<24 {
		bad("limits::metrics", l.Metrics, fmt.Sprintf("less than %d", 1<<24))
	}
	oneOf("on_limit", c.OnLimit, onLimitFold, onLimitDrop, onLimitObserve)
	oneOf("gauge", c.Gauge, gaugeModes()...)
	oneOf("journal", c.Journal, journalOptional, journalRequired)
	if c.FlushInterval < time.Second {
		bad("flush_interval", c.FlushInterval, "1s or more")
	}
	if c.IdleTimeout < 4*c.FlushInterval {
		bad("idle_timeout", c.IdleTimeout, fmt.Sprintf("four times flush_interval (%v) or more", c.FlushInterval))
	}
	if c.CheckpointInterval < time.Second {
		bad("checkpoint_interval", c.CheckpointInterval, "1s or more")
	}
	for i, o := range c.Overrides {
		if err := o.validate(); err != nil {
			errs = append(errs, fmt.Errorf("overrides::%d: %w", i, err))
		}
	}
	for i, a := range c.Attributes {
		if err := a.validate(); err != nil {
			errs = append(errs, fmt.Errorf("attributes::%d: %w", i, err))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return compareStrings(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

func (o OverrideConfig) validate() error {
	var errs []error
	if o.Tenant == "" && o.Service == "" && o.Metric == "" {
		errs = append(errs, errors.New("needs a pattern in tenant, service or metric"))
	}
	none := true
	for key, v := range map[string]*int64{
		"series_per_tenant": o.Limits.SeriesPerTenant, "series_per_service": o.Limits.SeriesPerService,
		"series_per_metric": o.Limits.SeriesPerMetric, "values_per_attribute": o.Limits.ValuesPerAttribute,
	} {
		if v == nil {
			continue
		}
		none = false
		if *v < 0 {
			errs = append(errs, fmt.Errorf("limits::%s: %d, want 0 or more", key, *v))
		}
	}
	if none {
		errs = append(errs, errors.New("limits: set at least one of series_per_tenant, series_per_service, series_per_metric and values_per_attribute"))
	}
	if o.Limits.SeriesPerTenant != nil && (o.Service != "" || o.Metric != "") {
		errs = append(errs, errors.New("limits::series_per_tenant: applies to whole tenants, so service and metric must be empty"))
	}
	if o.Limits.SeriesPerService != nil && o.Metric != "" {
		errs = append(errs, errors.New("limits::series_per_service: applies to whole services, so metric must be empty"))
	}
	return errors.Join(errs...)
}

func (a AttributesConfig) validate() error {
	var errs []error
	if a.Metric == "" {
		errs = append(errs, errors.New("metric: needs a pattern; * matches every metric"))
	}
	if len(a.Allow)+len(a.Deny)+len(a.Protect) == 0 {
		errs = append(errs, errors.New("needs at least one of allow, deny and protect"))
	}
	if len(a.Allow) > 0 && len(a.Deny) > 0 {
		errs = append(errs, errors.New("allow, deny: set only one of them; allow denies every attribute that it does not list"))
	}
	for _, name := range a.Protect {
		if slices.Contains(a.Deny, name) || len(a.Allow) > 0 && !slices.Contains(a.Allow, name) {
			errs = append(errs, fmt.Errorf("protect: %q is denied by allow or deny", name))
		}
	}
	return errors.Join(errs...)
}
