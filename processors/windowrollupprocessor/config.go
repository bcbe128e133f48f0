package windowrollupprocessor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"

	"github.com/penstockhq/penstock/internal/window"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/rollup"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/sketch"
)

// Config is the configuration of window_rollup.
type Config struct {
	// Rules define what is aggregated and how; a metric can match several. At least one is needed.
	Rules []RuleConfig `mapstructure:"rules"`

	// AllowedLateness is how long a window stays open after the watermark has passed its end. Default 30s.
	AllowedLateness time.Duration `mapstructure:"allowed_lateness"`
	// OnLate decides about points whose window has closed: drop (default), route (passed on with the attribute rollup.late) or correct
	// (the window is sent again: only for sinks that overwrite).
	OnLate string `mapstructure:"on_late"`
	// CorrectFor is how long after its end a window can be corrected. Default 1h.
	CorrectFor time.Duration `mapstructure:"correct_for"`
	// IdleTimeout is how far a source may be behind the newest before it no longer keeps windows open, and how long the input may be
	// silent before the clock closes them. Default 5m.
	IdleTimeout time.Duration `mapstructure:"idle_timeout"`
	// MaxFuture is how far ahead of the clock a point may be. Default 10m.
	MaxFuture time.Duration `mapstructure:"max_future"`
	// Time is the clock that windows follow: event (default), the points' own, or processing, the time of arrival.
	Time string `mapstructure:"time"`

	// Temporality of additive values: delta (default), cumulative, or gauge (the window's value as a gauge).
	Temporality string `mapstructure:"temporality"`
	// Emit configures how closed windows are sent.
	Emit EmitConfig `mapstructure:"emit"`

	// MaxStreams bounds the output streams, over all rules; points of further streams go into overflow streams. Default 500000.
	MaxStreams int `mapstructure:"max_streams"`
	// MaxInputStreams bounds the cumulative streams whose last value is remembered. Default 1000000.
	MaxInputStreams int `mapstructure:"max_input_streams"`
	// MaxSources bounds the sources (resources) that the watermark tracks individually. Default 100000.
	MaxSources int `mapstructure:"max_sources"`
	// MaxBuckets bounds the buckets of a quantile's sketch, and of an exponential histogram per sign. Default 2048.
	MaxBuckets int `mapstructure:"max_buckets"`
	// StreamTimeout is how long a stream without points is remembered, in event time. Default 1h.
	StreamTimeout time.Duration `mapstructure:"stream_timeout"`

	// Storage is the extension that keeps the state over a restart without a journal; none keeps it in memory.
	Storage *component.ID `mapstructure:"storage"`
	// CheckpointInterval is how often the state is saved in Storage when no window closes. Default 1m.
	CheckpointInterval time.Duration `mapstructure:"checkpoint_interval"`
	// InstanceID distinguishes the streams of collectors that share no journal; empty means the host name.
	InstanceID string `mapstructure:"instance_id"`
	// Journal decides whether batches may come without a session: optional (default) or required.
	Journal string `mapstructure:"journal"`
}

// RuleConfig is one way to aggregate the metrics that match.
type RuleConfig struct {
	// Match selects metrics and points; empty selects all.
	Match MatchConfig `mapstructure:"match"`
	// Windows are the windows; large ones are merged from small ones where they fit.
	Windows []WindowConfig `mapstructure:"windows"`
	// By lists the attributes, of resource or point, that are kept; streams that differ only in others are merged.
	By []string `mapstructure:"by"`
	// Without lists the attributes that are removed. By and Without cannot be combined; with neither, all are kept.
	Without []string `mapstructure:"without"`
	// Aggregates are sum, count, avg, min, max, last, increase, rate, histogram, and percentiles: p50, p99.9.
	Aggregates []string `mapstructure:"aggregates"`
	// KeepRaw passes the points on as well. Default true.
	KeepRaw *bool `mapstructure:"keep_raw"`
	// MaxStreams bounds the streams of this rule; with 0 (default) only the total bound applies.
	MaxStreams int `mapstructure:"max_streams"`
}

// MatchConfig selects the input of a rule. Patterns: * matches any text, ? a character, [a-z] one of a set.
type MatchConfig struct {
	// Metric is a pattern of the metric's name.
	Metric string `mapstructure:"metric"`
	// Type lists types: gauge, sum, histogram, exponential_histogram, summary.
	Type []string `mapstructure:"type"`
	// Attributes maps names to patterns of the value; all must match. A point's attribute hides its resource's.
	Attributes map[string]string `mapstructure:"attributes"`
}

// WindowConfig is a kind of window, [start, end), aligned to the epoch.
type WindowConfig struct {
	// Size is the length.
	Size time.Duration `mapstructure:"size"`
	// Hop is the distance between the starts of two windows; 0 (default) means Size: windows that don't overlap.
	Hop time.Duration `mapstructure:"hop"`
}

// EmitConfig configures how closed windows are sent.
type EmitConfig struct {
	// BatchPoints is approximately how many points are sent at once. Default 8192.
	BatchPoints int `mapstructure:"batch_points"`
	// Spread is the time over which the batches of one closing are sent without a journal; 0 sends them without pauses. Default 10s.
	Spread time.Duration `mapstructure:"spread"`
}

// Values of time and journal.
const (
	timeEvent      = "event"
	timeProcessing = "processing"

	journalOptional = "optional"
	journalRequired = "required"
)

var (
	_ component.Config  = (*Config)(nil)
	_ confmap.Validator = (*Config)(nil)
)

func createDefaultConfig() component.Config {
	return &Config{
		AllowedLateness:    30 * time.Second,
		OnLate:             string(rollup.Drop),
		CorrectFor:         time.Hour,
		IdleTimeout:        5 * time.Minute,
		MaxFuture:          10 * time.Minute,
		Time:               timeEvent,
		Temporality:        string(rollup.Delta),
		Emit:               EmitConfig{BatchPoints: 8192, Spread: 10 * time.Second},
		MaxStreams:         500_000,
		MaxInputStreams:    1_000_000,
		MaxSources:         100_000,
		MaxBuckets:         sketch.DefaultMaxBuckets,
		StreamTimeout:      time.Hour,
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
	atLeast := func(key string, value, least time.Duration) {
		if value < least {
			bad(key, value, fmt.Sprintf("%v or more", least))
		}
	}
	oneOf("on_late", c.OnLate, string(rollup.Drop), string(rollup.Route), string(rollup.Correct))
	oneOf("time", c.Time, timeEvent, timeProcessing)
	oneOf("temporality", c.Temporality, string(rollup.Delta), string(rollup.Cumulative), string(rollup.PerWindow))
	oneOf("journal", c.Journal, journalOptional, journalRequired)
	if c.OnLate == string(rollup.Correct) && c.Temporality == string(rollup.Cumulative) {
		bad("temporality", `"cumulative"`, `"delta" or "gauge" with on_late "correct": a corrected window would change all totals after it`)
	}
	atLeast("allowed_lateness", c.AllowedLateness, 0)
	atLeast("correct_for", c.CorrectFor, time.Second)
	atLeast("idle_timeout", c.IdleTimeout, time.Second)
	atLeast("max_future", c.MaxFuture, 0)
	atLeast("stream_timeout", c.StreamTimeout, time.Minute)
	atLeast("checkpoint_interval", c.CheckpointInterval, time.Second)
	atLeast("emit::spread", c.Emit.Spread, 0)
	for _, n := range []struct {
		key   string
		value int
	}{
		{"emit::batch_points", c.Emit.BatchPoints}, {"max_streams", c.MaxStreams}, {"max_input_streams", c.MaxInputStreams}, {"max_sources", c.MaxSources},
	} {
		if n.value < 1 {
			bad(n.key, n.value, "1 or more")
		}
	}
	if c.MaxBuckets < 8 {
		bad("max_buckets", c.MaxBuckets, "8 or more")
	}
	if len(c.Rules) == 0 {
		errs = append(errs, errors.New("rules: none, want at least one"))
	}
	for i := range c.Rules {
		if err := c.Rules[i].rule().Validate(); err != nil {
			// The rule joins its problems, one per line; each gets the path to the rule.
			for line := range strings.SplitSeq(err.Error(), "\n") {
				errs = append(errs, fmt.Errorf("rules::%d::%s", i, line))
			}
		}
	}
	return errors.Join(errs...)
}

// spec returns the algorithm's settings.
func (c *Config) spec() rollup.Spec {
	s := rollup.Spec{Settings: rollup.Settings{
		AllowedLateness: c.AllowedLateness, IdleTimeout: c.IdleTimeout, MaxFuture: c.MaxFuture,
		ProcessingTime: c.Time == timeProcessing,
		OnLate:         rollup.OnLate(c.OnLate), CorrectFor: c.CorrectFor, StreamTimeout: c.StreamTimeout,
		MaxStreams: c.MaxStreams, MaxInputStreams: c.MaxInputStreams, MaxSources: c.MaxSources, MaxBuckets: c.MaxBuckets,
		Temporality: rollup.Temporality(c.Temporality),
	}}
	for i := range c.Rules {
		s.Rules = append(s.Rules, c.Rules[i].rule())
	}
	return s
}

func (r *RuleConfig) rule() rollup.Rule {
	out := rollup.Rule{
		Match: rollup.Match{Metric: r.Match.Metric, Types: r.Match.Type, Attributes: r.Match.Attributes},
		By:    r.By, Without: r.Without, Aggregates: r.Aggregates,
		KeepRaw: r.KeepRaw == nil || *r.KeepRaw, MaxStreams: r.MaxStreams,
	}
	for _, w := range r.Windows {
		hop := w.Hop
		if hop == 0 {
			hop = w.Size
		}
		out.Windows = append(out.Windows, window.Spec{Size: w.Size, Hop: hop})
	}
	return out
}

// shortest returns the shortest distance between two closings.
func (c *Config) shortest() time.Duration {
	var least time.Duration
	for i := range c.Rules {
		for _, w := range c.Rules[i].rule().Windows {
			if least == 0 || w.Hop < least {
				least = w.Hop
			}
		}
	}
	return least
}
