package protectedtelemetry

import (
	"context"
	"errors"
	"slices"

	otelconf "go.opentelemetry.io/contrib/otelconf/v0.3.0"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/zap"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configtelemetry"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/service/telemetry"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"

	"github.com/penstockhq/penstock/internal/calm"
)

var errNoResource = errors.New("the collector's resource is needed for its metrics")

// NewFactory returns otelconftelemetry's factory with the same configuration and metrics. This package serves its pull readers and calms its log:
// see package calm.
func NewFactory() telemetry.Factory {
	stock := otelconftelemetry.NewFactory()
	return telemetry.NewFactory(
		stock.CreateDefaultConfig,
		telemetry.WithCreateResource(stock.CreateResource),
		telemetry.WithCreateLogger(func(ctx context.Context, set telemetry.LoggerSettings, cfg component.Config) (*zap.Logger, component.ShutdownFunc, error) {
			set.ZapOptions = append(slices.Clip(set.ZapOptions), zap.WrapCore(calm.Log))
			return stock.CreateLogger(ctx, set, cfg)
		}),
		telemetry.WithCreateTracerProvider(stock.CreateTracerProvider),
		telemetry.WithCreateMeterProvider(func(ctx context.Context, set telemetry.MeterSettings, cfg component.Config) (telemetry.MeterProvider, error) {
			return createMeterProvider(ctx, set, cfg.(*otelconftelemetry.Config), stock)
		}),
	)
}

// createMeterProvider creates the stock factory's provider. The stock code opens its listeners itself, so if there are pull readers, this function
// creates the provider: otelconf makes the other readers, and this package makes pull readers that refuse web pages.
func createMeterProvider(ctx context.Context, set telemetry.MeterSettings, cfg *otelconftelemetry.Config, stock telemetry.Factory) (
	_ telemetry.MeterProvider, err error) {
	isPull := func(r otelconf.MetricReader) bool {
		return r.Pull != nil && r.Periodic == nil && r.Pull.Exporter.Prometheus != nil
	}
	if cfg.Metrics.Level == configtelemetry.LevelNone || !slices.ContainsFunc(cfg.Metrics.Readers, isPull) {
		return stock.CreateMeterProvider(ctx, set, cfg)
	}
	if cfg.Metrics.MigratedFromV02 {
		set.Logger.Warn("Telemetry metrics configuration is using the deprecated v0.2.0 Declarative Configuration format, please migrate to the v0.3.0 format",
			zap.String("url", "https://opentelemetry.io/docs/specs/otel/configuration/#declarative-configuration"))
	}
	if set.Resource == nil {
		return nil, errNoResource
	}
	provider := cfg.Metrics.MeterProvider
	if provider.Views == nil && set.DefaultViews != nil {
		provider.Views = set.DefaultViews(cfg.Metrics.Level)
	}
	refusals := &refusals{}
	var opened []*pullReader
	defer func() {
		if err != nil {
			for _, r := range opened {
				err = errors.Join(err, r.Shutdown(ctx))
			}
		}
	}()
	options := []otelconf.ConfigurationOption{otelconf.WithContext(ctx)}
	for _, r := range provider.Readers {
		if isPull(r) {
			reader, err := newPullReader(r.Pull.Exporter.Prometheus, refusals)
			if err != nil {
				return nil, err
			}
			opened = append(opened, reader)
			options = append(options, otelconf.WithMeterProviderOptions(sdkmetric.WithReader(reader)))
		}
	}
	provider.Readers = slices.DeleteFunc(slices.Clone(provider.Readers), isPull)
	sdk, err := otelconf.NewSDK(append(options, otelconf.WithOpenTelemetryConfiguration(otelconf.OpenTelemetryConfiguration{
		Resource: resource(set.Resource, cfg.Resource.SchemaUrl), MeterProvider: &provider,
	}))...)
	if err != nil {
		return nil, err
	}
	made := sdk.MeterProvider().(telemetry.MeterProvider)
	return made, refusals.count(made)
}

// resource is the collector's resource, with the schema that the configuration names.
func resource(res *pcommon.Resource, schema *string) *otelconf.Resource {
	out := &otelconf.Resource{SchemaUrl: schema}
	for name, value := range res.Attributes().All() {
		out.Attributes = append(out.Attributes, otelconf.AttributeNameValue{Name: name, Value: value.AsRaw()})
	}
	return out
}
