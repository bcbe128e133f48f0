package parquetexporter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/penstockhq/penstock/internal/lakestore/place"
	"github.com/penstockhq/penstock/internal/tenant"
)

// Config is the YAML of the exporter.
type Config struct {
	// URL is where the lake is: a directory (file:///absolute, file://./relative or a plain path) or s3://bucket/prefix, with
	// ?endpoint=&region=&path_style=&encryption=&kms_key_id= as needed. Required.
	URL string `mapstructure:"url"`
	// S3 holds the keys of an object store. Empty, the default: the exporter looks for them where AWS's tools do.
	S3 place.S3Config `mapstructure:"s3"`
	// MaxAge is how long the queue collects a batch: sending_queue.batch.flush_timeout. Without sending_queue it has no effect:
	// each call that arrives is a batch. Default 30s.
	MaxAge time.Duration `mapstructure:"max_age"`
	// MaxRows is the number of rows at which the queue ends a batch earlier: sending_queue.batch.min_size and max_size in items.
	// 0 when sending_queue.batch counts bytes. Default 250000.
	MaxRows int64 `mapstructure:"max_rows"`
	// MaxPartitions is how many hours, over all tenants, one batch may write files for; rows of further hours go to their tenant's
	// partition of 1970-01-01. Default 256.
	MaxPartitions int `mapstructure:"max_partitions"`

	// Timeout bounds one attempt to write a batch, checked between files. 0, the default, means none.
	Timeout exporterhelper.TimeoutConfig `mapstructure:",squash"`
	// Retry repeats batches that could not be written, by default without end.
	Retry configretry.BackOffConfig `mapstructure:"retry_on_failure"`
	// Queue, when present, answers the caller once a batch is on disk and collects batches by MaxAge and MaxRows. Default: none;
	// the caller is answered when the files are durable.
	Queue configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`
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
	errs := []error{place.Validate(c.URL, c.S3)}
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
