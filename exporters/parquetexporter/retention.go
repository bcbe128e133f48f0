package parquetexporter

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/lakestore"
)

// sweepEvery is the time from one look for expired partitions to the next.
const sweepEvery = time.Hour

// RetentionConfig says how long the lake keeps what it has.
type RetentionConfig struct {
	// Keep is how long a partition stays after its hour has ended, at least an hour. 0, the default: for ever.
	Keep time.Duration `mapstructure:"keep"`
	// Overrides are asked in their order; the first that matches counts instead of Keep.
	Overrides []RetentionOverride `mapstructure:"overrides"`
}

// RetentionOverride is another time for some partitions.
type RetentionOverride struct {
	// Signal is logs, metrics or traces. Default: all.
	Signal string `mapstructure:"signal"`
	// Tenant is a pattern of tenants' names, with * and ?. Default: all.
	Tenant string `mapstructure:"tenant"`
	// Keep is as above; 0: for ever.
	Keep time.Duration `mapstructure:"keep"`
}

// Validate refuses times that would empty the lake behind the writers, and overrides that match nothing.
func (c *RetentionConfig) Validate() error {
	errs := []error{validateKeep("keep", c.Keep)}
	for i, o := range c.Overrides {
		key := fmt.Sprintf("overrides::%d::", i)
		errs = append(errs, validateKeep(key+"keep", o.Keep))
		if !slices.Contains([]string{"", "logs", "metrics", "traces"}, o.Signal) {
			errs = append(errs, fmt.Errorf("%ssignal: want logs, metrics or traces, got %q", key, o.Signal))
		}
		if _, err := path.Match(o.Tenant, ""); err != nil {
			errs = append(errs, fmt.Errorf("%stenant: %q: %w", key, o.Tenant, err))
		}
	}
	return errors.Join(errs...)
}

func validateKeep(key string, keep time.Duration) error {
	if keep != 0 && keep < time.Hour {
		return fmt.Errorf("%s: must be 0 (for ever) or at least 1h, got %s", key, keep)
	}
	return nil
}

// empty reports whether everything stays.
func (c *RetentionConfig) empty() bool {
	return c.Keep == 0 && !slices.ContainsFunc(c.Overrides, func(o RetentionOverride) bool { return o.Keep > 0 })
}

// keep is how long partitions of a tenant stay; 0: for ever.
func (c *RetentionConfig) keep(signal, tenant string) time.Duration {
	for _, o := range c.Overrides {
		if o.Signal != "" && o.Signal != signal {
			continue
		}
		if matches, _ := path.Match(o.Tenant, tenant); o.Tenant == "" || matches {
			return o.Keep
		}
	}
	return c.Keep
}

// expired tells what is too old at a time.
func (c *RetentionConfig) expired(signal string, now time.Time) lakestore.Expired {
	return func(p lakestore.Partition, at time.Time) bool {
		keep := c.keep(signal, p.Tenant)
		return keep > 0 && now.Sub(at) >= keep
	}
}

// sweeper removes expired partitions until it is stopped. The zero value does nothing.
type sweeper struct {
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// startSweeper looks for expired partitions now and once an hour. Gateways that share a lake all do; a partition that another one has removed is no error.
func (e *parquetExporter[D]) startSweeper() {
	if e.config.Retention.empty() {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.sweeper.stop = cancel
	e.sweeper.wg.Go(func() {
		tick := time.NewTicker(sweepEvery)
		defer tick.Stop()
		for {
			e.sweep(ctx, time.Now())
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

func (e *parquetExporter[D]) sweep(ctx context.Context, now time.Time) {
	files, err := e.lakes.store.Expire(ctx, e.signal, e.config.Retention.expired(e.signal, now))
	if files > 0 {
		e.metrics.ExporterParquetExpiredFiles.Add(ctx, int64(files), e.attr)
		e.logger.Info("Removed partitions of the lake that are older than retention keeps them", zap.String("signal", e.signal), zap.Int("files", files))
	}
	if err != nil && ctx.Err() == nil {
		e.logger.Warn("Expired partitions could not be removed; the next try is in an hour", zap.String("signal", e.signal), zap.Error(err))
	}
}

func (s *sweeper) close() {
	if s.stop != nil {
		s.stop()
	}
	s.wg.Wait()
}
