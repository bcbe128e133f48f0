package prometheustsdbexporter

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/penstockhq/penstock/internal/tenant"
)

var (
	protocols  = []string{"auto", "1.0", "2.0"}
	reserved   = []string{"Content-Encoding", "Content-Type", "User-Agent", "X-Prometheus-Remote-Write-Version"}
	strategies = []otlptranslator.TranslationStrategyOption{
		otlptranslator.UnderscoreEscapingWithSuffixes, otlptranslator.UnderscoreEscapingWithoutSuffixes,
		otlptranslator.NoUTF8EscapingWithSuffixes, otlptranslator.NoTranslation,
	}
)

// Config is the exporter's configuration. Exactly one of endpoint and tsdb is set.
type Config struct {
	// HTTP configures the receiver: endpoint (the URL of remote write), tls, auth, headers, timeout (of one request, default 30s) and the
	// other keys of confighttp.
	HTTP confighttp.ClientConfig `mapstructure:",squash"`
	// TSDB is the embedded_tsdb extension to write into, in process, instead of endpoint.
	TSDB component.ID `mapstructure:"tsdb"`

	// Queue is exporterhelper's. Default: on, in memory, one consumer.
	Queue configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`
	// Retry is exporterhelper's. Default: on, without end.
	Retry configretry.BackOffConfig `mapstructure:"retry_on_failure"`

	// Protocol is the version of remote write: auto (default: 2.0, and 1.0 if the receiver does not support 2.0), 1.0 or 2.0.
	Protocol string `mapstructure:"protocol"`
	// MaxSamples bounds a request. Default 5000.
	MaxSamples int `mapstructure:"max_samples"`
	// MaxBytes bounds a request before compression, in bytes. Default 8388608.
	MaxBytes int `mapstructure:"max_bytes"`
	// MaxShards bounds the requests in flight. Default 8.
	MaxShards int `mapstructure:"max_shards"`

	// IsolateRefused finds, with a 1.0 receiver, the samples of a request that it refuses because of their times or labels, and sends the others
	// again, because Prometheus drops the request whole. Default true.
	IsolateRefused bool `mapstructure:"isolate_refused"`
	// TenantHeader is the header with the tenant, X-Scope-OrgID for Mimir: client metadata x-scope-orgid, else the resource attribute
	// tenant.id, else "default". Default "": no header.
	TenantHeader string `mapstructure:"tenant_header"`
	// TenantPatience is how long the receiver may refuse one tenant with retryable statuses before that tenant's metrics go to the dead
	// letter, so that other tenants don't wait. It applies with tenant_header and downstream of a journal. Default 15m; 0: without end.
	TenantPatience time.Duration `mapstructure:"tenant_patience"`

	// Translation configures how metrics become series.
	Translation TranslationConfig `mapstructure:"translation"`
	// Delta configures how delta metrics become cumulative.
	Delta DeltaConfig `mapstructure:"delta"`
	// StaleAfter ends a series that has had no sample for longer, by the time of points, with a stale marker directly after its last one.
	// Needs translation::tracked_series. Default 0: PromQL's lookback applies.
	StaleAfter time.Duration `mapstructure:"stale_after"`
	// MaxFuture is how far ahead of the clock a point may be; later points are refused. Default 10m.
	MaxFuture time.Duration `mapstructure:"max_future"`
}

// DeltaConfig bounds the running totals of delta streams.
type DeltaConfig struct {
	// Native sends delta points unchanged, as samples of unknown type, for databases whose queries add them up. Default false: they become
	// cumulative.
	Native bool `mapstructure:"native"`
	// MaxStreams bounds the streams with a total, per partition of the journal or, without one, per process. Points of further streams are
	// refused. Default 200000; zero refuses all delta points.
	MaxStreams int `mapstructure:"max_streams"`
	// IdleTimeout is the time without points, by the time of points, after which a stream is forgotten; it then restarts from zero.
	// Default 1h.
	IdleTimeout time.Duration `mapstructure:"idle_timeout"`
}

// TranslationConfig configures how metrics become series.
type TranslationConfig struct {
	// Strategy is one of otlptranslator's. Default UnderscoreEscapingWithSuffixes.
	Strategy otlptranslator.TranslationStrategyOption `mapstructure:"strategy"`
	// Namespace goes before every metric name. Default none.
	Namespace string `mapstructure:"namespace"`
	// ExternalLabels are added to every series that does not have them. Default none.
	ExternalLabels map[string]string `mapstructure:"external_labels"`
	// TenantLabel is the label with the tenant on each series; it replaces an attribute of that name. Default none: series of several
	// tenants with the same labels become one.
	TenantLabel string `mapstructure:"tenant_label"`
	// TargetInfo writes a target_info series for each resource. Default true.
	TargetInfo bool `mapstructure:"target_info"`
	// PromoteResourceAttributes become labels of every series. Default none.
	PromoteResourceAttributes []string `mapstructure:"promote_resource_attributes"`
	// PromoteAllResourceAttributes makes all of them labels. Default false.
	PromoteAllResourceAttributes bool `mapstructure:"promote_all_resource_attributes"`
	// ScopeLabels adds otel_scope_name, _version, _schema_url and the scope's attributes. Default false.
	ScopeLabels bool `mapstructure:"scope_labels"`
	// CustomBuckets sends explicit histograms as native ones with custom buckets: one series each. Default false.
	CustomBuckets bool `mapstructure:"custom_buckets"`
	// TrackedSeries bounds the series for which the exporter remembers the stream, to detect streams that become one series. Default
	// 500000; zero disables the detection.
	TrackedSeries int `mapstructure:"tracked_series"`
}

var _ component.Config = (*Config)(nil)

// Validate reports every problem, each by its key.
func (c *Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{key}, args...)...))
	}
	switch inProcess := c.TSDB != (component.ID{}); {
	case inProcess && c.HTTP.Endpoint != "":
		bad("tsdb", "%q cannot be combined with endpoint %q", c.TSDB, c.HTTP.Endpoint)
	case !inProcess:
		u, err := url.Parse(c.HTTP.Endpoint)
		if err != nil {
			bad("endpoint", "%w", err)
		} else if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			bad("endpoint", "%q is not a URL with http or https and a host (or set tsdb)", c.HTTP.Endpoint)
		}
	}
	if c.HTTP.Compression != "" && c.HTTP.Compression != "snappy" {
		bad("compression", "%q: remote write is always snappy", c.HTTP.Compression)
	}
	for name := range c.HTTP.Headers.Iter {
		if slices.Contains(reserved, http.CanonicalHeaderKey(name)) {
			bad("headers", "%q is reserved by remote write", name)
		}
	}
	if slices.Contains(reserved, http.CanonicalHeaderKey(c.TenantHeader)) {
		bad("tenant_header", "%q is reserved by remote write", c.TenantHeader)
	}
	if c.Queue.HasValue() && c.Queue.Get().NumConsumers > 1 {
		bad("sending_queue::num_consumers", "%d would reorder the samples of a series: leave it at 1; max_shards sets the parallelism", c.Queue.Get().NumConsumers)
	}
	if l := c.Translation.TenantLabel; l != "" && (!model.LegacyValidation.IsValidLabelName(l) || strings.HasPrefix(l, "__")) {
		bad("translation::tenant_label", "%q is not a label name", l)
	}
	if c.tenants() && c.Queue.HasValue() && c.Queue.Get().Batch.HasValue() {
		keys := c.Queue.Get().Batch.Get().Partition.MetadataKeys
		if !slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, tenant.MetadataKey) }) {
			bad("sending_queue::batch::partition::metadata_keys", "%q needs %q with tenant_header and tenant_label, or batches would lose their tenant", keys, tenant.MetadataKey)
		}
	}
	if c.TenantPatience < 0 {
		bad("tenant_patience", "%s is negative", c.TenantPatience)
	}
	if !slices.Contains(protocols, c.Protocol) {
		bad("protocol", "%q must be one of %q", c.Protocol, protocols)
	}
	if c.MaxSamples <= 0 {
		bad("max_samples", "%d is not positive", c.MaxSamples)
	}
	if c.MaxBytes <= 0 {
		bad("max_bytes", "%d is not positive", c.MaxBytes)
	}
	if c.MaxShards <= 0 {
		bad("max_shards", "%d is not positive", c.MaxShards)
	}
	if c.Delta.MaxStreams < 0 {
		bad("delta::max_streams", "%d is negative", c.Delta.MaxStreams)
	}
	if c.Delta.IdleTimeout <= 0 {
		bad("delta::idle_timeout", "%s is not positive", c.Delta.IdleTimeout)
	}
	if c.MaxFuture <= 0 {
		bad("max_future", "%s is not positive", c.MaxFuture)
	}
	if c.StaleAfter < 0 {
		bad("stale_after", "%s is negative", c.StaleAfter)
	}
	if c.StaleAfter > 0 && c.Translation.TrackedSeries == 0 {
		bad("stale_after", "%s needs translation::tracked_series", c.StaleAfter)
	}
	if !slices.Contains(strategies, c.Translation.Strategy) {
		bad("translation::strategy", "%q must be one of %q", c.Translation.Strategy, strategies)
	}
	if c.Translation.TrackedSeries < 0 {
		bad("translation::tracked_series", "%d is negative", c.Translation.TrackedSeries)
	}
	if c.Translation.CustomBuckets && c.Protocol == "1.0" {
		bad("translation::custom_buckets", "needs remote write 2.0 or tsdb")
	}
	return errors.Join(errs...)
}

// tenants reports whether the store separates tenants.
func (c *Config) tenants() bool { return c.TenantHeader != "" || c.Translation.TenantLabel != "" }
