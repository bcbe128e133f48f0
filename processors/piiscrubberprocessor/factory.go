package piiscrubberprocessor

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/xconsumer"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"
	"go.opentelemetry.io/collector/processor/xprocessor"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/metadata"
)

// factory gives the pipelines that name one component ID the same scrubber: they share a configuration value, which is the key.
type factory struct {
	mu        sync.Mutex
	scrubbers map[*Config]*scrubber // guarded by mu
}

// NewFactory returns the factory of pii_scrubber.
func NewFactory() processor.Factory {
	f := &factory{scrubbers: map[*Config]*scrubber{}}
	return xprocessor.NewFactory(metadata.Type, createDefaultConfig,
		xprocessor.WithLogs(f.createLogs, metadata.LogsStability),
		xprocessor.WithTraces(f.createTraces, metadata.TracesStability),
		xprocessor.WithMetrics(f.createMetrics, metadata.MetricsStability),
		xprocessor.WithProfiles(f.createProfiles, metadata.ProfilesStability))
}

func (f *factory) scrubber(set processor.Settings, cfg component.Config) (*scrubber, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := cfg.(*Config)
	if s, ok := f.scrubbers[c]; ok {
		return s, nil
	}
	s, err := newScrubber(set.TelemetrySettings, set.ID, c, func() { f.forget(c) })
	if err == nil {
		f.scrubbers[c] = s
	}
	return s, err
}

func (f *factory) forget(c *Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.scrubbers, c)
}

func (s *scrubber) options() []processorhelper.Option {
	return []processorhelper.Option{
		processorhelper.WithCapabilities(consumer.Capabilities{MutatesData: true}),
		processorhelper.WithStart(s.start),
		processorhelper.WithShutdown(s.shutdown),
	}
}

func (f *factory) createLogs(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	s, err := f.scrubber(set, cfg)
	if err != nil {
		return nil, err
	}
	return processorhelper.NewLogs(ctx, set, cfg, next, s.logs, s.options()...)
}

func (f *factory) createTraces(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Traces) (processor.Traces, error) {
	s, err := f.scrubber(set, cfg)
	if err != nil {
		return nil, err
	}
	return processorhelper.NewTraces(ctx, set, cfg, next, s.traces, s.options()...)
}

func (f *factory) createMetrics(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics) (processor.Metrics, error) {
	s, err := f.scrubber(set, cfg)
	if err != nil {
		return nil, err
	}
	return processorhelper.NewMetrics(ctx, set, cfg, next, s.metrics, s.options()...)
}

func (f *factory) createProfiles(_ context.Context, set processor.Settings, cfg component.Config, next xconsumer.Profiles) (xprocessor.Profiles, error) {
	s, err := f.scrubber(set, cfg)
	if err != nil {
		return nil, err
	}
	return &profiles{scrubber: s, next: next}, nil
}
