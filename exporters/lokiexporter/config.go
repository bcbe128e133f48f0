package lokiexporter

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/penstockhq/penstock/internal/tenant"
)

const pushPath = "/loki/api/v1/push"

// The values of enumerated keys.
const (
	encodingProtobuf = "protobuf"
	encodingJSON     = "json"

	lineBody = "body"
	lineJSON = "json"

	longLineSplit    = "split"
	longLineTruncate = "truncate"

	outsideDrop    = "drop"
	outsideRestamp = "restamp"

	identicalNudge = "nudge"
	identicalKeep  = "keep"
)

// Config is the configuration of the loki exporter.
type Config struct {
	// ClientConfig holds endpoint, TLS, auth, headers and the other keys of confighttp.
	ClientConfig confighttp.ClientConfig `mapstructure:",squash"`
	// RetryConfig configures how refused and unanswered requests are retried.
	RetryConfig configretry.BackOffConfig `mapstructure:"retry_on_failure"`
	// QueueConfig is off unless it is configured: without it the caller waits for Loki's answer.
	QueueConfig configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`

	// Encoding is protobuf (snappy) or json (gzip).
	Encoding string `mapstructure:"encoding"`
	// Line is body (the record's body as text) or json (the whole record).
	Line string `mapstructure:"line"`
	// StructuredMetadata sends attributes that are not labels as structured metadata. Without it line must be json, or attributes would be
	// lost.
	StructuredMetadata bool `mapstructure:"structured_metadata"`
	// Labels are the stream labels. A configured list replaces the whole default.
	Labels []LabelConfig `mapstructure:"labels"`
	// StreamLimit bounds the streams of a tenant.
	StreamLimit StreamLimitConfig `mapstructure:"stream_limit"`
	// Tenant configures the source of X-Scope-OrgID.
	Tenant TenantConfig `mapstructure:"tenant"`
	// TenantPatience is how long Loki may refuse one tenant with retryable statuses before that tenant's entries go to the dead letter, so
	// that other tenants don't wait. Only downstream of a journal. Default 15m; 0: without end.
	TenantPatience time.Duration `mapstructure:"tenant_patience"`
	// DeadLetter is the dead_letter extension that keeps what Loki refuses if there is no journal upstream, which has its own dead letter.
	// Default none: refused entries are only counted.
	DeadLetter *component.ID `mapstructure:"dead_letter"`
	// Limits are Loki's, applied before Loki has to refuse.
	Limits LimitsConfig `mapstructure:"limits"`
	// OnLongLine is split or truncate.
	OnLongLine string `mapstructure:"on_long_line"`
	// OnOutsideWindow is drop (counted) or restamp: sent with the present time, and the record's own time in the structured metadata
	// original_timestamp.
	OnOutsideWindow string `mapstructure:"on_outside_window"`
	// LateLabel is the label of entries older than limits.max_behind. Its value is the window of that length to which they belong, so that
	// Loki does not refuse them. Empty: late entries go to the same stream as the others.
	LateLabel string `mapstructure:"late_label"`
	// OnIdentical is nudge or keep: Loki stores entries of one stream that are equal in time, line and
	// metadata once; nudge makes the later ones 1 ns later.
	OnIdentical string `mapstructure:"on_identical"`
}

// LabelConfig is one stream label. Its value is the first of Record, Resource, Severity and Value that exists and is not empty.
type LabelConfig struct {
	// Name of the label in Loki.
	Name string `mapstructure:"name"`
	// Record lists attributes of the log record.
	Record []string `mapstructure:"record"`
	// Resource lists attributes of the resource.
	Resource []string `mapstructure:"resource"`
	// Severity uses trace, debug, info, warn, error or fatal.
	Severity bool `mapstructure:"severity"`
	// Value is a fixed value.
	Value string `mapstructure:"value"`
}

// StreamLimitConfig bounds the streams of each tenant.
type StreamLimitConfig struct {
	// MaxStreams is the number of active streams per tenant; past it the label with the most values becomes structured metadata.
	MaxStreams int `mapstructure:"max_streams"`
	// MaxTenants is how many tenants are tracked; the least recently used is forgotten.
	MaxTenants int `mapstructure:"max_tenants"`
	// IdleTimeout: a stream without entries for so long is no longer active.
	IdleTimeout time.Duration `mapstructure:"idle_timeout"`
	// ReleaseAfter: a moved label becomes a label again after this time.
	ReleaseAfter time.Duration `mapstructure:"release_after"`
}

// TenantConfig configures the source of the tenant: client metadata, else resource attribute, else default.
type TenantConfig struct {
	// MetadataKey is a key of the client's metadata.
	MetadataKey string `mapstructure:"metadata_key"`
	// ResourceAttribute is an attribute of the resource.
	ResourceAttribute string `mapstructure:"resource_attribute"`
	// Default is the tenant of all other records. Empty: no X-Scope-OrgID is sent for them.
	Default string `mapstructure:"default"`
}

// LimitsConfig repeats limits of the Loki server; the defaults are Loki's.
type LimitsConfig struct {
	// RequestBytes is the size of a request before compression. 1 MiB.
	RequestBytes int `mapstructure:"request_bytes"`
	// LineBytes is max_line_size. 0: no limit.
	LineBytes int `mapstructure:"line_bytes"`
	// LabelNames is max_label_names_per_series.
	LabelNames int `mapstructure:"label_names"`
	// LabelValueBytes is max_label_value_length.
	LabelValueBytes int `mapstructure:"label_value_bytes"`
	// MetadataPairs is max_structured_metadata_entries_count.
	MetadataPairs int `mapstructure:"metadata_pairs"`
	// MetadataBytes is max_structured_metadata_size.
	MetadataBytes int `mapstructure:"metadata_bytes"`
	// MaxAge is reject_old_samples_max_age. 0: any age.
	MaxAge time.Duration `mapstructure:"max_age"`
	// MaxAhead is creation_grace_period. 0: any.
	MaxAhead time.Duration `mapstructure:"max_ahead"`
	// MaxBehind is half of the ingesters' max_chunk_age.
	MaxBehind time.Duration `mapstructure:"max_behind"`
	// StreamBytesPerSecond is per_stream_rate_limit.
	StreamBytesPerSecond int `mapstructure:"stream_bytes_per_second"`
	// StreamBurstBytes is per_stream_rate_limit_burst.
	StreamBurstBytes int `mapstructure:"stream_burst_bytes"`
}

var _ component.Config = (*Config)(nil)

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// Validate reports all problems, each with its key.
func (c *Config) Validate() error {
	var errs error
	fail := func(format string, args ...any) { errs = errors.Join(errs, fmt.Errorf(format, args...)) }
	oneOf := func(key, value string, allowed ...string) {
		for _, a := range allowed {
			if value == a {
				return
			}
		}
		fail("%s: %q is not one of %s", key, value, strings.Join(allowed, ", "))
	}
	if _, err := pushURL(c.ClientConfig.Endpoint); err != nil {
		fail("endpoint: %w", err)
	}
	if c.ClientConfig.Compression != "" && c.ClientConfig.Compression != "none" {
		fail("compression: %q cannot be set; encoding decides: snappy for protobuf, gzip for json", c.ClientConfig.Compression)
	}
	for name := range c.ClientConfig.Headers.Iter {
		if http.CanonicalHeaderKey(name) == http.CanonicalHeaderKey(tenantHeader) {
			fail("headers: %q is set by tenant; use tenant.default for a fixed value", name)
		}
	}
	oneOf("encoding", c.Encoding, encodingProtobuf, encodingJSON)
	oneOf("line", c.Line, lineBody, lineJSON)
	oneOf("on_long_line", c.OnLongLine, longLineSplit, longLineTruncate)
	oneOf("on_outside_window", c.OnOutsideWindow, outsideDrop, outsideRestamp)
	if c.TenantPatience < 0 {
		fail("tenant_patience: %s must not be negative", c.TenantPatience)
	}
	oneOf("on_identical", c.OnIdentical, identicalNudge, identicalKeep)
	if !c.StructuredMetadata && c.Line != lineJSON {
		fail("structured_metadata: false needs line: json, or attributes would be lost")
	}
	if c.Tenant.Default != "" && !validTenant(c.Tenant.Default) {
		fail("tenant.default: %q: Loki accepts up to %d letters, digits and !-_.*'()", c.Tenant.Default, tenant.MaxBytes)
	}
	if key := c.Tenant.MetadataKey; key != "" && c.QueueConfig.HasValue() && c.QueueConfig.Get().Batch.HasValue() {
		keys := c.QueueConfig.Get().Batch.Get().Partition.MetadataKeys
		if !slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, key) }) {
			fail("sending_queue.batch.partition.metadata_keys: %q needs %q (tenant.metadata_key), or batches would lose their tenant", keys, key)
		}
	}
	errs = errors.Join(errs, c.validateLabels(), c.StreamLimit.validate(), c.Limits.validate())
	return errs
}

func (c *Config) validateLabels() error {
	var errs error
	fail := func(format string, args ...any) { errs = errors.Join(errs, fmt.Errorf(format, args...)) }
	count := len(c.Labels)
	seen := make(map[string]bool)
	if c.LateLabel != "" {
		count++
		seen[c.LateLabel] = true
		if !labelName.MatchString(c.LateLabel) || strings.HasPrefix(c.LateLabel, "__") {
			fail("late_label: %q is not a label name that Loki accepts", c.LateLabel)
		}
	}
	if count > c.Limits.LabelNames {
		fail("labels: %d (with late_label) exceed limits.label_names (%d)", count, c.Limits.LabelNames)
	}
	for i, l := range c.Labels {
		switch {
		case !labelName.MatchString(l.Name) || strings.HasPrefix(l.Name, "__"):
			fail("labels[%d].name: %q is not a label name that Loki accepts", i, l.Name)
		case seen[l.Name]:
			fail("labels[%d].name: %q is listed twice", i, l.Name)
		case len(l.Record) == 0 && len(l.Resource) == 0 && !l.Severity && l.Value == "":
			fail("labels[%d]: %q needs one of record, resource, severity and value", i, l.Name)
		}
		seen[l.Name] = true
	}
	return errs
}

func (c *StreamLimitConfig) validate() error {
	return errors.Join(
		positive("stream_limit.max_streams", c.MaxStreams),
		positive("stream_limit.max_tenants", c.MaxTenants),
		positive("stream_limit.idle_timeout", c.IdleTimeout),
		positive("stream_limit.release_after", c.ReleaseAfter),
	)
}

const (
	minRequestBytes  = 64 << 10
	maxLabels        = 30
	minMetadataPairs = 2 * reservedPairs
	minMetadataBytes = 2 * reservedBytes
	minLineBytes     = 64
)

func (c *LimitsConfig) validate() error {
	errs := errors.Join(
		positive("limits.label_names", c.LabelNames),
		positive("limits.label_value_bytes", c.LabelValueBytes),
		notNegative("limits.max_age", c.MaxAge),
		notNegative("limits.max_ahead", c.MaxAhead),
		notNegative("limits.max_behind", c.MaxBehind),
		notNegative("limits.stream_bytes_per_second", c.StreamBytesPerSecond),
		notNegative("limits.stream_burst_bytes", c.StreamBurstBytes),
	)
	atLeast := func(key string, value, least int) {
		if value < least {
			errs = errors.Join(errs, fmt.Errorf("%s: %d is less than %d", key, value, least))
		}
	}
	atLeast("limits.request_bytes", c.RequestBytes, minRequestBytes)
	atLeast("limits.metadata_pairs", c.MetadataPairs, minMetadataPairs)
	atLeast("limits.metadata_bytes", c.MetadataBytes, minMetadataBytes)
	if c.LineBytes != 0 {
		atLeast("limits.line_bytes", c.LineBytes, minLineBytes)
	}
	if c.LabelNames > maxLabels {
		errs = errors.Join(errs, fmt.Errorf("limits.label_names: %d is more than %d", c.LabelNames, maxLabels))
	}
	if need := c.LineBytes + c.MetadataBytes; c.RequestBytes >= minRequestBytes && c.RequestBytes < need {
		errs = errors.Join(errs, fmt.Errorf("limits.request_bytes: %d is less than one entry needs: limits.line_bytes + limits.metadata_bytes (%d)", c.RequestBytes, need))
	}
	return errs
}

type number interface{ ~int | ~int64 }

func positive[N number](key string, value N) error {
	if value <= 0 {
		return fmt.Errorf("%s: %v must be more than 0", key, value)
	}
	return nil
}

func notNegative[N number](key string, value N) error {
	if value < 0 {
		return fmt.Errorf("%s: %v must not be less than 0", key, value)
	}
	return nil
}

// pushURL completes the endpoint: it adds the push path unless the endpoint ends in /push, as with contrib's exporter.
func pushURL(endpoint string) (string, error) {
	if endpoint == "" {
		return "", errors.New("must be set, as in http://127.0.0.1:3100")
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("%q is not a URL: %w", endpoint, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", fmt.Errorf("%q is not an http or https URL", endpoint)
	}
	if !strings.HasSuffix(u.Path, "/push") {
		u.Path = strings.TrimSuffix(u.Path, "/") + pushPath
	}
	return u.String(), nil
}
