package quotaextension

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.opentelemetry.io/otel/metric"

	"github.com/penstockhq/penstock/extensions/quotaextension/internal/metadata"
	"github.com/penstockhq/penstock/internal/quota"
	"github.com/penstockhq/penstock/internal/quota/door"
)

// streamWindow is how long a log stream counts at least, and half of how long it counts at most.
const streamWindow = 30 * time.Minute

// quotaExtension answers listeners and pipelines. It is safe for concurrent use.
type quotaExtension struct {
	cfg       *Config
	set       extension.Settings
	telemetry *metadata.TelemetryBuilder
	rules     *rules
	table     *quota.Table
	streams   *quota.StreamCount
	refusals  *refusals
	series    *quota.Series
	day       *day      // nil: a restart forgets the day's bytes
	exchange  *exchange // nil: no sharing
}

var (
	_ extension.Extension            = (*quotaExtension)(nil)
	_ extensionmiddleware.GRPCServer = (*quotaExtension)(nil)
	_ extensionmiddleware.HTTPServer = (*quotaExtension)(nil)
	_ door.Door                      = (*quotaExtension)(nil)
)

func newExtension(cfg *Config, set extension.Settings) (*quotaExtension, error) {
	t, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	e := &quotaExtension{cfg: cfg, set: set, telemetry: t, rules: newRules(cfg), refusals: newRefusals(t, cfg.TenantMetrics), series: cfg.series(),
		streams: quota.NewStreamCount(cfg.MaxStreams, streamWindow)}
	if !cfg.Share.HasValue() {
		e.table = quota.NewTable(cfg.MaxAccounts)
	} else if err := e.share(); err != nil {
		return nil, err
	}
	return e, errors.Join(
		t.RegisterExtensionQuotaAccountsCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(e.table.Len()))
			return nil
		}),
		t.RegisterExtensionQuotaEvictedAccountsCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(e.table.Evicted())
			return nil
		}),
		t.RegisterExtensionQuotaStreamsCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(e.streams.Len()))
			return nil
		}),
		t.RegisterExtensionQuotaGatewaysCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(e.table.Gateways()))
			return nil
		}))
}

// SeriesBudgets are the configured budgets of series. A cardinality_guard reads them.
func (e *quotaExtension) SeriesBudgets() *quota.Series { return e.series }

// Start begins to share, if that is configured. It does not wait for Kafka.
func (e *quotaExtension) Start(ctx context.Context, _ component.Host) error {
	if e.exchange == nil {
		return e.keepDay()
	}
	if err := e.exchange.start(ctx); err != nil {
		return fmt.Errorf("extensions::%s::share: %w", e.set.ID, err)
	}
	return nil
}

// Shutdown stops sharing. It may be repeated.
func (e *quotaExtension) Shutdown(context.Context) error {
	if e.exchange != nil {
		e.exchange.stop()
	}
	if e.day != nil {
		e.day.stop()
	}
	e.telemetry.Shutdown()
	return nil
}
