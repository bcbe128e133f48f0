package parquetexporter

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/bucket"
	"github.com/penstockhq/penstock/internal/tenant"
)

// Config is the YAML of the exporter.
type Config struct {
	// URL is where the lake is: a directory (file:///absolute, file://./relative or a plain path) or s3://bucket/prefix, with
	// ?endpoint=&region=&path_style=&encryption=&kms_key_id= as needed. Required.
	URL string `mapstructure:"url"`
	// S3 holds the keys of an object store. Empty, the default: the exporter looks for them where AWS's tools do.
	S3 S3Config `mapstructure:"s3"`
	// MaxAge is how long the queue collects a batch: sending_queue.batch.flush_timeout. Without sending_queue it has no effect:
	// each call that arrives is a batch. Default 30s.
	MaxAge time.Duration `mapstructure:"max_age"`
	// MaxRows is the number of rows at which the queue ends a batch earlier: sending_queue.batch.min_size and max_size in items.
	// 0 when sending_queue.batch counts bytes. Default 250000.
	MaxRows int64 `mapstructure:"max_rows"`
	// MaxPartitions is how many hours, over all tenants, one batch may write files for; rows of further hours go to their tenant's
	// partition of 1970-01-01. Default 256.
	MaxPartitions int `mapstructure:"max_partitions"`

	// Retention removes partitions by age. Default: none.
	Retention RetentionConfig `mapstructure:"retention"`

	// Timeout bounds one attempt to write a batch, checked between files. 0, the default, means none.
	Timeout exporterhelper.TimeoutConfig `mapstructure:",squash"`
	// Retry repeats batches that could not be written, by default without end.
	Retry configretry.BackOffConfig `mapstructure:"retry_on_failure"`
	// Queue, when present, answers the caller once a batch is on disk and collects batches by MaxAge and MaxRows. Default: none;
	// the caller is answered when the files are durable.
	Queue configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`
}

// S3Config holds the keys of an object store.
type S3Config struct {
	// AccessKeyID names the key. It needs SecretAccessKey.
	AccessKeyID string `mapstructure:"access_key_id"`
	// SecretAccessKey signs requests.
	SecretAccessKey configopaque.String `mapstructure:"secret_access_key"`
	// SessionToken belongs to keys that expire. Default: none.
	SessionToken configopaque.String `mapstructure:"session_token"`
}

var (
	_ component.Config    = (*Config)(nil)
	_ confmap.Unmarshaler = (*Config)(nil)
)

// Unmarshal lets max_age and max_rows speak for the queue's batch and the other way round. Where both are written Validate
// compares them.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	if err := conf.Unmarshal(c); err != nil {
		return err
	}
	batch := c.batch()
	if batch == nil {
		return nil
	}
	const key = "sending_queue::batch::"
	if !conf.IsSet(key + "sizer") {
		batch.Sizer = exporterhelper.RequestSizerTypeItems
	}
	switch {
	case !conf.IsSet(key + "flush_timeout"):
		batch.FlushTimeout = c.MaxAge
	case !conf.IsSet("max_age"):
		c.MaxAge = batch.FlushTimeout
	}
	switch {
	case batch.Sizer != exporterhelper.RequestSizerTypeItems:
		if !conf.IsSet("max_rows") {
			c.MaxRows = 0
		}
	case !conf.IsSet(key + "min_size"):
		batch.MinSize = c.MaxRows
	case !conf.IsSet("max_rows"):
		c.MaxRows = batch.MinSize
	}
	if batch.Sizer == exporterhelper.RequestSizerTypeItems && !conf.IsSet(key+"max_size") {
		batch.MaxSize = batch.MinSize
	}
	return nil
}

// Validate refuses what can't work, and a queue that would lose what it acknowledged.
func (c *Config) Validate() error {
	errs := []error{c.validateURL()}
	if c.MaxAge <= 0 {
		errs = append(errs, fmt.Errorf("max_age: must be positive, got %s", c.MaxAge))
	}
	if c.MaxRows < 0 {
		errs = append(errs, fmt.Errorf("max_rows: must not be negative, got %d", c.MaxRows))
	}
	if c.MaxPartitions <= 0 {
		errs = append(errs, fmt.Errorf("max_partitions: must be positive, got %d", c.MaxPartitions))
	}
	return errors.Join(append(errs, c.validateQueue())...)
}

func (c *Config) validateQueue() error {
	if !c.Queue.HasValue() {
		return nil
	}
	var errs []error
	queue := c.Queue.Get()
	if queue.StorageID == nil && !queue.WaitForResult {
		errs = append(errs, errors.New("sending_queue::storage: required: a queue in memory loses what it has acknowledged; "+
			"name a storage extension, set sending_queue::wait_for_result: true, or leave sending_queue out"))
	}
	batch := c.batch()
	if batch == nil {
		return errors.Join(errs...)
	}
	if batch.FlushTimeout != c.MaxAge {
		errs = append(errs, fmt.Errorf("max_age: %s conflicts with sending_queue::batch::flush_timeout: %s; set one of them",
			c.MaxAge, batch.FlushTimeout))
	}
	if batch.Sizer == exporterhelper.RequestSizerTypeItems {
		if c.MaxRows == 0 {
			errs = append(errs, errors.New("max_rows: must be positive, got 0"))
		} else if batch.MinSize != c.MaxRows {
			errs = append(errs, fmt.Errorf("max_rows: %d conflicts with sending_queue::batch::min_size: %d; set one of them",
				c.MaxRows, batch.MinSize))
		}
	} else if c.MaxRows != 0 {
		errs = append(errs, fmt.Errorf("max_rows: %d conflicts with sending_queue::batch::sizer: %s; leave max_rows out",
			c.MaxRows, batch.Sizer.String()))
	}
	if !slices.ContainsFunc(batch.Partition.MetadataKeys, func(k string) bool { return strings.EqualFold(k, tenant.MetadataKey) }) {
		errs = append(errs, fmt.Errorf("sending_queue::batch::partition::metadata_keys: must contain %q, or merged batches lose their "+
			"tenant; got %q", tenant.MetadataKey, batch.Partition.MetadataKeys))
	}
	return errors.Join(errs...)
}

// batch returns the queue's batch settings, nil without a queue or batching.
func (c *Config) batch() *exporterhelper.BatchConfig {
	if !c.Queue.HasValue() || !c.Queue.Get().Batch.HasValue() {
		return nil
	}
	return c.Queue.Get().Batch.Get()
}

// validateURL checks url and the keys that go with it.
func (c *Config) validateURL() error {
	keys := c.S3 != S3Config{}
	if bucket.Is(c.URL) {
		_, err := c.location()
		if keys && (c.S3.AccessKeyID == "" || c.S3.SecretAccessKey == "") {
			err = errors.Join(err, errors.New("s3: access_key_id and secret_access_key belong together"))
		}
		return err
	}
	_, err := c.root()
	if keys {
		err = errors.Join(err, errors.New("s3: keys are for a url of an object store, s3://bucket/prefix"))
	}
	return err
}

// location is the place in an object store that URL names.
func (c *Config) location() (bucket.Location, error) {
	l, err := bucket.Parse(c.URL)
	if err != nil {
		return l, fmt.Errorf("url: %w", err)
	}
	return l, nil
}

func (c *Config) keys() bucket.Keys {
	return bucket.Keys{AccessKeyID: c.S3.AccessKeyID, SecretAccessKey: string(c.S3.SecretAccessKey), SessionToken: string(c.S3.SessionToken)}
}

// root is the directory that URL names.
func (c *Config) root() (string, error) {
	if c.URL == "" {
		return "", errors.New("url: required, e.g. file:///var/lib/penstock/lake or s3://bucket/lake")
	}
	path, isFile := strings.CutPrefix(c.URL, "file://")
	if !isFile {
		if scheme, _, ok := strings.Cut(c.URL, "://"); ok {
			return "", fmt.Errorf("url: %q: scheme %q is not supported, use s3://, gs://, file:// or a path", c.URL, scheme)
		}
		return c.URL, nil
	}
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "./") && !strings.HasPrefix(path, "../") {
		return "", fmt.Errorf("url: %q: want file:///absolute/path or file://./relative/path", c.URL)
	}
	path, err := url.PathUnescape(path)
	if err != nil {
		return "", fmt.Errorf("url: %q: %w", c.URL, err)
	}
	return path, nil
}
