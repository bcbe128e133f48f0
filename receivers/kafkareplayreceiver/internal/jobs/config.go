package jobs

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/downstream"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/target"
)

// Types of targets.
const (
	targetPrometheus = "prometheus"
	targetLoki       = "loki"
	targetOther      = "other"
)

// Config is the configuration of replays of past ranges.
type Config struct {
	// Windows are the sizes of rollup windows in the metrics pipeline: ranges are widened to their boundaries. Default none.
	Windows []time.Duration `mapstructure:"windows"`
	// Targets are the stores that these pipelines write to; the preflight check asks them what they accept. Default none.
	Targets []TargetConfig `mapstructure:"targets"`
	// Run are jobs that run once, identified by their id. Default none.
	Run []replay.Spec `mapstructure:"run"`
	// Workers is how many partitions are read at once, by all jobs together. Default 4.
	Workers int `mapstructure:"workers"`
	// LiveLag is the lag of a live group of the same signal, in records, above which jobs slow down. Default 10000.
	LiveLag int64 `mapstructure:"live_lag"`
	// CheckpointInterval is the longest time between a job's checkpoints. Default 1m.
	CheckpointInterval time.Duration `mapstructure:"checkpoint_interval"`
	// DedupWindow is how far back repeated records are recognized, as for follow. Default 10m.
	DedupWindow time.Duration `mapstructure:"dedup_window"`
	// DedupMaxRecords bounds the records in that window, for each active partition. Default 100000.
	DedupMaxRecords int `mapstructure:"dedup_max_records"`
	// Recorded are the signals whose ranges are saved before they are delivered, so that a repetition after a failure has the same bounds:
	// for sinks that name their output by range, as range::recorded of follow. Default none.
	Recorded []journal.Signal `mapstructure:"recorded"`
	// AllowBehind are types of third-party components that may be downstream of the receiver, as for follow. Default none.
	AllowBehind []string `mapstructure:"allow_behind"`
}

// TargetConfig is a store.
type TargetConfig struct {
	// Type is prometheus (embedded_tsdb too), loki or other.
	Type string `mapstructure:"type"`
	// Signal that the store accepts. Default metrics for prometheus, logs for loki; required for other.
	Signal journal.Signal `mapstructure:"signal"`
	// MaxAge is how far back it accepts data. Default 0: the age that the store reports, or any age if it can't be asked.
	MaxAge time.Duration `mapstructure:"max_age"`
	// MaxBehind is, for loki, the exporter's limits.max_behind: older entries get a separate stream (late_label). Without late_label:
	// longer than any replay goes back. Default 0: 1h, the exporter's default.
	MaxBehind time.Duration `mapstructure:"max_behind"`
	// TenantLabel is, for prometheus, the label that separates tenants in the store: then a job replaces only its tenants' series. Default
	// none.
	TenantLabel string `mapstructure:"tenant_label"`
	// HTTP is the client for the store: endpoint (http://127.0.0.1:9090), auth, tls, headers. Required except for other.
	HTTP confighttp.ClientConfig `mapstructure:",squash"`
}

// DefaultConfig has no targets.
func DefaultConfig() Config {
	return Config{
		Workers: 4, LiveLag: 10_000, CheckpointInterval: time.Minute, DedupWindow: 10 * time.Minute, DedupMaxRecords: 100_000,
	}
}

// Validate reports all problems at once.
func (c *Config) Validate() (err error) {
	bad := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	for _, w := range c.Windows {
		if w < time.Second || w > 31*24*time.Hour {
			bad("windows: %s must be between 1s and 744h", w)
		}
	}
	if c.Workers < 1 {
		bad("workers: %d must be at least 1", c.Workers)
	}
	if c.LiveLag < 1 {
		bad("live_lag: %d must be at least 1", c.LiveLag)
	}
	if c.CheckpointInterval < time.Second {
		bad("checkpoint_interval: %s must be at least 1s", c.CheckpointInterval)
	}
	if c.DedupWindow < 0 {
		bad("dedup_window: %s must not be negative", c.DedupWindow)
	}
	if c.DedupMaxRecords < 1 {
		bad("dedup_max_records: %d must be at least 1", c.DedupMaxRecords)
	}
	for _, s := range c.Recorded {
		if !slices.Contains([]journal.Signal{journal.Metrics, journal.Logs, journal.Traces}, s) {
			bad("recorded: %q must be metrics, logs or traces", s)
		}
	}
	ids := map[string]bool{}
	for i := range c.Run {
		id := c.Run[i].ID
		if id == "" {
			bad("run: %d: id: must be set, so that the job runs only once", i)
		}
		if ids[id] {
			bad("run: %d: id: %q is listed twice", i, id)
		}
		ids[id] = true
	}
	return errors.Join(err, downstream.CheckAllow("allow_behind", c.AllowBehind))
}

// Validate reports all problems at once.
func (c *TargetConfig) Validate() (err error) {
	switch c.Type {
	case targetPrometheus, targetLoki:
		if u, e := url.Parse(c.HTTP.Endpoint); e != nil || u.Host == "" {
			err = errors.Join(err, fmt.Errorf("endpoint: %q is not a URL such as http://127.0.0.1:9090", c.HTTP.Endpoint))
		}
	case targetOther:
		if c.Signal == "" {
			err = errors.Join(err, errors.New("signal: must be set for type other"))
		}
	default:
		err = errors.Join(err, fmt.Errorf("type: %q must be %s, %s or %s", c.Type, targetPrometheus, targetLoki, targetOther))
	}
	if !slices.Contains([]journal.Signal{"", journal.Metrics, journal.Logs, journal.Traces}, c.Signal) {
		err = errors.Join(err, fmt.Errorf("signal: %q must be metrics, logs or traces", c.Signal))
	}
	if c.MaxAge < 0 {
		err = errors.Join(err, fmt.Errorf("max_age: %s must not be negative", c.MaxAge))
	}
	if c.MaxBehind < 0 {
		err = errors.Join(err, fmt.Errorf("max_behind: %s must not be negative", c.MaxBehind))
	}
	if c.MaxBehind > 0 && c.Type != targetLoki {
		err = errors.Join(err, fmt.Errorf("max_behind: applies to type %s only", targetLoki))
	}
	if c.TenantLabel != "" && c.Type != targetPrometheus {
		err = errors.Join(err, fmt.Errorf("tenant_label: applies to type %s only", targetPrometheus))
	}
	return err
}

func (c *TargetConfig) signal() journal.Signal {
	switch {
	case c.Signal != "":
		return c.Signal
	case c.Type == targetLoki:
		return journal.Logs
	}
	return journal.Metrics
}

// localTransport returns a transport to a TSDB in this process if that TSDB listens at t's endpoint; else nil. Deletions through it need
// no token, and auth and TLS of the listener don't apply.
func localTransport(t *TargetConfig, host component.Host) http.RoundTripper {
	if t.Type != targetPrometheus {
		return nil
	}
	for _, e := range host.GetExtensions() {
		if local, ok := e.(interface {
			LocalAPI(endpoint string) (http.Handler, bool)
		}); ok {
			if handler, ok := local.LocalAPI(t.HTTP.Endpoint); ok {
				return target.InProcess(handler)
			}
		}
	}
	return nil
}

// store returns the target that c describes.
func (c *TargetConfig) store(client *http.Client) target.Target {
	base := strings.TrimRight(c.HTTP.Endpoint, "/")
	switch c.Type {
	case targetPrometheus:
		return &target.Prometheus{Label: base, URL: base, Client: client, MaxAge: c.MaxAge, TenantLabel: c.TenantLabel}
	case targetLoki:
		return &target.Loki{Label: base, URL: base, Client: client, MaxAge: c.MaxAge, MaxBehind: c.MaxBehind}
	}
	return &target.Fixed{Label: "other (" + string(c.Signal) + ")", MaxAge: c.MaxAge}
}
