package consoleextension

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/consoleextension/internal/metadata"
	"github.com/penstockhq/penstock/extensions/consoleextension/internal/samples"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/tap"
	"github.com/penstockhq/penstock/internal/tap/sampler"
)

// readings is how many readings of the collector's own metrics are remembered: a quarter of an hour at the default interval.
const readings = 180

// console serves the pages, and what they show of the collector. It changes nothing. It is safe for concurrent use.
type console struct {
	set       component.TelemetrySettings
	telemetry *metadata.TelemetryBuilder
	info      component.BuildInfo
	interval  time.Duration
	host      string
	since     time.Time

	conf    atomic.Pointer[confmap.Conf] // nil until the collector tells
	states  states
	ring    *samples.Ring
	stores  stores // set by Start
	sampler *sampler.Sampler

	unmount func()
	stop    context.CancelFunc
	reading sync.WaitGroup
}

var (
	_ extension.Extension     = (*console)(nil)
	_ componentstatus.Watcher = (*console)(nil)
)

func newConsole(cfg *Config, set extension.Settings) (*console, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return &console{set: set.TelemetrySettings, telemetry: telemetry, info: set.BuildInfo, interval: cfg.Interval, host: host,
		since: time.Now().UTC().Truncate(time.Second), ring: samples.NewRing(readings, cfg.MaxSeries), sampler: sampler.New(tap.NewHub(cfg.MaxTaps))}, nil
}

// Start shows the pages on the admin extension.
func (c *console) Start(_ context.Context, host component.Host) error {
	err := c.telemetry.RegisterExtensionConsoleLeftOutSeriesCallback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(int64(c.ring.LeftOut()))
		return nil
	})
	if err != nil {
		return err
	}
	m, ok := admin.Find(host)
	if !ok {
		return errNoAdmin
	}
	c.stores.find(host)
	if c.unmount, err = m.Mount(admin.ConsoleID, "Console", c.handler()); err != nil {
		return fmt.Errorf("show the console: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.reading.Go(func() { c.read(ctx) })
	return nil
}

// Shutdown takes the pages away.
func (c *console) Shutdown(context.Context) error {
	if c.unmount != nil {
		c.unmount()
		c.unmount = nil
	}
	if c.stop != nil {
		c.stop()
		c.reading.Wait()
	}
	c.telemetry.Shutdown()
	return nil
}

// NotifyConfig is how the collector tells an extension its configuration, before pipelines start.
func (c *console) NotifyConfig(_ context.Context, conf *confmap.Conf) error {
	c.conf.Store(conf)
	return nil
}

// ComponentStatusChanged is how the collector tells an extension what a component reports.
func (c *console) ComponentStatusChanged(source *componentstatus.InstanceID, e *componentstatus.Event) {
	c.states.changed(source, e)
}

// read reads the collector's own metrics now and then.
func (c *console) read(ctx context.Context) {
	tick := time.NewTicker(c.interval)
	defer tick.Stop()
	for {
		if err := c.readOnce(ctx); err != nil && ctx.Err() == nil {
			c.telemetry.ExtensionConsoleFailedReadings.Add(ctx, 1)
			c.set.Logger.Debug("The collector's own metrics could not be read", zap.Error(err))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
